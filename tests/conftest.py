"""What all tests share: a real Kafka for the session, and a namespace of its own for each test that wants one."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from pipeline.config.settings import KafkaSettings, NamespaceSettings, RedisSettings, Settings, TopicSettings
from pipeline.kafka.broker import start_broker
from pipeline.local.ports import free_port

TOGETHER = {
    "tests/demo/test_demo.py": "demonstration",
    "tests/deploy/test_prometheus.py": "prometheus",
    "tests/security/test_connection.py": "secured",
    "tests/security/test_permissions.py": "secured",
    "tests/simulator/test_simulator.py": "simulator",
}
"""Files whose tests share what is costly to set up, and so run in one process. With pytest 9.2, xdist 3.8 does not heed
its own mark for that."""


def pytest_configure() -> None:
    """Refuse to test what was compiled before the sources changed: Python prefers it to them."""
    for built in (Path(__file__).parents[1] / "pipeline").rglob("*.so"):
        source = built.parent / f"{built.name.split('.')[0]}.py"
        if not source.exists() or source.stat().st_mtime > built.stat().st_mtime:
            pytest.exit(f"{source} has changed since it was compiled: make compiled, or make interpreted", returncode=2)


class Together(LoadScopeScheduling):
    """Hands out the tests of TOGETHER as groups, the largest first, and then all others one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(nodeid.partition("::")[0], nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    return Together(config, log)


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
