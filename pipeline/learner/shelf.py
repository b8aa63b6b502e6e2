"""What the models topic holds: of each head the versions that are kept, the one that is served, and a pin."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.namespace import MODELS, Namespace
from pipeline.kafka.ranges import read_range
from pipeline.learner.records import Checkpoint, Position, decode_pin, decode_position, put_together
from pipeline.log.models import POSITION_KEY, pin_key, served_key, state_key, version_key
from pipeline.scoring.features import Spec
from pipeline.scoring.snapshot import Quality, Snapshot, SnapshotError, check, decode_snapshot


class Kept(NamedTuple):
    """A snapshot, its bytes, and when it was published, epoch milliseconds of the wall clock."""

    snapshot: Snapshot
    body: bytes
    published: int


class HeadShelf(NamedTuple):
    """A head: versions that are kept, the one that is served (None: none yet), the pinned one (0: none).

    `damaged`: the record of the one that is served cannot be read.
    """

    kept: dict[int, Kept]
    served: Kept | None
    pin: int
    damaged: bool = False


def refusal(snapshot: Snapshot, spec: Spec | None) -> SnapshotError | None:
    """Why a worker does not score with it, None where it does. `spec` is that of its head in this release, if any."""
    if spec is None:
        return SnapshotError("unknown_head", f"this release has no head {snapshot.head}")
    try:
        check(snapshot, spec)
    except SnapshotError as error:
        return error
    return None


def accepted(kept: Mapping[int, Kept], spec: Spec | None) -> dict[int, Quality]:
    """The quality of each of these versions that a worker would score with."""
    return {version: one.snapshot.quality for version, one in kept.items() if refusal(one.snapshot, spec) is None}


class Shelf:
    """The newest record of each key."""

    def __init__(self, newest: Mapping[bytes, tuple[bytes, int]]) -> None:
        self._newest = newest
        self._values = {key: value for key, (value, _) in newest.items()}

    def heads(self) -> list[str]:
        """Names of the heads that have anything here."""
        return sorted({key.partition(b"/")[0].decode(errors="backslashreplace") for key in self._newest} - {""})

    def head(self, name: str) -> HeadShelf:
        """What there is of a head. Raises UserError.

        Left out is a snapshot that this release cannot read, and one under a key that names another head or version.
        What is served was published when its version was: the record tells when it was last chosen.
        """
        kept = dict(self._versions(name))
        served = self._read(served_key(name), name)
        if served is not None:
            same = kept.get(served.snapshot.version)
            served = same if same is not None and same.body == served.body else served
        pin = self._values.get(pin_key(name))
        damaged = served is None and served_key(name) in self._newest
        return HeadShelf(kept, served, 0 if pin is None else decode_pin(pin).version, damaged)

    def checkpoint(self, name: str) -> Checkpoint | None:
        """The learner's state of a head. Raises UserError."""
        return put_together(name, self._values)

    def state_bytes(self, name: str) -> int:
        """Bytes of the learner's state of a head."""
        own = state_key(name, 0)
        return sum(len(value) for key, value in self._values.items() if key == own or key.startswith(own + b"/"))

    def position(self) -> Position | None:
        """Up to where the learner has read the examples. Raises UserError."""
        value = self._values.get(POSITION_KEY)
        return None if value is None else decode_position(value)

    def _versions(self, name: str) -> Iterator[tuple[int, Kept]]:
        for key in self._newest:
            one = self._read(key, name) if key.startswith(served_key(name) + b"/") else None
            if one is not None and key == version_key(name, one.snapshot.version):
                yield one.snapshot.version, one

    def _read(self, key: bytes, head: str) -> Kept | None:
        if key not in self._newest:
            return None
        value, published = self._newest[key]
        try:
            snapshot = decode_snapshot(value)
        except SnapshotError:
            return None
        return Kept(snapshot, value, published) if snapshot.head == head else None


async def read_shelf(consumer: AIOKafkaConsumer, namespace: Namespace) -> tuple[Shelf, int]:
    """Read the models topic to its end; also the offset to read on from. The consumer gets its partition assigned."""
    models = TopicPartition(namespace.topic(MODELS), 0)
    consumer.assign([models])
    begin = (await consumer.beginning_offsets([models]))[models]
    end = (await consumer.end_offsets([models]))[models]
    newest: dict[bytes, tuple[bytes, int]] = {}
    async for records in read_range(consumer, models, begin, end):
        for record in records:
            if record.value is None:
                newest.pop(record.key, None)
            elif record.key is not None:
                newest[record.key] = record.value, record.timestamp
    return Shelf(newest), end
