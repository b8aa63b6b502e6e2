"""What the bench asks of Kafka: fill topics, read them whole, and see from outside how far a process has come."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from bench.events import Sent
from pipeline.config.namespace import CHANGELOG, LOG, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.batches import PartitionWriter, batch_producer
from pipeline.kafka.clients import admin_client, reader
from pipeline.log.persons import partition_of
from pipeline.state.partition import POSITION_KEY, decode_position


async def create_topic(settings: Settings, name: str, partitions: int) -> None:
    """Make a topic."""
    async with admin_client(settings) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1)])


async def load(settings: Settings, events: Iterable[Sent], prefix: str, partitions: int) -> int:
    """Write events to `prefix` + their topic, by the hash of their key. Returns the mean size in bytes."""
    producer = batch_producer(settings)
    await producer.start()
    number = size = 0
    try:
        writer = PartitionWriter(producer)
        for event in events:
            partition = partition_of(event.key.decode(), partitions)
            await writer.write(prefix + event.topic, partition, event.at, event.key, event.value)
            number, size = number + 1, size + len(event.value)
        await writer.flush()
    finally:
        await producer.stop()
    return size // max(1, number)


async def read(settings: Settings, topic: str, partitions: int) -> AsyncIterator[Any]:
    """All committed records of a topic."""
    async with reader(settings) as consumer:
        places = [TopicPartition(topic, p) for p in range(partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        for place in places:
            while await consumer.position(place) < ends[place]:
                for record in (await consumer.getmany(place, timeout_ms=200)).get(place, ()):
                    yield record


async def end(settings: Settings, topic: str, partitions: int) -> int:
    """The sum of a topic's end offsets."""
    async with reader(settings) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, p) for p in range(partitions)])
        return sum(ends.values())


async def ingested(settings: Settings, namespace: Namespace) -> bool:
    """Whether ingest has committed all that stands in the sources."""
    group = f"{namespace.name}-ingest"
    async with admin_client(settings) as admin, reader(settings) as consumer:
        read_to = await admin.list_consumer_group_offsets(group)
        places = [TopicPartition(namespace.topic(s.topic), s.partition) for s in namespace.sources]
        ends = await consumer.end_offsets(places)
    return all(ends[place] == 0 or (place in read_to and read_to[place].offset >= ends[place]) for place in places)


async def folded(settings: Settings, namespace: Namespace) -> bool:
    """Whether the worker's committed positions are at the end of the log."""
    log, changelog = namespace.topic(LOG), namespace.topic(CHANGELOG)
    async with reader(settings) as consumer:
        for partition in range(namespace.partitions):
            place = TopicPartition(changelog, partition)
            goal = (await consumer.end_offsets([TopicPartition(log, partition)])).popitem()[1]
            last = (await consumer.end_offsets([place]))[place]
            consumer.assign([place])
            consumer.seek(place, max(0, last - 3))  # the position is the last row before the transaction's marker
            stands = 0
            while await consumer.position(place) < last:
                for record in (await consumer.getmany(place, timeout_ms=200)).get(place, ()):
                    if record.key == POSITION_KEY:
                        stands = decode_position(record.value).offset
            if stands < goal:
                return False
    return True
