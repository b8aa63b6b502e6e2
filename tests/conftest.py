"""What all tests share: a real Kafka for the session, and a namespace of its own for each test that wants one."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from pipeline.config.settings import KafkaSettings, NamespaceSettings, RedisSettings, Settings, TopicSettings
from pipeline.kafka.broker import start_broker
from pipeline.local.ports import free_port


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real broker that lasts for the session; each xdist worker has its own."""
    with start_broker(tmp_path_factory.mktemp("kafka"), free_port()) as process:
        yield process.bootstrap_servers


@pytest.fixture
def namespace() -> Callable[[], str]:
    """Gives the name of a namespace that does not exist yet; another at each call."""
    return lambda: f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def settings_of(broker: str, namespace: Callable[[], str]) -> Callable[..., Settings]:
    """Settings that point at the broker and at a fresh namespace, or at the one named."""

    def make(name: str | None = None, partitions: int = 2) -> Settings:
        return Settings(
            kafka=KafkaSettings(bootstrap_servers=broker),
            namespace=NamespaceSettings(name or namespace()),
            topics=TopicSettings(partitions=partitions),
            redis=RedisSettings(port=free_port()),
        )

    return make
