"""The doctor reads the newest records of a real Kafka, of one site, and its exit code is its judgement."""

import asyncio
import json
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.config.namespace import REJECTS, Mode
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection
from pipeline.kafka.topics import apply
from pipeline.log.rejects import Reject, RejectReason, encode
from tests.quality.test_checkup import NOW, shop


@pytest.fixture
def live(settings_of: Callable[..., Settings]) -> Settings:
    """A shop that publishes well, and before that one bad record."""
    settings = settings_of(partitions=1)
    asyncio.run(apply(settings, Mode.LIVE))
    asyncio.run(_publish(settings))
    return settings


async def _publish(settings: Settings) -> None:
    producer = AIOKafkaProducer(**connection(settings.kafka))
    await producer.start()
    name = settings.namespace.name
    bad = json.dumps({"site_id": "s", "type": "purchase"}).encode()
    await producer.send_and_wait(f"{name}.shop.orders", bad, key=b"k", timestamp_ms=NOW)
    for number, (topic, event) in enumerate(shop()):
        at = NOW + number * 1_000
        value = json.dumps({"event_id": f"e{number}", "site_id": "s", "occurred_at": at} | event).encode()
        await producer.send_and_wait(f"{name}.{topic}", value, key=b"k", timestamp_ms=at)
    for offset in (0, 1):
        reason = RejectReason.FOLD_ERROR
        reject = Reject(reason, "", "shop.orders", 0, offset, NOW, len(bad), "engine 1", value=bad)
        await producer.send_and_wait(f"{name}.{REJECTS}", encode(reject))
    await producer.stop()


def doctor(settings: Settings, *arguments: str) -> Result:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    return CliRunner().invoke(
        main, ["doctor", *arguments, "--namespace", settings.namespace.name], env=environment, catch_exceptions=False
    )


def test_it_judges_the_newest_records_and_the_rejects_of_those(live: Settings) -> None:
    everything = doctor(live, "--site", "s")
    assert everything.exit_code == 1
    assert "1 invalid" in everything.stdout
    assert "2 fold_error" in everything.stdout
    assert everything.stderr == "pipeline: failed checks of site s: 1\n"
    newest = doctor(live, "--site", "s", "--last", "10", "--json")
    document = json.loads(newest.stdout)
    rejects = next(finding for finding in document["findings"] if finding["check"] == "rejects")
    assert "invalid" not in rejects["numbers"]
    orders = next(finding for finding in document["findings"] if finding["check"] == "shop.orders")
    assert orders["numbers"]["records"] == 10


def test_a_site_without_a_record_is_said_with_those_there_are(live: Settings) -> None:
    done = doctor(live, "--site", "nobody")
    assert done.exit_code == 1
    assert "no record of site nobody in the newest 10,000 of each partition: those there are: s" in done.stderr
