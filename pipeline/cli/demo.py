"""`pipeline demo`: the whole pipeline on this machine, on two shops or on a real log, and the proof at the end."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import console
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings

if TYPE_CHECKING:
    from pipeline.demo.shops import Shops
    from pipeline.demo.tally import Tally

STREAM_SECONDS = 35.0


@click.command(epilog=example("pipeline demo", "pipeline demo --data 2019-Oct.csv.gz"))
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A real log in the shape of REES46, Taobao UserBehavior or Retailrocket, instead of the two shops.",
)
@pass_settings
def demo(settings: Settings, data: Path | None) -> None:
    """Run the whole pipeline on this machine, stream shops through it, prove the result.

    Without --data there are two shops: a simulated one, and a year of a grocer's tills, Complete Journey. It uses
    folders and ports of its own, and stops all that it started.
    """
    from pipeline.cli.models import print_models
    from pipeline.cli.serve import print_comparison
    from pipeline.cli.verify import print_report
    from pipeline.config.namespace import Mode
    from pipeline.demo.place import FOLDER, clear, demo_settings
    from pipeline.demo.shops import one_log, two_shops
    from pipeline.operate.supervise import running
    from pipeline.serve.check import compare
    from pipeline.verify.run import verify

    began = time.monotonic()
    out = console()
    clear()
    shops = two_shops(FOLDER / "truth.jsonl") if data is None else one_log(data)
    ours = demo_settings(settings, shops.currencies)
    for line in shops.words:
        out.print(line)
    out.print("Starting Kafka, ingest, worker, learner and Redis …")
    with running(ours, Mode.REPLAY) as system:
        tally = _stream(out, system.settings, shops)
        view = asyncio.run(compare(system.settings))  # waits until Redis has all of it
        _tell_stories(out, system.settings, shops, tally)
        out.print("\nWhat was learned on the way (pipeline models list):\n")
        print_models(system.settings)
        out.print("\nRedis against Kafka (pipeline serve --check):\n")
        print_comparison(view)
        out.print("\nThe proof (pipeline verify):\n")
        report = asyncio.run(verify(system.settings))
        print_report(report)
    out.print(f"\nAll stopped. {time.monotonic() - began:.0f} s in all.")
    if report.differences or view.differences:
        raise UserError(
            f"{report.differences:,} differences between the log and what stands in the topics, "
            f"{view.differences:,} between Kafka and Redis"
        )


def _stream(out: Console, settings: Settings, shops: "Shops") -> "Tally":
    """Stream the shops under a live table."""
    from pipeline.demo.screen import screen
    from pipeline.demo.stream import stream

    with Live(console=out, auto_refresh=False) as live:

        def show(tally: "Tally", seconds: float) -> None:
            if out.is_terminal:
                live.update(screen(tally, shops.history.span.events, seconds), refresh=True)

        tally, summary = asyncio.run(stream(settings, shops.history, STREAM_SECONDS, show))
        live.update(screen(tally, sum(summary.events.values()), summary.seconds), refresh=True)
    out.print()
    return tally


def _tell_stories(out: Console, settings: Settings, shops: "Shops", tally: "Tally") -> None:
    """Tell the stories, say which did not occur, and show the last one's profile as Redis has it."""
    from pipeline.cli.why import print_story
    from pipeline.demo.glimpse import profile_in_redis
    from pipeline.explain.excerpt import excerpt
    from pipeline.explain.story import tell
    from pipeline.log.persons import ids_of, site_of

    person = None
    for title, find, lacking in shops.stories:
        found = find(tally)
        if found is None:
            out.print(f"\n{lacking(tally)}")
            continue
        person = found.person
        customer, visitor = ids_of(person)
        words = f"{site_of(person)} {customer}" if customer is not None else f"{site_of(person)} {visitor} --anonymous"
        heading = title if found.wanted else f"{lacking(tally)} The nearest to it"
        out.print(f"\n{heading} (pipeline why {words}):\n")
        story = asyncio.run(tell(settings, person))
        print_story(story, excerpt(story.entries))
    if person is not None:
        key, profile = asyncio.run(profile_in_redis(settings, person))
        out.print(f"\nThe same customer's profile in Redis, with one GET of {key}:\n")
        out.print(profile, markup=False, soft_wrap=True)
