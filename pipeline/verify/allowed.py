"""Whether an item might be suggested, asked of the fold at the moment at which it was.

What was in stock, in the cart and bought lately the fold knows at that moment only. So what was told of a frame is read
before the frame is folded, and when the fold comes to suggest, it is asked of each item that was.
"""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import msgspec
from msgspec import Struct

from pipeline.config.namespace import DECISIONS
from pipeline.engine.batch import Output
from pipeline.triggers.contract import ENGINE_VERSION, Kind, Outcome, Suggestion
from pipeline.verify.align import Record
from pipeline.verify.report import Finding, Part

PART = "suggested items"


class Told(NamedTuple):
    """A personalization that went out: the frame that made it, its trigger, what it suggests, and where that stands."""

    frame: int
    trigger: str
    items: tuple[str, ...]
    offset: int


class Allowed:
    """What the decisions of one partition suggest, frame by frame. `part` counts the decisions, not the items."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._told: deque[Told] = deque()
        self._now: list[Told] = []
        self._answers: list[int] = []
        self.reached = -1
        """The frame that the last decision read is of: what was told of earlier ones has been read."""

    def read(self, decisions: list[Record]) -> None:
        """Take decisions as they stand in the topic, in its order."""
        for record in decisions:
            if _IS_SHOWN in record.value and _IS_EMITTED in record.value and (told := _told(record)) is not None:
                self._told.append(told)
        with suppress(msgspec.MsgspecError):  # what cannot be read is found where all of it is compared
            self.reached = max(self.reached, _frame(decisions[-1].value).log_offset)

    def begin(self, frame: int) -> None:
        """A frame is about to be folded."""
        self._now, self._answers = [], []
        while self._told and self._told[0].frame <= frame:
            told = self._told.popleft()
            if told.frame == frame:
                self._now.append(told)
            else:
                self._part.not_judged += bool(told.items)

    def suggest(self, _site: str, recent: dict[str, int], may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
        """In place of the tables: nothing is suggested, but it is asked whether what was told might be."""
        place = len(self._answers)
        items = self._now[place].items if place < len(self._now) else ()
        newest = next(reversed(recent), None)
        fine = {item for item in items if item != newest and may(item)}
        self._answers.append(len(items) - len(fine))  # an item told twice is one too many
        return ()

    def judge(self, outputs: Iterable[Output]) -> None:
        """The frame was folded: whether what it asked about is what it says itself, one after the other."""
        made = [dict(output.headers)["trigger_id"].decode() for output in outputs if _shows(output)]
        whole = len(made) == len(self._answers)  # else something was suggested that came to nothing
        for place, told in enumerate(self._now):
            if not told.items:
                continue
            if not whole or place >= len(made) or made[place] != told.trigger:
                self._part.not_judged += 1
            elif wrong := self._answers[place]:
                what = f"{told.trigger} at offset {told.offset} of {DECISIONS}: {wrong} of {len(told.items)} items"
                self._part.differ(Finding.DIFFERENT, f"{what} might not be suggested then")
            else:
                self._part.equal += 1


class _Item(Struct):
    item_id: str


class _Frame(Struct):
    log_offset: int


class _Shown(Struct):
    trigger_id: str
    engine_version: str
    log_offset: int
    suggestions: tuple[_Item, ...] = ()


def _told(record: Record) -> Told | None:
    """What a decision tells; nothing is said of one by another version of the engine."""
    try:
        found = _shown(record.value)
    except msgspec.MsgspecError:
        return None
    items = tuple([one.item_id for one in found.suggestions]) if found.engine_version == ENGINE_VERSION else ()
    return Told(found.log_offset, found.trigger_id, items, record.offset)


def _shows(output: Output) -> bool:
    return output.topic == DECISIONS and (output.kind, output.outcome) == (Kind.PERSONALIZATION, Outcome.EMITTED)


_IS_SHOWN = f'"kind":"{Kind.PERSONALIZATION.value}"'.encode()
_IS_EMITTED = f'"outcome":"{Outcome.EMITTED.value}"'.encode()
_frame = msgspec.json.Decoder(_Frame).decode
_shown = msgspec.json.Decoder(_Shown).decode
