"""`pipeline up`: everything on this machine, until Ctrl-C."""

import asyncio
import os
import signal
from types import FrameType
from typing import TYPE_CHECKING

import click

from pipeline.cli.main import example, pass_settings
from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings

if TYPE_CHECKING:
    from pipeline.operate.supervise import System

_STOPS = (signal.SIGINT, signal.SIGTERM)
_LOOK_EVERY = 0.5
"""Seconds between two looks whether all is ready."""


@click.command(
    short_help="Run everything on this machine.",
    epilog=example(
        "pipeline up --profile dev", "pipeline up", "KAFKA_BOOTSTRAP_SERVERS=kafka:9092 pipeline up --workers 2"
    ),
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
    """Run ingest, workers, serve and, where none is named, a Kafka and a Redis, until Ctrl-C.

    Makes the namespace and publishes the policy of policy.file first. What ends is started again. Each line of the
    log begins with the program it comes from; the files are in .pipeline/run/NAMESPACE.

    Says what to try when all is ready. With a Kafka of our own, other commands in this folder find it and the
    namespace by themselves.
    """
    from pipeline.operate.guide import guide
    from pipeline.operate.programs import Kafka, kafka_of, programs
    from pipeline.operate.supervise import running

    kafka = Kafka.GIVEN if no_broker else kafka_of(settings, dict(os.environ))
    for number in _STOPS:
        signal.signal(number, _interrupt_once)
    try:
        with running(settings, Mode(mode) if mode else None, workers, kafka, click.echo) as system:
            _wait_until_ready(system)
            found = programs(system.settings, workers, kafka)
            click.echo("\n" + "\n".join(asyncio.run(guide(system.settings, kafka, found))))
            while True:
                system.wait(3_600)
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _wait_until_ready(system: "System") -> None:
    """The log says meanwhile what goes on; what ends is started again, so there is no end to waiting."""
    from pipeline.operate.guide import decides

    while True:
        try:
            if asyncio.run(decides(system.settings)):
                return
        except UserError:  # a Kafka that does not answer yet; the programs say so
            pass
        system.wait(_LOOK_EVERY)


def _interrupt_once(_signal: int, _frame: FrameType | None) -> None:
    """End the run; further signals change nothing, since all is being stopped already."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
