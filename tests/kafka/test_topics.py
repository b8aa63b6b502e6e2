"""The topics of a namespace on a real Kafka."""

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from pipeline.config.errors import UserError
from pipeline.config.namespace import OUTPUTS, SOURCES, Mode, SourcePartition, new_namespace
from pipeline.config.settings import KafkaSettings, Settings, TopicSettings
from pipeline.kafka.clients import admin_client, connection
from pipeline.kafka.counts import require_topics
from pipeline.kafka.topics import CONTROL, TopicSpec, apply, check, plan, read_namespace
from pipeline.verify.run import verify

Make = Callable[..., Settings]
DAY_MS = 86_400_000


def planned(mode: Mode = Mode.LIVE, **topics: int) -> dict[str, TopicSpec]:
    settings = TopicSettings(**topics)
    return {spec.name: spec for spec in plan(new_namespace("shop-a", mode, settings.partitions), settings)}


async def in_kafka(settings: Settings) -> dict[str, int]:
    async with admin_client(settings) as admin:
        return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


async def create(settings: Settings, name: str, partitions: int, configs: dict[str, str] | None = None) -> None:
    async with admin_client(settings) as admin:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        assert answer.topic_errors[0][1] == 0
    while name not in await in_kafka(settings):
        pass


async def delete(settings: Settings, names: Iterable[str]) -> None:
    async with admin_client(settings) as admin:
        await admin.delete_topics(list(names))
    while set(names) & (await in_kafka(settings)).keys():
        pass


async def send(settings: Settings, topic: str, value: bytes, key: bytes | None = None) -> None:
    async with AIOKafkaProducer(**connection(settings.kafka), max_request_size=15_000_000) as producer:
        await producer.send_and_wait(topic, value, key=key)


def test_the_plan_has_every_topic_of_the_namespace_under_its_prefix() -> None:
    ours = ("log", "changelog", "examples", "touches", "items")
    wanted = [*SOURCES, *(f"pipeline.{name}" for name in ours), *OUTPUTS, "rejects", "echo"]
    assert sorted(planned()) == sorted(f"shop-a.{name}" for name in wanted)


def test_every_topic_has_the_partitions_of_the_namespace_but_where_the_order_of_all_matters_it_has_one() -> None:
    partitions = {name: spec.partitions for name, spec in planned(partitions=6).items()}
    assert [partitions.pop(f"shop-a.pipeline.{name}") for name in ("control", "models", "items")] == [1, 1, 1]
    assert set(partitions.values()) == {6}


def test_what_is_looked_up_by_key_is_compacted_and_what_is_a_stream_is_deleted() -> None:
    compacted = {name for name, spec in planned().items() if spec.configs["cleanup.policy"] == "compact"}
    names = ("pipeline.changelog", "pipeline.control", "pipeline.items", "pipeline.models", "shop.catalog")
    assert compacted == {f"shop-a.{name}" for name in names}


def test_a_live_namespace_keeps_streams_for_the_retention_but_history_and_the_other_modes_for_ever() -> None:
    def kept(mode: Mode) -> dict[str, str]:
        configs = {name: spec.configs for name, spec in planned(mode).items()}
        found = {name: own["retention.ms"] for name, own in configs.items() if "retention.ms" in own}
        assert found.pop("shop-a.pipeline.touches") == str(DAY_MS)
        return found

    live = kept(Mode.LIVE)
    assert live.pop("shop-a.shop.history") == "-1"
    assert set(live.values()) == {str(7 * DAY_MS)}
    assert set(kept(Mode.REPLAY).values()) == set(kept(Mode.TEST).values()) == {"-1"}


@pytest.mark.parametrize(("copies", "in_sync"), [(1, "1"), (2, "2"), (3, "2")])
def test_a_write_waits_for_two_copies_where_there_are_two(copies: int, in_sync: str) -> None:
    specs = planned(replication_factor=copies).values()
    assert {spec.configs["min.insync.replicas"] for spec in specs} == {in_sync}
    assert {spec.replication_factor for spec in specs} == {copies}


def test_the_changelog_states_how_long_a_deletion_can_be_read() -> None:
    configs = planned()["shop-a.pipeline.changelog"].configs
    assert configs["delete.retention.ms"] == configs["max.compaction.lag.ms"] == str(DAY_MS)
    assert configs["segment.bytes"] == str(64 * 1024 * 1024)


