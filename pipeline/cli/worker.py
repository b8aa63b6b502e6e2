"""`pipeline worker`: fold the log into customers, decisions and triggers."""

import click

from pipeline.cli.logs import log_to_stderr
from pipeline.cli.main import example, pass_settings
from pipeline.config.settings import Settings
from pipeline.worker.run import run_worker


@click.command(epilog=example("pipeline --namespace live worker"))
@pass_settings
def worker(settings: Settings) -> None:
    """Fold the log: keep the customers, decide, write triggers. Start as many as there are cores."""
    log_to_stderr()
    run_worker(settings)
