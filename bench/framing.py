"""A log in memory: what ingest makes of records, frames of each partition and watermarks."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from bench.place import PARTITIONS
from pipeline.config.namespace import MODELS, Mode, SourcePartition, new_namespace
from pipeline.ingest.framing import Framer
from pipeline.log.frames import FORMAT, Frame, FrameKind, Mark, encode_frame
from pipeline.log.persons import partition_of
from pipeline.log.rows import ModelRow, NamespaceRow, Row

START = 1_700_000_000_000
"""When the log begins, epoch milliseconds."""

REJECT_BYTES = 4_096

Log = list[list[bytes]]
"""The frames of each partition, the first of which says what the namespace is."""

_NAMESPACE = new_namespace("bench", Mode.LIVE, PARTITIONS)
_IDS = {source: number for number, source in enumerate(_NAMESPACE.sources)}


class Published(NamedTuple):
    """A record of a source topic, before it has an offset."""

    topic: str
    key: str
    value: bytes
    at: int


class Record(NamedTuple):
    """A record as a consumer returns it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


def frame(polls: Iterable[list[Published]]) -> Log:
    """The log of these polls, in order; after each the clock is a second behind its newest record."""
    framer, offsets = Framer(_NAMESPACE, "bench", REJECT_BYTES), dict.fromkeys(_IDS.values(), 0)
    control = SourcePartition("pipeline.control", 0)
    log = [[broadcast(control, 0, NamespaceRow(msgspec.json.encode(_NAMESPACE)))] for _ in range(PARTITIONS)]
    for poll in polls:
        polled: dict[int, list[Record]] = {}
        for one in poll:
            source = _IDS[SourcePartition(one.topic, partition_of(one.key, PARTITIONS))]
            polled.setdefault(source, []).append(Record(offsets[source], one.at, one.key.encode(), one.value))
            offsets[source] += 1
        newest = poll[-1].at
        for partition, data in framer.frame(polled.items(), newest).frames:
            log[partition].append(data)
        passed = framer.tick([Mark(clocked, newest - 1_000) for clocked in _NAMESPACE.clocked()], [])
        for frames in log:
            frames.append(passed)
    return log


def model(offset: int, row: ModelRow) -> bytes:
    """A frame of a snapshot."""
    return broadcast(SourcePartition(MODELS, 0), offset, row)


def broadcast(source: SourcePartition, offset: int, event: NamespaceRow | ModelRow) -> bytes:
    """A frame of one record that every partition gets."""
    rows = (Row(_IDS[source], offset, 0, START, "", event),)
    return encode_frame(Frame(FORMAT, FrameKind.CONTROL, "live", rows))
