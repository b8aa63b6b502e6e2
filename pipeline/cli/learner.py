"""`pipeline learner`: learn from what came of each prediction, and publish what is to be scored with."""

import asyncio
import signal

import click

from pipeline.cli.logs import log_to_stderr
from pipeline.cli.main import example, pass_settings
from pipeline.config.settings import Settings


@click.command(
    short_help="Learn from what came of each prediction, and publish models.",
    epilog=example("pipeline --namespace live learner"),
)
@pass_settings
def learner(settings: Settings) -> None:
    """Learn from what came of each prediction, and publish what is to be scored with. Start one.

    Learn what is looked at after what, too, and publish what is suggested from.

    It goes on exactly where it was, however it ended. A second one takes over from the first, which then ends.
    """
    log_to_stderr()
    asyncio.run(_until_signalled(settings))


async def _until_signalled(settings: Settings) -> None:
    from pipeline.learner.run import run_learner
    from pipeline.learning.heads import COUNTS, HEADS

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run_learner(settings, stop, {**HEADS, **COUNTS})
