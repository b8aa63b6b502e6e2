"""Streams a history into the source topics of a namespace, with clock records that tell its time."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from zlib import crc32

import msgspec
from aiokafka import TopicPartition

from pipeline.config.durations import DAY
from pipeline.config.errors import UserError
from pipeline.config.namespace import CLOCKED_SOURCES, Mode, Namespace
from pipeline.config.settings import Settings
from pipeline.events.clock import Clock
from pipeline.kafka.batches import PartitionWriter, batch_producer
from pipeline.kafka.clients import kafka_errors, reader
from pipeline.kafka.ranges import newest_rows
from pipeline.kafka.topics import read_namespace
from pipeline.replay.clocks import ClockTimes
from pipeline.replay.history import History, Skipped
from pipeline.replay.pace import AtOnce, Pace
from pipeline.simulator.happening import Happening

SETTLE = 4 * DAY
"""How far the last clock record is past the last event: expiry after 72 h, a step after 24 h, have come due by then."""

_FLUSH_SECONDS = 0.5
_REPORT_EVERY = 1_000


class Summary(NamedTuple):
    """What was written. Times are epoch milliseconds; `events` counts by topic, without the namespace."""

    events: dict[str, int]
    clocks: int
    skipped: tuple[Skipped, ...]
    first_ms: int
    last_ms: int
    clock_ms: int
    seconds: float


async def publish(
    settings: Settings,
    history: History,
    *,
    pace: Pace | None = None,
    settle_ms: int = SETTLE,
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Write a history to the source topics of the namespace in the settings, and wait until Kafka has it.

    Without a `pace`, as fast as possible. Clock records go to every partition that the clock waits for, at the times
    that `ClockTimes` gives, and a last one `settle_ms` after the last event. Kafka's timestamp of a record is its
    event's time. `progress` is told the number of events written so far. Raises UserError where the namespace is live
    or missing, where the history reaches into the future or begins before the namespace's clock, and where Kafka
    cannot be reached or refuses a record.
    """
    namespace = await read_namespace(settings)
    _refuse_live(namespace)
    if history.span.last_ms > _now_ms():
        raise UserError(f"the history {history.name} reaches into the future: add --shift, or start it earlier")
    await _refuse_the_past(settings, namespace, history)
    started = time.monotonic()
    with kafka_errors(settings):
        producer = batch_producer(settings)
        try:
            await producer.start()
            telling = _Telling(namespace, PartitionWriter(producer), pace or AtOnce())
            await telling.tell(history, history.span.last_ms + settle_ms, progress)
        finally:
            await producer.stop()
    return Summary(
        dict(telling.events),
        telling.clocks,
        history.skipped,
        history.span.first_ms,
        history.span.last_ms,
        history.span.last_ms + settle_ms,
        time.monotonic() - started,
    )


class _Telling:
    def __init__(self, namespace: Namespace, writer: PartitionWriter, pace: Pace) -> None:
        self._writer = writer
        self._pace = pace
        self._topics = {source.topic: namespace.topic(source.topic) for source in namespace.sources}
        self._partitions = Counter(source.topic for source in namespace.sources)
        self._clocked = [(self._topics[s.topic], s.partition) for s in namespace.sources if s.topic in CLOCKED_SOURCES]
        self._encode = msgspec.json.Encoder().encode
        self._flushed = time.monotonic()
        self._told = 0
        self.events: Counter[str] = Counter()
        self.clocks = 0

    async def tell(self, history: History, end_ms: int, progress: Callable[[int], None]) -> None:
        clock = ClockTimes(history.span.first_ms, len(self._clocked))
        for happening in history.tell():
            while clock.due_ms < happening.at_ms:
                await self._until(clock.due_ms)
                await self._clock(clock.due_ms)
                clock.told()
            await self._until(happening.at_ms)
            await self._write(happening)
            clock.event(happening.at_ms)
            self._told += 1
            if self._told % _REPORT_EVERY == 0:
                progress(self._told)
                await self._flush_now_and_then()
        await self._clock(end_ms)
        await self._writer.flush()
        progress(self._told)

    async def _until(self, at_ms: int) -> None:
        if self._pace.wait(at_ms, self._told) > 0:
            await self._writer.flush()
            await asyncio.sleep(self._pace.wait(at_ms, self._told))

    async def _write(self, happening: Happening) -> None:
        at_ms, topic, key, event = happening
        data = key.encode()
        partition = crc32(data) % self._partitions[topic]
        await self._writer.write(self._topics[topic], partition, at_ms, data, self._encode(event))
        self.events[topic] += 1

    async def _clock(self, at_ms: int) -> None:
        """Kafka refuses records of the future, so the last one carries the time of writing."""
        value, timestamp_ms = self._encode(Clock(at_ms)), min(at_ms, _now_ms())
        for topic, partition in self._clocked:
            await self._writer.write(topic, partition, timestamp_ms, None, value)
        self.clocks += len(self._clocked)

    async def _flush_now_and_then(self) -> None:
        """So that no partition lags far behind the others in Kafka."""
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            await self._writer.flush()
            self._flushed = time.monotonic()


def _refuse_live(namespace: Namespace) -> None:
    if namespace.mode is Mode.LIVE:
        raise UserError(
            f"namespace {namespace.name} is live, and a history must never reach people: make another with "
            "`pipeline topics apply --namespace history --mode replay` and replay into that"
        )


async def _refuse_the_past(settings: Settings, namespace: Namespace, history: History) -> None:
    """An earlier replay may have told the clock already; records without a key are clock records."""
    async with reader(settings) as consumer:
        first = TopicPartition(namespace.topic(CLOCKED_SOURCES[0]), 0)
        newest = await newest_rows(consumer, first, [None])
    try:
        clock = msgspec.json.decode(newest[None].value, type=Clock).at
    except (KeyError, msgspec.MsgspecError, RecursionError):
        return
    if history.span.first_ms < clock:
        raise UserError(
            f"the clock of namespace {namespace.name} stands at {_moment(clock)} after an earlier replay, and this "
            f"history begins at {_moment(history.span.first_ms)}: replay it into a namespace of its own"
        )


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
