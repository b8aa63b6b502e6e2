"""Is every source record that ingest has committed in the log, in rejects, in echo, or one that is not for the log?"""

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.namespace import BROADCAST_SOURCES, CLOCKED_SOURCES, MODELS, Mode, Namespace, SourcePartition
from pipeline.events.clock import Clock
from pipeline.kafka.ranges import read_range
from pipeline.log.models import is_for_the_log
from pipeline.verify.bitmaps import Bitmap
from pipeline.verify.report import Finding, Part

NOTE_AT = 50_000
"""Offsets gathered before they are entered together."""

READ_THROUGH = 5_000
"""Accounted records read past between two that are not, rather than seeking."""

MOST_RUNS = 10_000
"""Runs of unaccounted offsets held in memory together: in a replay each clock record is one."""

RESET_PREFIX = b"source-reset|"
CONTROL = "pipeline.control"


class _Place(msgspec.Struct, array_like=True, gc=False):
    source: int
    offset: int


class _Places(msgspec.Struct, array_like=True, gc=False):
    """A frame, of which only the places of its rows are decoded."""

    format: int
    kind: int
    mode: str
    rows: list[_Place] = []


class Bounds(msgspec.Struct):
    """A source partition when verify began. `reset`: offset of its newest reset in the control topic, -1 for none."""

    begin: int
    end: int
    committed: int
    reset: int = -1


class Kept(msgspec.Struct):
    """What an earlier run knew of a source: all below `base` was judged, and `noted` above it was accounted for."""

    base: int
    reset: int
    noted: dict[int, list[int]]


class Sources:
    """Bitmaps of all sources: one each, and for what every partition of the log must hold, one for each of them."""

    def __init__(self, namespace: Namespace, bounds: list[Bounds], kept: list[Kept], folder: Path) -> None:
        self._namespace = namespace
        self._bounds = bounds
        self._control = namespace.sources.index(SourcePartition(CONTROL, 0))
        self._ids = {(s.topic, s.partition): i for i, s in enumerate(namespace.sources)}
        self._bitmaps: list[dict[int, Bitmap]] = []
        self._pending: dict[tuple[int, int], list[int]] = {}
        self._gathered = 0
        for i, source in enumerate(namespace.sources):
            known = kept[i] if i < len(kept) and kept[i].reset == bounds[i].reset else None
            base = known.base if known is not None else (bounds[i].begin if bounds[i].reset >= 0 else 0)
            copies = namespace.partitions if source.topic in BROADCAST_SOURCES else 1
            maps = {c: Bitmap(folder / f"source-{i}-{c}", base, bounds[i].end) for c in range(copies)}
            for copy, offsets in known.noted.items() if known is not None else ():
                maps[copy].mark(np.array(offsets, np.int64))
            self._bitmaps.append(maps)

    def frame(self, partition: int, data: bytes, control_read: int) -> int:
        """Note the rows of a frame. `control_read`: highest offset of the control topic that this partition knows.

        Returns it anew. Rows that stand before the newest reset of their source have nothing to do with its offsets.
        """
        rows = _decode_places(data).rows
        pending = self._pending
        for row in rows:
            if row.source == self._control and row.offset > control_read:
                control_read = row.offset
            if self._bounds[row.source].reset <= control_read:
                pending.setdefault((row.source, partition), []).append(row.offset)
        self._gathered += len(rows)
        if self._gathered >= NOTE_AT:
            self._enter()
        return control_read

    def named(self, key: str) -> None:
        """Note a record by its name, `topic-partition-offset`, as rejects and echo know it: for every partition."""
        place, _, offset = key.rpartition("-")
        topic, _, partition = place.rpartition("-")
        if offset.isdecimal() and partition.isdecimal() and (topic, int(partition)) in self._ids:
            source = self._ids[topic, int(partition)]
            for copy in self._bitmaps[source]:
                self._pending.setdefault((source, copy), []).append(int(offset))

    def control_source(self) -> int:
        """Id of the control topic."""
        return self._control

    async def judge(self, consumer: AIOKafkaConsumer, part: Part) -> None:
        """Look in the sources for what is not accounted for, and only there."""
        self._enter()
        for i, source in enumerate(self._namespace.sources):
            bounds = self._bounds[i]
            name = f"{source.topic}-{source.partition}"
            if bounds.committed > bounds.end:
                what = f"{name} ends at {bounds.end} but the group has committed {bounds.committed}"
                part.differ(Finding.DIFFERENT, what)
            high = min(bounds.committed, bounds.end)
            tp = TopicPartition(self._namespace.topic(source.topic), source.partition)
            kept_back: list[int] = []
            for copy, bitmap in self._bitmaps[i].items():
                bitmap.mark(np.array(kept_back, np.int64))
                where = f" in partition {copy} of the log" if len(self._bitmaps[i]) > 1 else ""
                part.equal += len(bitmap.marked(0, high))
                async for record in _records(consumer, tp, bitmap.missing(high), bounds.begin, part):
                    if source.topic == MODELS and not is_for_the_log(record.key):
                        part.equal += 1
                        kept_back.append(record.offset)
                    elif self._is_clock(source, record.value):
                        part.equal += 1
                    else:
                        part.differ(Finding.MISSING, f"{name}-{record.offset}{where}")

    def keep(self) -> list[Kept]:
        """What the next run has to know."""
        return [
            Kept(
                min(bounds.committed, bounds.end),
                bounds.reset,
                {c: bitmap.marked(bounds.committed, bounds.end).tolist() for c, bitmap in maps.items()},
            )
            for bounds, maps in zip(self._bounds, self._bitmaps, strict=True)
        ]

    def _enter(self) -> None:
        for (source, partition), offsets in self._pending.items():
            maps = self._bitmaps[source]
            bitmap = maps[partition] if len(maps) > 1 else maps[0]
            bitmap.mark(np.array(offsets, np.int64))
        self._pending.clear()
        self._gathered = 0

    def _is_clock(self, source: SourcePartition, value: bytes | None) -> bool:
        if self._namespace.mode is Mode.LIVE or source.topic not in CLOCKED_SOURCES or value is None:
            return False
        try:
            _decode_clock(value)
        except (msgspec.MsgspecError, RecursionError):
            return False
        return True


_decode_places = msgspec.msgpack.Decoder(_Places).decode
_decode_clock = msgspec.json.Decoder(Clock).decode


async def _records(
    consumer: AIOKafkaConsumer, tp: TopicPartition, runs: Iterable[tuple[int, int]], begin: int, part: Part
) -> AsyncIterator[Any]:
    """The records that exist at the offsets of `runs`. What retention has taken is counted as not judged."""
    assigned = False
    for group in _groups(_kept_there(runs, begin, part)):
        if not assigned:
            consumer.assign([tp])
            assigned = True
        waiting = iter(group)
        low, high = next(waiting)
        async for records in read_range(consumer, tp, group[0][0], group[-1][1]):
            for record in records:
                while record.offset >= high:
                    low, high = next(waiting)
                if record.offset >= low:
                    yield record


def _kept_there(runs: Iterable[tuple[int, int]], begin: int, part: Part) -> Iterator[tuple[int, int]]:
    for low, high in runs:
        part.not_judged += max(0, min(high, begin) - low)
        if high > begin:
            yield max(low, begin), high


def _groups(runs: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Runs that are read in one go."""
    group: list[tuple[int, int]] = []
    for run in runs:
        if group and (run[0] - group[-1][1] > READ_THROUGH or len(group) == MOST_RUNS):
            yield group
            group = []
        group.append(run)
    if group:
        yield group
