"""Two sequences side by side, what the fold gives and what a topic holds: what is missing, doubled or different."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import NamedTuple, Protocol

from pipeline.verify.report import Finding, Part

WINDOW = 256
"""Records looked at on either side to find where the sequences meet again."""


class Record(NamedTuple):
    """A record of an output. `offset` is the frame's where the fold made it, its own where it was read."""

    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Identity(NamedTuple):
    """What a record says of itself: its id, the engine's version, and the frame that made it where it says so."""

    id: str
    version: str
    log_offset: int | None = None


class Seen(Protocol):
    """Remembers, on disk, which outputs the fold gave."""

    def add(self, value: bytes) -> None:
        """Remember one."""

    def known(self, value: bytes) -> bool:
        """Whether it was given before."""


class Aligner:
    """Aligns one topic of one partition. Equal records cost a comparison of bytes and nothing more.

    `more` reads on in the topic and gives nothing at the end. `started` is False where retention has cut the topic's
    beginning: what the fold gives before the first record that is still there is not judged.
    """

    def __init__(
        self,
        part: Part,
        more: Callable[[], Awaitable[list[Record]]],
        identify: Callable[[Record], Identity],
        version: str,
        seen: Seen,
        *,
        started: bool,
    ) -> None:
        self._part = part
        self._more = more
        self._identify = identify
        self._version = version
        self._seen = seen
        self._started = started
        self._expected: deque[Record] = deque()
        self._actual: deque[Record] = deque()
        self._foreign = False
        self._ended = False
        self.met_foreign = False
        """Whether an output of another version of the engine was met."""

    async def expect(self, records: Iterable[Record]) -> None:
        """Compare what the fold gives next; where it does not fit, wait for enough to tell why."""
        self._expected.extend(records)
        await self._advance(WINDOW)

    async def finish(self) -> None:
        """The fold has given everything: compare the rest."""
        await self._advance(1)

    async def rest(self, beyond: Callable[[Identity], bool]) -> int | None:
        """Judge what stands after everything expected. Returns the offset of the first of it, None for nothing.

        `beyond` tells whether a record belongs to a frame that was not folded.
        """
        first: int | None = None
        met: set[bytes] = set()
        while self._actual or await self._fill():
            record = self._actual.popleft()
            identity = self._identify(record)
            if self._seen.known(record.value) or record.value in met:
                self._part.differ(Finding.DOUBLED, _place(record, identity))
            elif beyond(identity):
                met.add(record.value)
                self._part.beyond += 1
                first = record.offset if first is None else first
            elif self._is_foreign(record):
                self._part.not_judged += 1
            else:
                self._part.differ(Finding.UNEXPECTED, _place(record, identity))
        return first

    async def _fill(self) -> bool:
        if not self._ended:
            records = await self._more()
            self._ended = not records
            self._actual.extend(records)
        return not self._ended

    async def _advance(self, patience: int) -> None:
        """Compare as long as the heads are equal, or `patience` records wait for a match."""
        expected, actual, part = self._expected, self._actual, self._part
        while expected:
            if actual or await self._fill():
                if expected[0][1:] == actual[0][1:]:
                    self._seen.add(expected.popleft().value)
                    actual.popleft()
                    part.equal += 1
                    self._started, self._foreign = True, False
                    continue
                if len(expected) < patience:
                    return
                await self._meet()
            else:
                self._drop_expected(len(expected), next_foreign=False)

    async def _meet(self) -> None:
        """Give up what stands before the nearest pair of the same id."""
        while len(self._actual) < WINDOW and await self._fill():
            pass
        places: dict[str, int] = {}
        for i, record in enumerate(islice(self._expected, WINDOW)):
            places.setdefault(self._identify(record).id, i)
        best: tuple[int, int] | None = None
        for j, record in enumerate(islice(self._actual, WINDOW)):
            i = places.get(self._identify(record).id, -1)
            if i >= 0 and (best is None or i + j < sum(best)):
                best = i, j
        if best is None:
            self._drop_expected(min(WINDOW, len(self._expected)), next_foreign=self._is_foreign(self._actual[0]))
            if len(self._actual) > WINDOW:
                self._drop_actual(WINDOW // 2)
            return
        self._drop_expected(best[0], next_foreign=self._is_foreign(self._actual[best[1]]))
        self._drop_actual(best[1])
        if self._expected[0][1:] != self._actual[0][1:]:
            self._differ()

    def _differ(self) -> None:
        """The heads have the same id and other bytes."""
        mine, theirs = self._expected.popleft(), self._actual.popleft()
        self._started, self._foreign = True, self._is_foreign(theirs)
        self._seen.add(mine.value)
        if self._foreign:
            self._part.not_judged += 1
        else:
            identity = self._identify(theirs)
            self._part.differ(Finding.DIFFERENT, f"{_place(theirs, identity)}, made by frame {mine.offset}")

    def _drop_expected(self, count: int, *, next_foreign: bool) -> None:
        """Nothing stands for these. Beside another version's outputs, or where the topic was cut, that says nothing."""
        for _ in range(count):
            record = self._expected.popleft()
            self._seen.add(record.value)
            if self._foreign or next_foreign or not self._started:
                self._part.not_judged += 1
            else:
                self._part.differ(Finding.MISSING, f"{self._identify(record).id} of frame {record.offset}")

    def _drop_actual(self, count: int) -> None:
        for _ in range(count):
            record = self._actual.popleft()
            identity, self._foreign = self._identify(record), self._is_foreign(record)
            if self._foreign:
                self._part.not_judged += 1
            else:
                doubled = self._seen.known(record.value)
                self._part.differ(Finding.DOUBLED if doubled else Finding.UNEXPECTED, _place(record, identity))

    def _is_foreign(self, record: Record) -> bool:
        foreign = self._identify(record).version != self._version
        self.met_foreign |= foreign
        return foreign


def _place(record: Record, identity: Identity) -> str:
    frame = "" if identity.log_offset is None else f" of frame {identity.log_offset}"
    return f"{identity.id or 'a record that cannot be read'}{frame} at offset {record.offset}"
