"""`pipeline up`: everything on this machine, until Ctrl-C."""

import os
import signal
from types import FrameType

import click

from pipeline.cli.main import example, pass_settings
from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings


@click.command(
    short_help="Run everything on this machine.",
    epilog=example("pipeline up", "KAFKA_BOOTSTRAP_SERVERS=kafka:9092 pipeline up --workers 2"),
)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    help="Of the namespace, where it is made now; live if not said.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Workers: one a core.")
@click.option("--no-broker", is_flag=True, help="Use the Kafka of the settings though it has the default address.")
@pass_settings
def up(settings: Settings, mode: str | None, workers: int, no_broker: bool) -> None:
    """Run ingest, workers and, where no Kafka is named, a broker, and keep them running until Ctrl-C.

    Makes the namespace and publishes the policy of policy.file first. What ends is started again. Each line of the
    log begins with the program it comes from; the files are in .pipeline/run/NAMESPACE.
    """
    from pipeline.operate.programs import Kafka, kafka_of
    from pipeline.operate.supervise import running

    kafka = Kafka.GIVEN if no_broker else kafka_of(settings, dict(os.environ))
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        with running(settings, Mode(mode) if mode else None, workers, kafka, click.echo) as system:
            click.echo(
                f"Namespace {settings.namespace.name} runs on Kafka at {system.settings.kafka.bootstrap_servers}. "
                "Ctrl-C stops it."
            )
            try:
                while True:
                    system.wait(3_600)
            finally:
                _once()
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _as_ctrl_c(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _once() -> None:
    """Further signals change nothing: all is being stopped already."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
