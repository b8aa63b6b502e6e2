"""The example producers on a real Kafka: what they publish is what ingest takes, a person in one partition."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings
from pipeline.ingest.route import Routed, Router
from pipeline.kafka.topics import apply
from pipeline.operate.follow import from_beginning

EXAMPLES = Path(__file__).parents[2] / "examples"
TOPICS = ("shop.customers", "shop.carts")
TIMEOUT = 120
NO_REGISTRY = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT")
"""What npm says where there is no network; anything else is a fault of the example."""


def published(settings: Settings, command: Sequence[str | Path], folder: Path) -> dict[str, list]:
    """Run a producer twice; its records by topic."""
    where = {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "PIPELINE_NAMESPACE_NAME": settings.namespace.name,
    }
    for _ in range(2):
        done = subprocess.run(
            command, cwd=folder, env=os.environ | where, capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
        assert done.returncode == 0, done.stderr
        assert "add_to_cart is at" in done.stdout

    async def read() -> dict[str, list]:
        found: dict[str, list] = {topic: [] for topic in TOPICS}
        async with asyncio.timeout(TIMEOUT), from_beginning(settings, TOPICS) as records:
            async for record in records:
                found[record.topic.removeprefix(f"{settings.namespace.name}.")].append(record)
                if sum(map(len, found.values())) == 4:
                    break
        return found

    return asyncio.run(read())


def assert_taken(found: dict[str, list]) -> None:
    persons = set()
    for topic, records in found.items():
        assert len({record.partition for record in records}) == 1
        assert len({json.loads(record.value)["event_id"] for record in records}) == 2
        for record in records:
            routed = Router(topic, Mode.LIVE)(record.value, record.timestamp)
            assert isinstance(routed, Routed)
            persons.add(routed.person)
    assert len(persons) == 1


@pytest.fixture
def live(settings_of: Callable[..., Settings]) -> Settings:
    settings = settings_of(partitions=4)
    asyncio.run(apply(settings, Mode.LIVE))
    return settings


def test_python(live: Settings) -> None:
    assert_taken(published(live, [sys.executable, EXAMPLES / "producer.py"], EXAMPLES))


def test_node(live: Settings, tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are needed to run examples/producer.mjs")
    for name in ("producer.mjs", "package.json", ".npmrc"):
        shutil.copy(EXAMPLES / name, tmp_path)
    install = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    if any(code in done.stderr for code in NO_REGISTRY):
        pytest.skip("npm reaches no registry to install kafkajs from")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "package-lock.json").exists()
    assert_taken(published(live, [node, "producer.mjs"], tmp_path))
