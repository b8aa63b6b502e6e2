"""`pipeline serve`: keep profiles and triggers in Redis; rebuild them, or check them."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli.logs import log_to_stderr
from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings

if TYPE_CHECKING:
    from pipeline.serve.check import Comparison


@click.command(
    short_help="Keep profiles and triggers in Redis, for downstream services.",
    epilog=example("pipeline serve", "REDIS_URL=redis://cache:6379/0 pipeline serve --check"),
)
@click.option(
    "--rebuild", is_flag=True, help="Read all anew, remove what is gone, and end; others may serve meanwhile."
)
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 where Redis differs from Kafka.")
@pass_settings
def serve(settings: Settings, *, rebuild: bool, check: bool) -> None:
    """Keep the view in Redis: the profile of each person, and whether a trigger still holds.

    Start one, or several that share the work. A Redis that was emptied is filled again.
    """
    if rebuild and check:
        raise click.UsageError("--rebuild and --check do not go together.")
    if rebuild:
        _rebuild(settings)
    elif check:
        _check(settings)
    else:
        from pipeline.serve.run import run_serve

        log_to_stderr()
        asyncio.run(_until_signalled(run_serve, settings))


async def _until_signalled(run: Callable[[Settings, asyncio.Event], Awaitable[None]], settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


def _rebuild(settings: Settings) -> None:
    from pipeline.serve.rebuild import rebuild_view

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=(console := Console(stderr=True)),
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(f"Into {settings.redis.place()}", total=None)
        found = asyncio.run(rebuild_view(settings, lambda read, of: bar.update(task, completed=read, total=of)))
    click.echo(
        f"{found.written:,} rows written, {found.newer:,} were there as new or newer, "
        f"{found.removed:,} profiles removed that the changelog does not have any more."
    )


def _check(settings: Settings) -> None:
    from pipeline.serve.check import compare

    with Console(stderr=True).status("Reading") as status:
        found = asyncio.run(compare(settings, progress=lambda at: status.update(f"Comparing {at}")))
    print_comparison(found)
    if found.differences:
        raise UserError(
            f"{found.differences:,} differences between Redis at {settings.redis.place()} and namespace "
            f"{settings.namespace.name}: let `pipeline serve` run, or mend it with `pipeline serve --rebuild`"
        )
    click.echo(f"Redis at {settings.redis.place()} is what namespace {settings.namespace.name} says.")


def print_comparison(found: "Comparison") -> None:
    """Print what a comparison counted, and its first differences."""
    from pipeline.serve.check import Finding

    print_table(
        ("", "equal", *Finding, "not judged"),
        (
            (name, f"{part.equal:,}", *(f"{part.found[finding]:,}" for finding in Finding), f"{part.beyond:,}")
            for name, part in (("profiles", found.profiles), ("triggers", found.triggers))
        ),
    )
    if found.profiles.beyond or found.triggers.beyond:
        click.echo("Not judged: what came after the comparison had begun, and triggers that expire just now.")
    if found.scored_before:
        click.echo(
            f"Scores of {found.scored_before:,} of the equal profiles are of earlier snapshots, and were not judged."
        )
    for line in found.first:
        click.echo(line)
