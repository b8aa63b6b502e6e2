"""`pipeline status`: how a namespace stands, at a glance."""

import asyncio

import click

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.settings import Settings

_NAMED = 2
"""Sources that are named; of more, the number is said."""


@click.command(short_help="Show how a namespace stands.", epilog=example("pipeline status --namespace live"))
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document; times and lengths in milliseconds.")
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show how far each partition of the log is folded, what its clock waits for, and how far ingest is behind.

    Positions are those that are committed: a worker with nothing to do writes its own every few seconds.
    """
    import msgspec

    from pipeline.explain.words import length, moment
    from pipeline.operate.status import read_status

    found = asyncio.run(read_status(settings))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    print_table(
        ("partition", "position", "behind", "clock (UTC)", "late", "held back by", "customers", "timers", "engine"),
        (
            (
                str(p.partition),
                f"{p.position:,}",
                f"{p.behind:,}",
                moment(p.clock) if p.clock else "not started",
                length(p.clock_lag) if p.clock_lag is not None else "",
                _held_back(p.waits_for, p.unreported),
                f"{p.customers:,}",
                f"{p.timers:,}",
                p.engine or "none yet",
            )
            for p in found.partitions
        ),
    )
    click.echo()
    print_table(
        ("source", "records", "not in the log"),
        ((s.topic, f"{s.records:,}", f"{s.behind:,}") for s in found.sources),
    )
    for site in sorted({site for p in found.partitions for site in p.silent_sites}):
        click.echo(f"\nOrders of site {site} have gone silent: its cart triggers are held until they come again.")
    click.echo(f"\nNamespace {found.namespace} ({found.mode}).")


def _held_back(sources: list[str], unreported: bool) -> str:
    named = ", ".join(sources[:_NAMED]) + (f" and {len(sources) - _NAMED} more" if len(sources) > _NAMED else "")
    return f"{named}: no report yet" if unreported else named
