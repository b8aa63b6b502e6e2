"""The worker process: the app until it ends."""

import asyncio
import gc
import logging
from pathlib import Path

import faust
from prometheus_client import CollectorRegistry

from pipeline.config.errors import ConfigError
from pipeline.config.namespace import CHANGELOG, EXAMPLES, LOG, OUTPUTS, REJECTS, TOUCHES, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.acls import Process
from pipeline.kafka.clients import AUTHORIZATION_ERRORS, forbidden
from pipeline.kafka.counts import require_topics
from pipeline.kafka.permissions import require
from pipeline.kafka.topics import read_namespace
from pipeline.monitor.endpoint import exposed
from pipeline.monitor.health import Health
from pipeline.monitor.registry import process_registry
from pipeline.worker.app import create_app
from pipeline.worker.items_metrics import ShelfMetrics
from pipeline.worker.metrics import WorkerMetrics

TURN_EVERY = 1.0

GC_THRESHOLD = (50_000, 20, 50)
"""The fold makes no cycles: to look for them as often as by default costs 1 µs an event and finds nothing."""


def run_worker(settings: Settings) -> None:
    """Run until a signal or a fault. Raises UserError before it starts, SystemExit with the exit code at its end."""
    registry, health = process_registry(), Health(settings.metrics.stalled_after)
    with exposed(settings.metrics, "worker", registry, health):
        _run(settings, registry, health)


def _run(settings: Settings, registry: CollectorRegistry, health: Health) -> None:
    namespace = asyncio.run(_namespace(settings))
    folder = Path(settings.worker.data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("worker.data_dir", f"{folder} cannot be made: {error.strerror}") from error
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = create_app(settings, namespace, WorkerMetrics(registry, namespace), ShelfMetrics(registry), health)
    _turn(loop, health)
    gc.set_threshold(*GC_THRESHOLD)
    worker = faust.Worker(
        app, loop=loop, loglevel=logging.INFO, quiet=True, redirect_stdouts=False, override_logging=False
    )
    try:
        worker.execute_from_commandline()
    except SystemExit:
        if isinstance(worker.crash_reason, AUTHORIZATION_ERRORS):  # taken away while it ran
            raise forbidden(settings.kafka, worker.crash_reason) from None
        raise


def _turn(loop: asyncio.AbstractEventLoop, health: Health) -> None:
    """Say every second that the loop turns, as long as it does."""
    health.turned()
    loop.call_later(TURN_EVERY, _turn, loop, health)


async def _namespace(settings: Settings) -> Namespace:
    await require(settings, Process.WORKER)
    namespace = await read_namespace(settings)
    await require_topics(settings, namespace, (LOG, CHANGELOG, EXAMPLES, TOUCHES, *OUTPUTS, REJECTS))
    return namespace
