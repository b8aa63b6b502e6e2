"""`pipeline ingest`: read the shop's topics into the log."""

import asyncio
import signal

import click

from pipeline.cli.logs import log_to_stderr
from pipeline.cli.main import example, pass_settings
from pipeline.config.settings import Settings
from pipeline.ingest.run import run_ingest


@click.command(epilog=example("pipeline --namespace live ingest"))
@pass_settings
def ingest(settings: Settings) -> None:
    """Read the shop's topics, validate, and write frames to the log. Start one, or several for more throughput."""
    log_to_stderr()
    asyncio.run(_until_signalled(settings))


async def _until_signalled(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run_ingest(settings, stop)
