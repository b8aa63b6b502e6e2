"""The worker process: the app until it ends."""

import asyncio
import logging

import faust

from pipeline.config.settings import Settings
from pipeline.kafka.topics import read_namespace
from pipeline.worker.app import create_app


def run_worker(settings: Settings) -> None:
    """Run until a signal or a fault. Raises UserError before it starts, SystemExit with the exit code at its end."""
    namespace = asyncio.run(read_namespace(settings))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = create_app(settings, namespace)
    faust.Worker(
        app, loop=loop, loglevel=logging.INFO, quiet=True, redirect_stdouts=False, override_logging=False
    ).execute_from_commandline()