def test_apply_creates_the_plan_and_check_finds_nothing_to_say(settings_of: Make) -> None:
    settings = settings_of(partitions=3)
    applied = asyncio.run(apply(settings, Mode.LIVE))
    wanted = {spec.name: spec.partitions for spec in plan(applied.namespace, settings.topics)}
    assert wanted.items() <= asyncio.run(in_kafka(settings)).items()
    assert set(applied.created) == set(wanted)
    assert asyncio.run(check(settings)) == []


def test_apply_a_second_time_changes_nothing(settings_of: Make) -> None:
    settings = settings_of()
    first = asyncio.run(apply(settings, Mode.TEST))
    second = asyncio.run(apply(settings, Mode.TEST))
    assert second.created == ()
    assert second.existing == first.created
    assert second.namespace == first.namespace == asyncio.run(read_namespace(settings))


def test_apply_gives_a_namespace_of_an_earlier_release_the_topics_and_sources_that_have_come_since(
    settings_of: Make,
) -> None:
    settings = settings_of(partitions=2)
    whole = asyncio.run(apply(settings, Mode.LIVE)).namespace
    later = [whole.topic("pipeline.models"), whole.topic("shop.history"), whole.topic(OUTPUTS[0])]
    earlier = msgspec.structs.replace(whole, sources=whole.sources[:-3])
    asyncio.run(delete(settings, later))
    asyncio.run(send(settings, whole.topic(CONTROL), msgspec.json.encode(earlier), key=b"namespace"))
    with pytest.raises(UserError, match="run `pipeline topics apply"):
        asyncio.run(require_topics(settings, earlier, SOURCES))
    with pytest.raises(UserError, match=f"topic {later[-1]} does not exist: run `pipeline topics apply"):
        asyncio.run(verify(settings))
    applied = asyncio.run(apply(settings, Mode.LIVE))
    assert sorted(applied.created) == sorted(later)
    assert applied.namespace == asyncio.run(read_namespace(settings)) == whole
    assert applied.namespace.sources[: len(earlier.sources)] == earlier.sources
    with pytest.raises(UserError, match="is not a source of the namespace yet: run `pipeline topics apply"):
        asyncio.run(require_topics(settings, earlier, SOURCES))
    asyncio.run(require_topics(settings, whole, SOURCES))


def test_apply_takes_well_under_a_second_once_the_namespace_exists(settings_of: Make) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.TEST))
    begun = time.monotonic()
    asyncio.run(apply(settings, Mode.TEST))
    assert time.monotonic() - begun < 1


def test_the_namespace_record_says_mode_partitions_and_every_source_partition(settings_of: Make) -> None:
    settings = settings_of(partitions=2)
    asyncio.run(apply(settings, Mode.REPLAY))
    namespace = asyncio.run(read_namespace(settings))
    assert (namespace.name, namespace.mode, namespace.partitions) == (settings.namespace.name, Mode.REPLAY, 2)
    assert namespace.sources[:2] == (SourcePartition("shop.clicks", 0), SourcePartition("shop.clicks", 1))
    assert namespace.sources[-4:] == (
        SourcePartition("pipeline.control", 0),
        SourcePartition("shop.history", 0),
        SourcePartition("shop.history", 1),
        SourcePartition("pipeline.models", 0),
    )


def test_the_namespace_record_is_found_between_other_control_records(settings_of: Make) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.TEST))
    asyncio.run(send(settings, f"{settings.namespace.name}.pipeline.control", b"{}", key=b"policy"))
    assert asyncio.run(read_namespace(settings)).mode is Mode.TEST


def test_a_namespace_that_does_not_exist_is_named_with_the_command_that_makes_it(settings_of: Make) -> None:
    settings = settings_of()
    with pytest.raises(UserError, match=f"`pipeline topics apply --namespace {settings.namespace.name} --mode live`"):
        asyncio.run(read_namespace(settings))


def test_apply_refuses_another_mode(settings_of: Make) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.REPLAY))
    with pytest.raises(UserError, match="is a replay namespace, not live"):
        asyncio.run(apply(settings, Mode.LIVE))
    assert asyncio.run(read_namespace(settings)).mode is Mode.REPLAY


def test_apply_refuses_another_partition_count(settings_of: Make) -> None:
    settings = settings_of(partitions=2)
    asyncio.run(apply(settings, Mode.TEST))
    with pytest.raises(UserError, match=r"has 2 partitions, not 4: .*set topics.partitions = 2"):
        asyncio.run(apply(settings_of(settings.namespace.name, partitions=4), Mode.TEST))


