"""The tables of the next item as a worker holds them: read beside the log by a consumer of its own, for all partitions.

They are no part of what the log determines. Without them, as long as they are not there or Kafka does not give them,
nothing is suggested, and nothing waits; all else is as with them.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.config.namespace import ITEMS, Namespace
from pipeline.kafka.clients import stop_consumer
from pipeline.next_item.position import POSITION_KEY, decode_position
from pipeline.next_item.rows import RowError
from pipeline.next_item.shelf import Shelf
from pipeline.next_item.suggestion import Suggestion as Found
from pipeline.triggers.contract import Suggestion, Why
from pipeline.worker.items_metrics import ShelfMetrics

logger = logging.getLogger(__name__)

SUGGESTED = 5
"""Items of a suggestion, at most."""

POLL_RECORDS = 200
POLL_MS = 1_000
FETCH_BYTES = 256 * 1024
"""What is fetched is unpacked in one go, on the loop that folds."""
RETRY = 5.0
"""Seconds until it looks again where Kafka, or the topic, is not there."""

_WHYS = {why.value: why for why in Why}


class ItemsReader:
    """Keeps a shelf up to date while `run` runs, and suggests from it."""

    def __init__(self, namespace: Namespace, connection: dict[str, Any], metrics: ShelfMetrics) -> None:
        self._items = TopicPartition(namespace.topic(ITEMS), 0)
        self._connection = connection
        self._metrics = metrics
        self._shelf = Shelf()
        self._next = 0
        self._began = 0
        self._said = ""
        self._failures: set[type[Exception]] = set()
        metrics.shows(lambda: self._shelf)
        metrics.read_all(time.time())

    def suggest(self, site: str, recent: dict[str, int], may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
        """What somebody who touched these items may look at next. Never raises: an event must not be lost by it.

        Without any rows nothing is asked, and nothing counted.
        """
        if not len(self._shelf):
            return ()
        began = time.perf_counter()
        try:
            found = self._shelf.suggest(site, recent, SUGGESTED, may)
            told = tuple([_told(one) for one in found])
        except Exception as error:
            self._metrics.failed()
            if type(error) not in self._failures:
                self._failures.add(type(error))
                logger.exception("nothing can be suggested at times")
            return ()
        self._metrics.answered(time.perf_counter() - began, told)
        return told

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                why = await self._read()
            except (KafkaError, OSError, TimeoutError) as error:
                why = f"{self._items.topic} cannot be read ({type(error).__name__}): nothing new is suggested meanwhile"
            if why != self._said:
                logger.warning("%s", why)
                self._said = why
            await asyncio.sleep(RETRY)

    async def _read(self) -> str:
        """Read the rows as they come. Returns why there are none to read; raises what aiokafka raises."""
        consumer = AIOKafkaConsumer(
            **self._connection,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            await consumer.start()
            if self._items.topic not in await consumer.topics():
                return f"{self._items.topic} does not exist: nothing is suggested until `pipeline topics apply`"
            consumer.assign([self._items])
            begin = (await consumer.beginning_offsets([self._items]))[self._items]
            end = (await consumer.end_offsets([self._items]))[self._items]
            if end < self._next:  # the topic was made anew
                self._shelf = Shelf()
            self._next = begin  # all of it once more: it may have been made anew and be longer already
            consumer.seek(self._items, begin)
            self._metrics.lag(lambda: self._lag(consumer))
            self._said = ""
            while True:
                polled = await consumer.getmany(self._items, timeout_ms=POLL_MS, max_records=POLL_RECORDS)
                for record in polled.get(self._items, ()):
                    if record.key == POSITION_KEY and self._is_anew(record.value):
                        self._shelf = Shelf()
                        return f"{self._items.topic} was made anew: it is read from its beginning"
                    if record.key is not None and record.key != POSITION_KEY:
                        self._shelf.put(record.key, record.value)
                await asyncio.sleep(0)
                self._next = await consumer.position(self._items)
                answered = consumer.last_poll_timestamp(self._items)
                if answered is not None and not self._lag(consumer):
                    self._metrics.read_all(answered / 1000)
        finally:
            await stop_consumer(consumer)

    def _is_anew(self, position: bytes | None) -> bool:
        """Whether other tables are written here than those whose rows were read before."""
        try:
            began = decode_position(position or b"").began
        except RowError:
            return False
        known, self._began = self._began, max(self._began, began)
        return 0 < known < began

    def _lag(self, consumer: AIOKafkaConsumer) -> float:
        end = consumer.last_stable_offset(self._items) if self._items in consumer.assignment() else None
        return 0.0 if end is None else float(max(0, end - self._next))


def _told(found: Found) -> Suggestion:
    """What counted most stands first among the reasons."""
    first = found.reasons[0]
    return Suggestion(found.item, _WHYS[first.source], first.of)
