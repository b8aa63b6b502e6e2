"""The next item's part of the learner: touches in, the rows of the tables out, with the position in one transaction.

The rows are all that it keeps. So after `kill -9` the tables are read back from them, and each touch is learned once.
A row that cannot be read is passed over and counted; it goes with the next transaction, and is learned anew.

In which order the touches of several partitions are read is chance, as with examples. Nothing depends on that: what a
trigger suggested is in its decision, and is no part of what the log determines.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import suppress

from aiokafka import TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import ITEMS, TOUCHES, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader, stop_consumer
from pipeline.kafka.ranges import read_range
from pipeline.learner.clients import Entry, lag, new_consumer, new_producer, read_on, write
from pipeline.learner.metrics import NextItemMetrics
from pipeline.next_item.position import POSITION_KEY, LaterFormatError, Position, decode_position, encode_position
from pipeline.next_item.rows import FORMAT, RowError
from pipeline.next_item.tables import Tables
from pipeline.next_item.touch import TouchError, decode_touches

logger = logging.getLogger(__name__)

POLL_RECORDS = 100
POLL_MS = 200
PACE = 3.0
"""Seconds between two transactions: however often an item is touched meanwhile, its row is written once."""
ROWS_AT_ONCE = 100
TRANSACTION_TIMEOUT_MS = 60_000
"""All that has changed goes into one transaction, at most all rows of the tables."""


class ItemsLearner:
    """The one that keeps the tables of a namespace: whoever starts last has them, the one before is fenced."""

    def __init__(self, settings: Settings, namespace: Namespace, metrics: NextItemMetrics, pace: float = PACE) -> None:
        self._settings = settings
        self._metrics = metrics
        self._pace = pace
        self._items = TopicPartition(namespace.topic(ITEMS), 0)
        self._touches = [TopicPartition(namespace.topic(TOUCHES), p) for p in range(namespace.partitions)]
        self._offsets: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._published = 0.0
        self._tables = Tables()
        self._began = 0
        self._unreadable: dict[bytes, None] = {}
        self._producer = new_producer(settings, namespace, "learner-items", TRANSACTION_TIMEOUT_MS)
        self._consumer = new_consumer(settings, namespace, "learner-items")

    async def start(self) -> None:
        """Fence whoever ran before, read the tables back, then go on from what is committed. Raises UserError."""
        await self._producer.start()
        await self._consumer.start()
        position = await self._restore()
        self._began = position.began if position is not None and position.began else time.time_ns() // 1_000_000
        self._consumer.assign(self._touches)
        offsets: dict[int, int] | None = None
        if position is not None:
            offsets = position.offsets
        elif len(self._tables):
            offsets = await self._to_the_end()
        self._offsets = await read_on(self._consumer, self._touches, offsets, self._metrics.expired)
        self._committed = dict(self._offsets)
        for tp in self._touches:
            self._metrics.lag(tp.partition, lambda tp=tp: lag(self._consumer, tp, self._offsets[tp.partition]))  # type: ignore[misc]
        self._metrics.rows(len(self._tables))
        logger.info("the tables of the next item have %s rows", f"{len(self._tables):,}")

    def missing(self) -> list[str]:
        """What is missing before this part does its work."""
        return [] if self._offsets else ["it has not read the tables of the next item"]

    async def close(self) -> None:
        """Leave. What is not committed is read again."""
        await stop_consumer(self._consumer)
        await self._producer.stop()

    async def step(self) -> None:
        """Poll once, learn what came, publish what is due. Raises what aiokafka raises."""
        polled = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        for tp in sorted(polled):
            for record in polled[tp]:
                self._learn(record.value)
                await asyncio.sleep(0)
        for tp in self._touches:  # past the marks of transactions, too
            self._offsets[tp.partition] = await self._consumer.position(tp)
        behind = self._unreadable or self._offsets != self._committed
        if behind and time.monotonic() - self._published >= self._pace:
            await self._publish()

    def _learn(self, value: bytes | None) -> None:
        try:
            touches = decode_touches(value or b"")
        except TouchError:
            self._metrics.unreadable()
            return
        for touch in touches:
            self._tables.observe(touch)
        self._metrics.learned(len(touches))

    async def _publish(self) -> None:
        """Write all rows that have changed, and the position, in one transaction."""
        self._metrics.published(await write(self._producer, self._items.topic, self._entries()))
        self._committed = dict(self._offsets)
        self._unreadable.clear()
        self._metrics.rows(len(self._tables))
        self._published = time.monotonic()

    def _entries(self) -> Iterator[Entry]:
        yield from dict.fromkeys(self._unreadable).items()
        while rows := self._tables.changed(ROWS_AT_ONCE):
            yield from rows
        yield POSITION_KEY, encode_position(Position(FORMAT, self._offsets, self._began))

    async def _restore(self) -> Position | None:
        """Read the rows back. Raises UserError where a later release wrote them."""
        written: bytes | None = None
        first = ""
        async with reader(self._settings) as consumer:
            consumer.assign([self._items])
            begin = (await consumer.beginning_offsets([self._items]))[self._items]
            end = (await consumer.end_offsets([self._items]))[self._items]
            async for records in read_range(consumer, self._items, begin, end):
                for record in records:
                    key = record.key or b""
                    if key == POSITION_KEY:
                        written = record.value
                        continue
                    try:
                        self._tables.restore(key, record.value)
                        self._unreadable.pop(key, None)
                    except RowError as error:
                        self._pass_over(key)
                        first = first or f"offset {record.offset}: {error}"
        position = None if written is None else self._position(written)
        self._metrics.unreadable_rows(len(self._unreadable))
        if first:
            logger.warning(
                "%s: %s rows cannot be read (%s): they are taken out, and what they are of is learned anew",
                self._items.topic,
                f"{len(self._unreadable):,}",
                first,
            )
        return position

    def _position(self, written: bytes) -> Position | None:
        try:
            return decode_position(written)
        except LaterFormatError as error:
            raise UserError(
                f"{self._items.topic} was written by a later release ({error}): use that release, or make the topic "
                "anew as docs/operations.md says: what is suggested is then learned anew"
            ) from error
        except RowError as error:
            logger.warning("%s: %s: the touches that wait are passed over", self._items.topic, error)
            return None

    def _pass_over(self, key: bytes) -> None:
        """Have nothing of a row that cannot be read, not what was written before it either."""
        self._unreadable[key] = None
        with suppress(RowError):
            self._tables.restore(key, None)

    async def _to_the_end(self) -> dict[int, int]:
        """Pass over the touches: up to where they are in the rows nobody knows, and none may be counted twice."""
        begins = await self._consumer.beginning_offsets(self._touches)
        ends = await self._consumer.end_offsets(self._touches)
        self._metrics.unplaced(sum(ends.values()) - sum(begins.values()))
        return {tp.partition: end for tp, end in ends.items()}
