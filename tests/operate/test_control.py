"""What operators write into the control topic: a policy, once; a reset, only where it is due."""

import asyncio
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.policy import load_policy
from pipeline.config.settings import Settings
from pipeline.ingest.control import route_control
from pipeline.kafka.clients import connection, reader
from pipeline.kafka.groups import group_offsets
from pipeline.kafka.topics import apply
from pipeline.log.rows import SourceResetRow
from pipeline.operate.control import published_policy, reset_source
from tests.verify.histories import TopicPartition, commit_group, poll, records_of, write_history

SettingsOf = Callable[..., Settings]


def pipeline(settings: Settings, *args: str) -> Result:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    return CliRunner().invoke(main, [*args, "--namespace", settings.namespace.name], env=environment)


async def control(settings: Settings) -> list:
    async with reader(settings) as consumer:
        return await records_of(consumer, TopicPartition(f"{settings.namespace.name}.pipeline.control", 0))


def test_a_policy_is_published_once_and_shown_as_its_file(settings_of: SettingsOf, tmp_path: Path) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.TEST))
    assert "# Policy of namespace" in pipeline(settings, "policy", "show").output
    file = tmp_path / "policy.toml"
    file.write_text(
        '[site."*"]\ncurrency = "USD"\n[site."*".rates]\nEUR = 1.1\n[site.my-shop.cart]\nsteps = ["45m", "1d"]\n'
        '[site.my-shop.cart.categories."Men\'s shoes"]\nenabled = false\n'
    )
    first = pipeline(settings, "policy", "publish", str(file))
    assert "is in force in" in first.stdout
    assert not first.stderr
    assert pipeline(settings, "policy", "publish", str(file)).output.endswith("was in force already.\n")
    assert [record.key for record in asyncio.run(control(settings))] == [b"namespace", b"policy"]
    shown = pipeline(settings, "policy", "show").output
    again = tmp_path / "again.toml"
    again.write_text(shown)
    tomllib.loads(shown)
    assert load_policy(again) == load_policy(file) == asyncio.run(published_policy(settings))
    assert "name the policy's FILE" in pipeline(settings, "policy", "publish").output


def test_a_policy_with_another_base_currency_says_what_it_does_not_convert(
    settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.TEST))
    file = tmp_path / "policy.toml"
    for text in ('[site."*"]\ncurrency = "USD"\n[site.b]\ncurrency = "EUR"\n', '[site.a]\ncurrency = "EUR"\n'):
        file.write_text(text)
        done = pipeline(settings, "policy", "publish", str(file))
    assert [line.partition(": what")[0] for line in done.stderr.splitlines()] == [
        "pipeline: the base currency of site * was USD and is EUR",
        "pipeline: the base currency of site a was USD and is EUR",
    ]


def test_a_policy_that_cannot_be_read_is_said_and_replaced(settings_of: SettingsOf, tmp_path: Path) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.TEST))

    async def junk() -> None:
        async with AIOKafkaProducer(**connection(settings.kafka)) as producer:
            topic = f"{settings.namespace.name}.pipeline.control"
            await producer.send_and_wait(topic, b'{"sites": {}}', b"policy", partition=0)

    asyncio.run(junk())
    shown = pipeline(settings, "policy", "show")
    assert (shown.exit_code, shown.stderr.count("\n")) == (1, 1)
    assert "publish it anew" in shown.stderr
    (file := tmp_path / "policy.toml").write_text('[site."*"]\ncurrency = "USD"\n')
    assert "is in force in" in pipeline(settings, "policy", "publish", str(file)).output
    assert 'currency = "USD"' in pipeline(settings, "policy", "show").output


def test_a_source_that_was_made_anew_is_reset(settings_of: SettingsOf) -> None:
    async def run() -> None:
        settings = settings_of()
        namespace = await write_history(settings)
        with pytest.raises(UserError, match="nothing is wrong with it"):
            await reset_source(settings, "shop.carts", 0)
        with pytest.raises(UserError, match="no source of namespace"):
            await reset_source(settings, "shop.sofas", 0)
        await commit_group(settings, namespace, await poll(settings, namespace), ahead=5)
        tp = TopicPartition(namespace.topic("shop.carts"), 0)
        member = AIOKafkaConsumer(
            tp.topic, **connection(settings.kafka), group_id=f"{namespace.name}-ingest", enable_auto_commit=False
        )
        await member.start()
        with pytest.raises(UserError, match="has members: stop its processes first"):
            await reset_source(settings, tp.topic, 0)
        await member.stop()
        assert len(await control(settings)) == 1
        assert await reset_source(settings, tp.topic, 0) == 0
        assert (await group_offsets(settings, f"{namespace.name}-ingest"))[tp] == 0
        record = (await control(settings))[-1]
        row = route_control(record.key, record.value, record.offset, namespace)
        assert isinstance(row, SourceResetRow)
        assert namespace.sources[row.source].topic == "shop.carts"

    asyncio.run(run())
