"""What the models topic holds: of each head the versions that are kept, the one that is served, and a pin."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.namespace import MODELS, Namespace
from pipeline.kafka.ranges import read_range
from pipeline.learner.records import Checkpoint, Position, decode_pin, decode_position, put_together
from pipeline.log.models import POSITION_KEY, pin_key, served_key, state_key
from pipeline.scoring.snapshot import Snapshot, SnapshotError, decode_snapshot


class Kept(NamedTuple):
    """A snapshot, its bytes, and when it was published, epoch milliseconds of the wall clock."""

    snapshot: Snapshot
    body: bytes
    published: int


class HeadShelf(NamedTuple):
    """A head: versions that are kept, the one that is served (None: none yet), the pinned one (0: none)."""

    kept: dict[int, Kept]
    served: Kept | None
    pin: int


class Shelf:
    """The newest record of each key."""

    def __init__(self, newest: Mapping[bytes, tuple[bytes, int]]) -> None:
        self._newest = newest
        self._values = {key: value for key, (value, _) in newest.items()}

    def heads(self) -> list[str]:
        """Names of the heads that have anything here."""
        return sorted({key.partition(b"/")[0].decode(errors="backslashreplace") for key in self._newest} - {""})

    def head(self, name: str) -> HeadShelf:
        """What there is of a head. A snapshot that this release cannot read is left out. Raises UserError."""
        kept = {snapshot.snapshot.version: snapshot for snapshot in self._versions(name)}
        pin = self._values.get(pin_key(name))
        return HeadShelf(kept, self._read(served_key(name)), 0 if pin is None else decode_pin(pin).version)

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

    def _versions(self, name: str) -> Iterator[Kept]:
        prefix = served_key(name) + b"/"
        for key in self._newest:
            if key.startswith(prefix) and key[len(prefix) :].isdigit() and (kept := self._read(key)) is not None:
                yield kept

    def _read(self, key: bytes) -> Kept | None:
        if key not in self._newest:
            return None
        value, published = self._newest[key]
        try:
            return Kept(decode_snapshot(value), value, published)
        except SnapshotError:
            return None


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
