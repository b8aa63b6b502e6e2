"""`pipeline redis`: a real Valkey in the foreground, until Ctrl-C."""

import signal
from types import FrameType

import click

from pipeline.cli.main import example, pass_settings
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings


@click.command(short_help="Run a real Valkey on this machine.", epilog=example("pipeline redis --port 16379"))
@click.option("--port", type=click.IntRange(1, 65_535), help="Port on 127.0.0.1, instead of redis.port.")
@pass_settings
def redis(settings: Settings, port: int | None) -> None:
    """Run a real Valkey, which speaks Redis, on 127.0.0.1 until Ctrl-C.

    It listens on this machine only, without a password, and keeps nothing on disk: `pipeline serve` fills it again.
    """
    from pipeline.serve.valkey import start_valkey

    signal.signal(signal.SIGTERM, _as_ctrl_c)
    with start_valkey(port or settings.redis.port) as process:
        click.echo(f"Valkey is ready at {process.url}. Ctrl-C stops it.")
        if process.url != settings.redis.url:
            click.echo(f"For the other commands: export REDIS_URL={process.url}")
        code = process.wait()
    raise UserError(f"Valkey ended by itself with code {code}")


def _as_ctrl_c(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
