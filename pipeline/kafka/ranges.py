"""Reading a stretch of a partition: to a fixed end, from the newest backwards, and up to what is decided for good."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.settings import Settings
from pipeline.kafka.clients import ANSWER_TIMEOUT_MS, connection, kafka_errors, stop_consumer

Key = TypeVar("Key", bound=bytes | None)

FIRST_WINDOW = 64
"""Offsets looked at first when searching backwards; the last transaction usually fits."""
WINDOW_GROWTH = 8
POLL_MS = 50
"""A stretch may end with a transaction's marker, which no poll returns: so polls are short."""
SETTLE_SECONDS = 60.0
"""Longest wait for open transactions: well over the time after which the broker aborts one."""


async def read_range(consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int) -> AsyncIterator[list[Any]]:
    """Batches of the records from `start` below `end`. The consumer must have `tp` assigned."""
    consumer.seek(tp, start)
    while await consumer.position(tp) < end:
        batches = await consumer.getmany(tp, timeout_ms=POLL_MS)
        records = [record for record in batches.get(tp, []) if record.offset < end]
        if records:
            yield records


async def newest_rows(
    consumer: AIOKafkaConsumer, tp: TopicPartition, keys: Iterable[Key], end: int | None = None
) -> dict[Key, Any]:
    """The newest record of each key below `end`, searched backwards in growing windows. Missing keys are left out.

    Assigns `tp` to the consumer.
    """
    consumer.assign([tp])
    begin = (await consumer.beginning_offsets([tp]))[tp]
    low = end if end is not None else (await consumer.end_offsets([tp]))[tp]
    found: dict[Key, Any] = {}
    wanted, window = set(keys), FIRST_WINDOW
    while wanted and low > begin:
        high, low = low, max(begin, low - window)
        async for records in read_range(consumer, tp, low, high):
            found |= {record.key: record for record in records if record.key in wanted}
        wanted -= found.keys()
        window *= WINDOW_GROWTH
    return found


def know(consumer: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> None:
    """Make a consumer ask for the metadata of all these at once, before their offsets are asked for.

    Otherwise it finds out topic by topic, with a pause each. Assigns them, without reading.
    """
    places = list(places)
    consumer.assign(places)
    consumer.pause(*places)


async def high_watermarks(settings: Settings, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offsets, those of open transactions included."""
    places = list(places)
    client = AIOKafkaConsumer(
        **connection(settings.kafka), request_timeout_ms=ANSWER_TIMEOUT_MS, isolation_level="read_uncommitted"
    )
    with kafka_errors(settings):
        try:
            await client.start()
            know(client, places)
            ends: dict[TopicPartition, int] = await client.end_offsets(places)
            return ends
        finally:
            await stop_consumer(client)


async def settled_ends(
    settings: Settings, consumer: AIOKafkaConsumer, places: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """The next offsets as they are now, once every transaction below them has been committed or aborted.

    A commit becomes visible in one partition before another; what had been written when this was called is either
    below these offsets and readable, or aborted. Raises UserError where a transaction stays open.
    """
    ends = await high_watermarks(settings, places)
    know(consumer, ends)
    waiting = set(ends)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            while waiting:
                stable = await consumer.end_offsets(list(waiting))
                waiting = {tp for tp in waiting if stable[tp] < ends[tp]}
                if waiting:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        tp = min(waiting)
        raise UserError(
            f"a transaction in {tp.topic}-{tp.partition} has been open for {SETTLE_SECONDS:.0f} s: find its producer, "
            "or abort it with Kafka's own kafka-transactions tool"
        ) from None
    return ends
