"""`pipeline tail`: what is decided, as it happens."""

import asyncio

import click

from pipeline.cli.main import example, pass_settings
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings

_LOOK_SECONDS = 3.0
"""Between two looks whether Kafka is there."""


@click.command(
    short_help="Follow triggers, decisions or rejects.",
    epilog=example("pipeline tail triggers", "pipeline tail decisions --from-beginning --count 20 --json"),
)
@click.argument("what", type=click.Choice(["triggers", "decisions", "rejects"]))
@click.option("--from-beginning", "everything", is_flag=True, help="Begin with the oldest that is kept, not with now.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N; without it, with Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Write each record as it stands in its topic, one a line.")
@pass_settings
def tail(settings: Settings, what: str, everything: bool, count: int | None, as_json: bool) -> None:
    """Follow what comes out, one line each. Times are UTC.

    Only what is committed is shown, as a consumer must read it. Of triggers: when, kind and step, who, what, why, on
    which channel, until when to act. This shows personal data: it is for those who may see it.
    """
    asyncio.run(_tail(settings, what, everything, count, as_json))


async def _tail(settings: Settings, what: str, everything: bool, count: int | None, as_json: bool) -> None:
    import msgspec

    from pipeline.explain.glance import decision_line, reject_line, trigger_line
    from pipeline.operate.follow import FOLLOWED, from_beginning, from_now

    line = {"triggers": trigger_line, "decisions": decision_line, "rejects": reject_line}[what]
    follow = from_beginning if everything else from_now
    async with follow(settings, FOLLOWED[what]) as records:
        watch = asyncio.create_task(_say_when_kafka_is_away(settings))
        click.echo(f"Following {what} of namespace {settings.namespace.name}. Ctrl-C ends it.", err=True)
        seen = 0
        async for record in records:
            try:
                click.echo(record.value if as_json else line(record.value))
            except msgspec.MsgspecError:
                place = f"{record.topic}-{record.partition}, offset {record.offset}"
                click.echo(f"{place} cannot be read by this release: --json shows it as it is")
            seen += 1
            if seen == count:
                break
        watch.cancel()


async def _say_when_kafka_is_away(settings: Settings) -> None:
    """The consumer waits without a word, and goes on by itself."""
    from pipeline.kafka.clients import reachable

    away = False
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            await reachable(settings)
        except UserError as error:
            if not away:
                click.echo(f"{error}. This goes on by itself when it is back.", err=True)
            away = True
        else:
            if away:
                click.echo("Kafka is back.", err=True)
            away = False
