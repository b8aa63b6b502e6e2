"""`pipeline rejects`: what was refused and why; replayed once it can be used."""

import asyncio
from typing import TYPE_CHECKING

import click

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings
from pipeline.log.rejects import RejectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.operate.rejects import Refused

_REASON = click.Choice([reason.value for reason in RejectReason])


@click.group(
    short_help="List, show and replay what was refused.",
    epilog=example("pipeline rejects list", "pipeline rejects replay shop.carts-0-17"),
)
def rejects() -> None:
    """List, show and replay what was refused."""


@rejects.command("list", epilog=example("pipeline rejects list --reason unknown_currency --limit 20"))
@click.option("--reason", type=_REASON, help="Only these.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="The newest N.")
@pass_settings
def list_rejects(settings: Settings, reason: str | None, limit: int) -> None:
    """List what was refused, the newest last, each once; a crash may have written a reject twice."""
    from pipeline.explain.words import moment
    from pipeline.operate.rejects import read_rejects

    found = [one for one in asyncio.run(read_rejects(settings)) if reason in (None, one.reject.reason)]
    print_table(
        ("key", "published (UTC)", "reason", "detail", "bytes", "replayed"),
        (
            (
                one.key,
                moment(one.reject.timestamp),
                one.reject.reason.value,
                one.reject.detail,
                f"{one.reject.size:,}" if one.reject.size else "",
                "" if one.replayed_to is None else f"to {one.replayed_to}",
            )
            for one in found[-limit:]
        ),
    )
    click.echo(f"{len(found[-limit:]):,} of {len(found):,} rejects in namespace {settings.namespace.name}.")


@rejects.command(epilog=example("pipeline rejects show shop.carts-0-17"))
@click.argument("key")
@pass_settings
def show(settings: Settings, key: str) -> None:
    """Show one reject with the bytes that are kept of it. They may hold personal data."""
    from pipeline.operate.rejects import read_rejects

    one = next((one for one in asyncio.run(read_rejects(settings)) if one.key == key), None)
    if one is None:
        raise UserError(f"there is no reject {key}: `pipeline rejects list` shows those there are")
    for name, value in _fields(one):
        click.echo(f"{name:<12}{value}")
    click.echo(one.reject.value.decode(errors="backslashreplace"))


@rejects.command(
    epilog=example("pipeline rejects replay shop.carts-0-17", "pipeline rejects replay --reason unknown_currency")
)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--reason", type=_REASON, help="All of this reason.")
@click.option("--all", "everything", is_flag=True, help="All there are.")
@pass_settings
def replay(settings: Settings, keys: tuple[str, ...], reason: str | None, everything: bool) -> None:
    """Publish rejects again to their source, as they were, each once however often this is run or killed.

    Do so after what made them unusable was mended: a rate added to the policy, a fault of ours corrected. The copy
    has the key and the time of the original; after 48 hours of a person's newer events it may be too late to count.
    What rejects holds only a part of is read from the source topic, as long as that keeps it.
    """
    if bool(keys) + (reason is not None) + everything != 1:
        raise click.UsageError("give one or more keys, or --reason, or --all.")

    def chosen(one: "Refused") -> bool:
        return everything or one.key in keys or one.reject.reason == reason

    done, failed = asyncio.run(_replay(settings, chosen, keys))
    click.echo(f"{done:,} rejects replayed.")
    if failed:
        raise UserError(f"{failed} rejects could not be replayed")


async def _replay(settings: Settings, chosen: "Callable[[Refused], bool]", keys: tuple[str, ...]) -> tuple[int, int]:
    from pipeline.operate.rejects import Outcome, replay

    done = failed = 0
    async for result in replay(settings, chosen, keys):
        click.echo(f"{result.key}: {result.told}")
        done += result.outcome is Outcome.REPLAYED
        failed += result.outcome is Outcome.IMPOSSIBLE
    return done, failed


def _fields(one: "Refused") -> list[tuple[str, str]]:
    from pipeline.explain.words import moment

    reject = one.reject
    return [
        ("reason", f"{reject.reason.value}: {reject.detail}"),
        ("from", f"{reject.topic}-{reject.partition}, offset {reject.offset}"),
        ("published", f"{moment(reject.timestamp)} UTC"),
        ("refused by", reject.refused_by),
        ("bytes", f"{reject.size:,}, sha256 {reject.sha256}" if reject.sha256 else "in the source topic"),
        ("key", repr(reject.key.decode(errors="backslashreplace")) if reject.key is not None else "none"),
        ("replayed", "no" if one.replayed_to is None else f"to offset {one.replayed_to}"),
    ]
