"""The Faust app: one agent on the log, one table of customers, and nothing that waits in between."""

import logging
import os
from typing import Any

import faust
from faust.types import TP
from yarl import URL

from pipeline.config.namespace import CHANGELOG, LOG, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection
from pipeline.monitor.health import Health
from pipeline.worker.bounds import LogBounds
from pipeline.worker.items import ItemsReader
from pipeline.worker.items_metrics import ShelfMetrics
from pipeline.worker.metrics import WorkerMetrics
from pipeline.worker.runner import Runner
from pipeline.worker.store import CustomerStore
from pipeline.worker.tables import TableManager
from pipeline.worker.transport import transport_at
from pipeline.worker.watchdog import watch

logger = logging.getLogger(__name__)

MAX_FETCH = 4 * 1024 * 1024
EXIT_FATAL = 70


def create_app(
    settings: Settings, namespace: Namespace, metrics: WorkerMetrics, shelf: ShelfMetrics, health: Health
) -> faust.App:
    """The worker's app. It starts no web server, and its group's committed offsets are never read."""
    kafka = connection(settings.kafka)
    log_topic = namespace.topic(LOG)
    app = faust.App(
        f"{namespace.name}-worker",
        broker=[URL(f"kafka://{server}") for server in kafka["bootstrap_servers"]],
        broker_credentials=_credentials(settings, kafka),
        store="customers://",
        datadir=settings.worker.data_dir,
        web_enabled=False,
        topic_partitions=namespace.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        TableManager=TableManager,
        # Faust's own sticky assignor; with no changelog registered there are no standbys to assign.
        table_standby_replicas=1,
        stream_wait_empty=False,
        stream_recovery_delay=0,
        stream_buffer_maxsize=64,
        consumer_max_fetch_size=MAX_FETCH,
        consumer_group_instance_id=settings.worker.instance_id or None,  # an empty one is one that all workers share
        broker_session_timeout=settings.worker.session_timeout / 1000,
        broker_heartbeat_interval=settings.worker.session_timeout / 3000,
        broker_commit_every=10**9,
        broker_commit_interval=1.0,
    )
    log = app.topic(
        log_topic,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=namespace.partitions,
    )
    customers = app.Table(
        "customers",
        partitions=namespace.partitions,
        key_type=bytes,
        value_type=bytes,
        changelog_topic=app.topic(namespace.topic(CHANGELOG), partitions=namespace.partitions, internal=False),
    )
    store = customers.data
    if not isinstance(store, CustomerStore):
        raise TypeError(f"the table's store is {type(store).__name__}: is the package installed with its entry points?")
    bounds = LogBounds(kafka, log_topic)
    reader = _FaustLog(app, log_topic, bounds)
    store.log_topic = log_topic
    health.missing = store.missing
    items = ItemsReader(namespace, kafka, shelf)

    def new_runner(partition: int) -> Runner:
        return Runner(settings, namespace, partition, kafka, reader, metrics, items.suggest, end_process)

    store.new_runner = new_runner
    transport = transport_at(store.position, log_topic)
    app.transport = transport(app.conf.broker, app, loop=app.loop)

    @app.agent(log, concurrency=1)  # type: ignore[untyped-decorator]  # faust has no types
    async def engine(stream: faust.Stream[bytes]) -> None:
        """Hand each frame to its partition's runner; never wait for it."""
        try:
            async for event in stream.events():
                runner = store.runners.get(event.message.partition)
                if runner is not None:
                    runner.offer(event.message.offset, event.value)
        except Exception as error:  # Faust would ack the frame and start the agent again, for ever
            logger.exception("agent")
            end_process(f"the agent failed: {type(error).__name__}")

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]  # faust has no types
    async def rebalanced(*_: Any, **__: Any) -> None:
        metrics.rebalanced()

    @app.task  # type: ignore[untyped-decorator]  # faust has no types
    async def watchdog() -> None:
        await watch(store, bounds, settings.worker.stall_timeout / 1000, metrics, end_process)

    @app.task  # type: ignore[untyped-decorator]  # faust has no types
    async def next_items() -> None:
        await items.run()

    return app


def end_process(message: str) -> None:
    """End at once, non-zero: what is not committed is not there, and a supervisor starts us again."""
    logger.critical("%s", message)
    logging.shutdown()
    os._exit(EXIT_FATAL)


class _FaustLog:
    """The log as read by Faust's consumer; seeks go through the thread that owns it."""

    def __init__(self, app: faust.App, topic: str, bounds: LogBounds) -> None:
        self._app = app
        self._topic = topic
        self.bounds = bounds.bounds

    async def seek(self, partition: int, offset: int) -> None:
        tp = TP(self._topic, partition)
        if tp in self._app.consumer.assignment():
            await self._app.consumer.seek_wait({tp: offset})


def _credentials(settings: Settings, kafka: dict[str, Any]) -> Any:
    protocol = settings.kafka.security_protocol
    context = kafka.get("ssl_context")
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka.sasl_username,
            password=settings.kafka.sasl_password,
            mechanism=settings.kafka.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context is not None else None
