"""The worker process: the app until it ends."""

import asyncio
import logging
from pathlib import Path

import faust

from pipeline.config.errors import ConfigError
from pipeline.config.namespace import CHANGELOG, LOG, OUTPUTS, REJECTS, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.counts import require_topics
from pipeline.kafka.topics import read_namespace
from pipeline.worker.app import create_app


def run_worker(settings: Settings) -> None:
    """Run until a signal or a fault. Raises UserError before it starts, SystemExit with the exit code at its end."""
    namespace = asyncio.run(_namespace(settings))
    folder = Path(settings.worker.data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("worker.data_dir", f"{folder} cannot be made: {error.strerror}") from error
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = create_app(settings, namespace)
    faust.Worker(
        app, loop=loop, loglevel=logging.INFO, quiet=True, redirect_stdouts=False, override_logging=False
    ).execute_from_commandline()


async def _namespace(settings: Settings) -> Namespace:
    namespace = await read_namespace(settings)
    await require_topics(settings, namespace, (LOG, CHANGELOG, *OUTPUTS, REJECTS))
    return namespace
