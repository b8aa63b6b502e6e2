"""Streams a history into the source topics of a namespace, with clock records that tell its time."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

import msgspec

from pipeline.config.durations import DAY, MINUTE
from pipeline.config.errors import UserError
from pipeline.config.namespace import CLOCKED_SOURCES, Mode, Namespace
from pipeline.config.settings import Settings
from pipeline.events.clock import Clock
from pipeline.kafka.batches import PartitionWriter, batch_producer
from pipeline.kafka.clients import kafka_errors, reachable
from pipeline.kafka.topics import read_namespace
from pipeline.replay.history import History, Skipped, Span
from pipeline.replay.pace import AtOnce, Pace, RealTime
from pipeline.simulator.happening import Happening

SETTLE = 4 * DAY
"""How far the last clock record is past the last event: expiry after 72 h, a step after 24 h, have come due by then."""

EVENTS_PER_CLOCK = 5
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
    speed: float | None = None,
    settle_ms: int = SETTLE,
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Write a history to the source topics of the namespace in the settings, and wait until Kafka has it.

    `speed` is the multiple of the history's own time, None as fast as possible. Clock records go to every partition
    that the clock waits for, at the interval that `clock_interval` gives, and a last one `settle_ms` after the last
    event. Kafka's timestamp of a record is its event's time. `progress` is told the number of events written so far.
    Raises UserError where the namespace is live or missing, where the history reaches into the future, and where
    Kafka cannot be reached or refuses a record.
    """
    namespace = await read_namespace(settings)
    _refuse_live(namespace)
    if history.span.last_ms > _now_ms():
        raise UserError(f"the history {history.name} reaches into the future: add --shift, or start it earlier")
    started = time.monotonic()
    await reachable(settings)
    with kafka_errors(settings):
        producer = batch_producer(settings)
        try:
            await producer.start()
            telling = _Telling(namespace, PartitionWriter(producer), history.span, settle_ms)
            pace: Pace = AtOnce() if speed is None else RealTime(speed, history.span.first_ms)
            await telling.tell(history, pace, progress)
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


def clock_interval(span: Span, clocked_partitions: int) -> int:
    """Milliseconds of the history between clock records: a minute, or more where events are sparse.

    Clock records, the last ones apart, are at most one for EVENTS_PER_CLOCK events.
    """
    length = span.last_ms - span.first_ms
    return max(MINUTE, -(-length * clocked_partitions * EVENTS_PER_CLOCK // span.events))


class _Telling:
    def __init__(self, namespace: Namespace, writer: PartitionWriter, span: Span, settle_ms: int) -> None:
        self._writer = writer
        self._topics = {source.topic: namespace.topic(source.topic) for source in namespace.sources}
        self._partitions = Counter(source.topic for source in namespace.sources)
        self._clocked = [(self._topics[s.topic], s.partition) for s in namespace.sources if s.topic in CLOCKED_SOURCES]
        self._span = span
        self._interval = clock_interval(span, len(self._clocked))
        self._end_ms = span.last_ms + settle_ms
        self._encode = msgspec.json.Encoder().encode
        self._flushed = time.monotonic()
        self.events: Counter[str] = Counter()
        self.clocks = 0

    async def tell(self, history: History, pace: Pace, progress: Callable[[int], None]) -> None:
        clock_ms, told = self._span.first_ms + self._interval, 0
        for happening in history.tell():
            while clock_ms < happening.at_ms:
                await self._until(clock_ms, pace)
                await self._clock(clock_ms)
                clock_ms += self._interval
            await self._until(happening.at_ms, pace)
            await self._write(happening)
            told += 1
            if told % _REPORT_EVERY == 0:
                progress(told)
                await self._flush_now_and_then()
        await self._clock(self._end_ms)
        await self._writer.flush()
        progress(told)

    async def _until(self, at_ms: int, pace: Pace) -> None:
        if pace.wait(at_ms) > 0:
            await self._writer.flush()
            await asyncio.sleep(pace.wait(at_ms))

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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
