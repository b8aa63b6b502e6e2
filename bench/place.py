"""Where the bench works: its own broker and folder, and namespaces in it with the processes of the pipeline."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import Measured
from pipeline.config.namespace import Mode, Namespace
from pipeline.config.settings import KafkaSettings, NamespaceSettings, Settings, TopicSettings, WorkerSettings
from pipeline.kafka import topics
from pipeline.local.ports import free_port
from pipeline.serve.valkey import start_valkey

PARTITIONS = 4


class Place:
    """A namespace on the bench's broker."""

    def __init__(self, bootstrap: str, folder: Path, name: str) -> None:
        self._folder = folder
        self.name = name
        self.settings = Settings(
            kafka=KafkaSettings(bootstrap_servers=bootstrap),
            namespace=NamespaceSettings(name),
            topics=TopicSettings(partitions=PARTITIONS),
            worker=WorkerSettings(data_dir=str(folder / "worker")),
        )
        self._environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "PIPELINE_NAMESPACE_NAME": name,
            "PIPELINE_WORKER_DATA_DIR": self.settings.worker.data_dir,
        }

    async def create(self, mode: Mode) -> Namespace:
        """Make the topics."""
        return (await topics.apply(self.settings, mode)).namespace

    def ingest(self) -> Measured:
        """Start ingest."""
        return Measured(["pipeline", "ingest"], self._environment, self._folder / f"{self.name}-ingest.log")

    @contextmanager
    def redis(self) -> Iterator[str]:
        """Run a Valkey; gives its URL."""
        with start_valkey(free_port()) as valkey:
            yield valkey.url

    def serve(self, url: str) -> Measured:
        """Start serve on a Redis."""
        environment = self._environment | {"REDIS_URL": url}
        return Measured(["pipeline", "serve"], environment, self._folder / f"{self.name}-serve.log")

    def worker(self, data_dir: Path | None = None) -> Measured:
        """Start a worker, in a folder of its own where one is given."""
        more = {} if data_dir is None else {"PIPELINE_WORKER_DATA_DIR": str(data_dir)}
        return Measured(["pipeline", "worker"], self._environment | more, self._folder / f"{self.name}-worker.log")
