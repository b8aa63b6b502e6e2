"""Rejects are listed once, and replayed once: run again, run by two at a time, or killed in the middle."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.config.namespace import REJECTS, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection, reader
from pipeline.kafka.ranges import settled_ends
from pipeline.log.rejects import encode
from pipeline.operate.rejects import Outcome, Replay, read_rejects, replay
from tests.verify.histories import records_of, write_history

SettingsOf = Callable[..., Settings]


async def replayed(settings: Settings, *keys: str) -> list[Replay]:
    return [result async for result in replay(settings, lambda one: not keys or one.key in keys, keys)]


async def source(settings: Settings, namespace: Namespace, topic: str, partition: int) -> list:
    """All that is there, what was committed a moment ago included."""
    place = TopicPartition(namespace.topic(topic), partition)
    async with reader(settings) as consumer:
        await settled_ends(settings, consumer, [place])
        return await records_of(consumer, place)


def pipeline(settings: Settings, *args: str) -> Result:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    return CliRunner().invoke(main, [*args, "--namespace", settings.namespace.name], env=environment)


def test_a_reject_is_replayed_once_with_its_own_bytes_and_time(settings_of: SettingsOf) -> None:
    async def run() -> None:
        settings = settings_of()
        namespace = await write_history(settings)
        refused = await read_rejects(settings)
        assert sorted(one.reject.reason for one in refused) == ["not_json", "unknown_currency"]
        places = {(one.reject.topic, one.reject.partition) for one in refused}
        before = {place: await source(settings, namespace, *place) for place in places}
        first = await replayed(settings)
        assert [result.outcome for result in first] == [Outcome.REPLAYED] * 2
        assert [result.outcome for result in await replayed(settings)] == [Outcome.BEFORE] * 2
        for one in refused:
            place = one.reject.topic, one.reject.partition
            original = next(r for r in before[place] if r.offset == one.reject.offset)
            after = (await source(settings, namespace, *place))[len(before[place]) :]
            copies = [r for r in after if r.value == original.value]
            assert [(r.key, r.timestamp) for r in copies] == [(original.key, original.timestamp)]
        assert all(one.replayed_to is not None for one in await read_rejects(settings))

    asyncio.run(run())


def test_two_at_a_time_replay_once(settings_of: SettingsOf) -> None:
    async def run() -> None:
        settings = settings_of()
        namespace = await write_history(settings)
        key = next(one.key for one in await read_rejects(settings) if one.reject.reason == "not_json")
        await asyncio.gather(*(replayed(settings, key) for _ in range(3)), return_exceptions=True)
        await replayed(settings, key)
        topic, partition, _ = key.rsplit("-", 2)
        records = await source(settings, namespace, topic, int(partition))
        assert [r.value for r in records].count(b"not json") == 2

    asyncio.run(run())


def test_a_replay_killed_before_its_commit_leaves_nothing(settings_of: SettingsOf) -> None:
    async def run() -> None:
        settings = settings_of()
        namespace = await write_history(settings)
        dead = AIOKafkaProducer(**connection(settings.kafka), transactional_id=f"{namespace.name}-rejects-replay")
        await dead.start()
        await dead.begin_transaction()
        await dead.send_and_wait(namespace.topic("shop.carts"), b"half", partition=0)
        assert len(await replayed(settings)) == 2
        assert b"half" not in [r.value for r in await source(settings, namespace, "shop.carts", 0)]

    asyncio.run(run())


def test_one_that_is_gone_is_refused_clearly_and_the_rest_goes_on(settings_of: SettingsOf) -> None:
    async def run() -> None:
        settings = settings_of()
        namespace = await write_history(settings)
        engine = next(one for one in await read_rejects(settings) if one.reject.truncated)
        client = AIOKafkaAdminClient(**connection(settings.kafka))
        await client.start()
        tp = TopicPartition(namespace.topic(engine.reject.topic), engine.reject.partition)
        await client.delete_records({tp: RecordsToDelete(engine.reject.offset + 1)})
        await client.close()
        results = {result.key: result for result in await replayed(settings)}
        assert results[engine.key].outcome is Outcome.IMPOSSIBLE
        assert "is gone from shop.carts" in results[engine.key].told
        assert [r.outcome for r in results.values()].count(Outcome.REPLAYED) == 1
        done = await asyncio.to_thread(pipeline, settings, "rejects", "replay", "--all")
        assert done.exit_code == 1
        assert "1 rejects could not be replayed" in done.output

    asyncio.run(run())


def test_the_commands(settings_of: SettingsOf) -> None:
    settings = settings_of()
    namespace = asyncio.run(write_history(settings))

    async def twice() -> str:
        one = next(one for one in await read_rejects(settings) if one.reject.reason == "not_json")
        producer = AIOKafkaProducer(**connection(settings.kafka))
        await producer.start()
        await producer.send_and_wait(
            namespace.topic(REJECTS), encode(one.reject), key=one.key.encode(), partition=one.partition
        )
        await producer.stop()
        return one.key

    key = asyncio.run(twice())
    listed = pipeline(settings, "rejects", "list")
    assert "2 of 2 rejects" in listed.output
    assert "1 of 1 rejects" in pipeline(settings, "rejects", "list", "--reason", "not_json").output
    assert "1 of 2 rejects" in pipeline(settings, "rejects", "list", "--limit", "1").output
    shown = pipeline(settings, "rejects", "show", key)
    assert shown.output.endswith("not json\n")
    assert f"{key}: replayed to" in pipeline(settings, "rejects", "replay", key).output
    assert f"{key}: was replayed before" in pipeline(settings, "rejects", "replay", key).output
    assert "replayed" in pipeline(settings, "rejects", "list").output
    assert pipeline(settings, "rejects", "replay").exit_code == 2
    assert "there is no reject nope" in pipeline(settings, "rejects", "replay", "nope").output
    assert "there is no reject nope" in pipeline(settings, "rejects", "show", "nope").output


def test_an_unknown_key_stops_before_anything_is_replayed(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(write_history(settings))
    with pytest.raises(UserError, match="there is no reject"):
        asyncio.run(replayed(settings, "shop.carts-0-999"))
