"""Publishes events to the shop topics, and says where each of them went."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from pipeline.config.namespace import Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.clients import ANSWER_TIMEOUT_MS, connection, kafka_errors
from pipeline.kafka.counts import require_topics
from pipeline.kafka.topics import SOURCE_MESSAGE_BYTES, read_namespace
from pipeline.quality.line import EventLine


class Part(NamedTuple):
    """What went to one partition: its topic without the namespace, the first and the last offset, how many by type.

    Others may have written in between.
    """

    topic: str
    partition: int
    first: int
    last: int
    types: Counter[str]


async def send_events(settings: Settings, lines: Sequence[EventLine]) -> tuple[Namespace, list[Part]]:
    """Publish lines in their order, all of which have a topic, and wait until Kafka has them.

    Raises UserError where Kafka or the namespace is missing; then some may have been written.
    """
    namespace = await read_namespace(settings)
    topics = tuple(dict.fromkeys(line.topic for line in lines if line.topic is not None))
    await require_topics(settings, namespace, topics)
    producer = AIOKafkaProducer(
        **connection(settings.kafka),
        request_timeout_ms=ANSWER_TIMEOUT_MS,
        acks="all",
        enable_idempotence=True,
        max_request_size=SOURCE_MESSAGE_BYTES,
    )
    with kafka_errors(settings):
        try:
            await producer.start()
            sending = [
                (line, await producer.send(namespace.topic(line.topic), line.value, key=line.key))
                for line in lines
                if line.topic is not None
            ]
            sent = [(line, await acknowledged) for line, acknowledged in sending]
        finally:
            await producer.stop()
    parts: dict[tuple[str, int], Part] = {}
    for line, record in sent:
        place = str(line.topic), record.partition
        part = parts.setdefault(place, Part(*place, record.offset, record.offset, Counter()))
        part.types[line.type or "?"] += 1
        parts[place] = part._replace(last=record.offset)
    return namespace, list(parts.values())
