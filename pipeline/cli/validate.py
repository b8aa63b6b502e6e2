"""`pipeline validate`: a file of events against the contract, without a Kafka."""

from typing import IO

import click

from pipeline.cli.main import example
from pipeline.config.errors import UserError


@click.command(
    short_help="Check a file of events against the contract.",
    epilog=example("pipeline validate events.jsonl", "tail -n 1000 shop.log | pipeline validate -"),
)
@click.argument("file", type=click.File("rb"), metavar="FILE.jsonl")
def validate(file: IO[bytes]) -> None:
    """Check each line of a file (- for standard input) as ingest would, without a Kafka; exit code 1 where one is bad.

    A line is an event as JSON. Its topic follows from its type, or is said by a field `topic`, which is not part of
    the event. What is wrong is said with the line, the field, what is expected and what was got: the first thing of
    each line. Fields that nearly have a name of the contract are warned of, since they would be ignored.

    A line whose occurred_at is "now", or "-5m" for five minutes ago, is one that only `pipeline send` makes an event
    of; it needs no event_id.
    """
    from pipeline.cli.event_lines import Report, read_events

    report = Report()
    read_events(file, report)
    click.echo(report.summary())
    if report.completed:
        click.echo(f"{report.completed:,} have a relative time: only `pipeline send` makes events of them.")
    if report.bad:
        raise UserError(f"{report.bad:,} of {report.lines:,} lines would be refused")
    if not report.lines:
        raise UserError("there is no line in it")