def test_apply_makes_nothing_where_a_source_of_the_shop_has_another_partition_count(settings_of: Make) -> None:
    settings = settings_of(partitions=2)
    orders = f"{settings.namespace.name}.shop.orders"
    asyncio.run(create(settings, orders, 5))
    with pytest.raises(UserError, match=f"topic {orders} has 5 partitions, not 2"):
        asyncio.run(apply(settings, Mode.LIVE))
    ours = [name for name in asyncio.run(in_kafka(settings)) if name.startswith(f"{settings.namespace.name}.")]
    assert ours == [orders]


def test_of_two_that_apply_at_once_with_other_partition_counts_one_is_refused(settings_of: Make) -> None:
    two = settings_of(partitions=2)
    four = settings_of(two.namespace.name, partitions=4)

    async def both() -> list[object]:
        return await asyncio.gather(apply(two, Mode.TEST), apply(four, Mode.TEST), return_exceptions=True)

    refused = [outcome for outcome in asyncio.run(both()) if isinstance(outcome, UserError)]
    assert len(refused) == 1
    assert "partitions, not" in str(refused[0])
    assert asyncio.run(check(two)) == []


def test_two_may_apply_the_same_at_once(settings_of: Make) -> None:
    settings = settings_of()

    async def both() -> None:
        await asyncio.gather(apply(settings, Mode.TEST), apply(settings, Mode.TEST))

    asyncio.run(both())
    assert asyncio.run(check(settings)) == []


def test_apply_takes_a_source_that_the_shop_made_as_it_is(settings_of: Make) -> None:
    settings = settings_of(partitions=2)
    clicks = f"{settings.namespace.name}.shop.clicks"
    asyncio.run(create(settings, clicks, 2, {"retention.ms": "3600000"}))
    assert asyncio.run(apply(settings, Mode.LIVE)).existing == (clicks,)
    assert asyncio.run(check(settings)) == []


def test_apply_says_in_one_line_that_there_are_too_few_brokers(settings_of: Make) -> None:
    settings = msgspec.structs.replace(settings_of(), topics=TopicSettings(partitions=2, replication_factor=3))
    with pytest.raises(UserError, match=r"cannot be created: .*replication factor of 3") as raised:
        asyncio.run(apply(settings, Mode.LIVE))
    assert "\n" not in str(raised.value)


def test_check_names_what_is_missing_and_what_differs(settings_of: Make) -> None:
    settings = settings_of(partitions=2)
    name = settings.namespace.name
    asyncio.run(create(settings, f"{name}.pipeline.changelog", 2, {"cleanup.policy": "delete"}))
    asyncio.run(apply(settings, Mode.LIVE))
    asyncio.run(delete(settings, [f"{name}.decisions"]))
    differences = asyncio.run(check(settings))
    assert differences[0] == f"topic {name}.decisions does not exist"
    assert f"topic {name}.pipeline.changelog has cleanup.policy=delete, not compact" in differences


def test_a_changelog_made_anew_starts_another_epoch(settings_of: Make) -> None:
    settings = settings_of()
    assert asyncio.run(apply(settings, Mode.TEST)).namespace.epoch == 1
    asyncio.run(delete(settings, [f"{settings.namespace.name}.pipeline.changelog"]))
    assert asyncio.run(apply(settings, Mode.TEST)).namespace.epoch == 2
    assert asyncio.run(read_namespace(settings)).epoch == 2


def test_an_event_of_ten_megabytes_reaches_its_source_topic_where_we_can_refuse_it(settings_of: Make) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.LIVE))
    asyncio.run(send(settings, f"{settings.namespace.name}.shop.clicks", bytes(10_000_000)))


def test_a_record_of_a_later_release_is_refused_and_not_guessed_at(settings_of: Make) -> None:
    settings = settings_of()
    namespace = asyncio.run(apply(settings, Mode.TEST)).namespace
    later = msgspec.json.encode(msgspec.structs.replace(namespace, format=99))
    asyncio.run(send(settings, namespace.topic("pipeline.control"), later, key=b"namespace"))
    with pytest.raises(UserError, match="has format 99"):
        asyncio.run(read_namespace(settings))


def test_a_missing_broker_is_one_line_with_the_remedy_within_seconds() -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"no Kafka at 127\.0\.0\.1:1: start one with `pipeline broker`") as raised:
        asyncio.run(read_namespace(settings))
    assert "\n" not in str(raised.value)
    assert time.monotonic() - begun < 4
