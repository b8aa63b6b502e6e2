"""Reading stretches of a partition; and that a reader always comes to an end."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection, reader
from pipeline.kafka.ranges import newest_rows, read_range, settled_ends
from pipeline.kafka.topics import apply

SettingsOf = Callable[..., Settings]


def test_a_reader_ends_though_its_assignment_has_just_changed(settings_of: SettingsOf) -> None:
    settings = settings_of(partitions=1)

    async def run() -> None:
        await apply(settings, Mode.TEST)
        places = [TopicPartition(f"{settings.namespace.name}.{topic}", 0) for topic in ("rejects", "echo")]
        for pause in range(20):
            async with asyncio.timeout(5), reader(settings) as consumer:
                consumer.assign(places[:1])
                await consumer.seek_to_beginning(places[0])
                await consumer.end_offsets(places[:1])
                await asyncio.sleep(pause / 1_000)  # a fetch is on its way when the assignment changes
                consumer.assign(places[1:])
                for _ in range(pause % 4):
                    await asyncio.sleep(0)

    asyncio.run(run())


def test_the_newest_rows_are_found_however_far_back(settings_of: SettingsOf) -> None:
    settings = settings_of(partitions=1)

    async def run() -> None:
        await apply(settings, Mode.TEST)
        tp = TopicPartition(f"{settings.namespace.name}.rejects", 0)
        producer = AIOKafkaProducer(**connection(settings.kafka))
        await producer.start()
        for key in [b"a", b"b", *[b"c"] * 2_000, b"a"]:
            await producer.send(tp.topic, b"v", key=key, partition=0)
        await producer.stop()
        async with reader(settings) as consumer:
            found = await newest_rows(consumer, tp, [b"a", b"b", b"c", b"none"])
            assert {key: record.offset for key, record in found.items()} == {b"a": 2_002, b"b": 1, b"c": 2_001}
            assert (await newest_rows(consumer, tp, [b"a"], end=2_002))[b"a"].offset == 0
            consumer.assign([tp])
            read = [record.offset async for records in read_range(consumer, tp, 10, 20) for record in records]
            assert read == list(range(10, 20))

    asyncio.run(run())


def test_settled_ends_wait_for_open_transactions(settings_of: SettingsOf) -> None:
    settings = settings_of(partitions=1)

    async def run() -> None:
        await apply(settings, Mode.TEST)
        tp = TopicPartition(f"{settings.namespace.name}.rejects", 0)
        producer = AIOKafkaProducer(**connection(settings.kafka), transactional_id="open")
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait(tp.topic, b"v", partition=0)
        async with reader(settings) as consumer:
            waiting = asyncio.create_task(settled_ends(settings, consumer, [tp]))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(waiting), 1)
            await producer.commit_transaction()
            assert await waiting == {tp: 1}
        await producer.stop()

    asyncio.run(run())
