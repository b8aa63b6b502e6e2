"""A broker that goes away and comes back while everything runs."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.config.settings import KafkaSettings, NamespaceSettings, Settings, TopicSettings
from pipeline.kafka.broker import BrokerProcess, start_broker
from pipeline.local.ports import free_port
from pipeline.replay.publish import SETTLE
from tests.faults.histories import a_shop, slices
from tests.faults.processes import Stage


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Callable[[], BrokerProcess]]:
    """Starts a broker on one data folder and one port, again and again."""
    port, started = free_port(), []

    def start() -> BrokerProcess:
        started.append(start_broker(tmp_path / "kafka", port))
        return started[-1]

    yield start
    started[-1].stop()


@pytest.mark.chaos
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_broker_restarted_under_everything(own_broker, stage_of, how: str) -> None:
    broker = own_broker()
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers),
        namespace=NamespaceSettings(f"t-{uuid.uuid4().hex[:12]}"),
        topics=TopicSettings(partitions=2),
    )
    parts = slices(a_shop(2_000, seed=11), 5)
    stage: Stage = stage_of(settings=settings)
    for name in ("one", "two"):
        stage.worker(name)
    stage.ingest()
    stage.serve()
    for number, part in enumerate(parts[:-1]):
        stage.publish(part)
        time.sleep(0.5 * number)  # what was written is in all stages of its way
        getattr(broker, how)()
        time.sleep((1, 8, 15, 40)[number])
        stage.tend()
        broker = own_broker()
        until = time.monotonic() + 6
        while time.monotonic() < until:
            stage.tend()
            time.sleep(0.5)
    stage.publish(parts[-1], SETTLE)
    clock = parts[-1].span.last_ms + SETTLE
    stage.settle(clock, patience=120)
    stage.judge(clock)
