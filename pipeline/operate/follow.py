"""Follows topics of a namespace: records as they are committed, from now on or from the beginning."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.namespace import DECISIONS, REJECTS, TRIGGER_KINDS, trigger_topic
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader
from pipeline.kafka.counts import require_topics
from pipeline.kafka.topics import read_namespace

FOLLOWED = {
    "triggers": tuple(trigger_topic(kind) for kind in TRIGGER_KINDS),
    "decisions": (DECISIONS,),
    "rejects": (REJECTS,),
}
"""What can be followed, and the topics of it."""

_POLL_MS = 500

Records = AbstractAsyncContextManager[AsyncIterator[Any]]


def from_now(settings: Settings, topics: Sequence[str]) -> Records:
    """Gives the records that are committed from now on, without an end. Those of a partition keep their order.

    Raises UserError where Kafka, the namespace or a topic is missing.
    """
    return _following(settings, topics, "latest")


def from_beginning(settings: Settings, topics: Sequence[str]) -> Records:
    """As `from_now`, after all records that are kept."""
    return _following(settings, topics, "earliest")


@asynccontextmanager
async def _following(settings: Settings, topics: Sequence[str], start: str) -> AsyncIterator[AsyncIterator[Any]]:
    namespace = await read_namespace(settings)
    await require_topics(settings, namespace, tuple(topics))
    places = [TopicPartition(namespace.topic(topic), p) for topic in topics for p in range(namespace.partitions)]
    async with reader(settings) as consumer:
        consumer.assign(places)
        await (consumer.seek_to_end() if start == "latest" else consumer.seek_to_beginning())
        yield _records(consumer)


async def _records(consumer: AIOKafkaConsumer) -> AsyncIterator[Any]:
    while True:
        polled = await consumer.getmany(timeout_ms=_POLL_MS)
        for record in sorted((r for records in polled.values() for r in records), key=lambda r: r.timestamp):
            yield record
