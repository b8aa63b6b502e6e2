"""`pipeline broker`: a real Kafka in the foreground, until Ctrl-C."""

import signal
import time
from pathlib import Path
from types import FrameType

import click

from pipeline.cli.main import example, pass_settings
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings


@click.command(short_help="Run a real Kafka on this machine.", epilog=example("pipeline broker --port 19092"))
@click.option("--port", type=click.IntRange(1, 65_534), help="Port on 127.0.0.1, instead of broker.port.")
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Its data, instead of broker.data_dir."
)
@click.option("--fetch", is_flag=True, help="Only fetch and verify Kafka's jars and prepare fast starts; run nothing.")
@pass_settings
def broker(settings: Settings, port: int | None, data_dir: Path | None, fetch: bool) -> None:
    """Run a real Apache Kafka (one node, KRaft) on 127.0.0.1 until Ctrl-C.

    The first run fetches Kafka with Maven and verifies it. It listens on this machine only, without a password: for
    development and tests.
    """
    from pipeline.kafka.broker import prepare, start_broker
    from pipeline.kafka.jars import KAFKA_VERSION

    if fetch:
        kafka = prepare()
        click.echo(f"Kafka {KAFKA_VERSION}: {len(kafka.jars)} verified jars in {kafka.jars[0].parent}")
        return
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    begun = time.monotonic()
    with start_broker(data_dir or Path(settings.broker.data_dir), port or settings.broker.port) as process:
        took = time.monotonic() - begun
        click.echo(
            f"Kafka {KAFKA_VERSION} is ready at {process.bootstrap_servers} after {took:.1f} s, "
            f"its data in {process.data_dir}. Ctrl-C stops it."
        )
        if process.bootstrap_servers != settings.kafka.bootstrap_servers:
            click.echo(f"For the other commands: export KAFKA_BOOTSTRAP_SERVERS={process.bootstrap_servers}")
        code = process.wait()
    raise UserError(f"Kafka ended by itself with code {code}: see {process.log_file}")


def _as_ctrl_c(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
