"""`pipeline send`: the events of a file, to their topics."""

import asyncio
from typing import IO

import click

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings


@click.command(
    short_help="Publish a file of events.",
    epilog=example("pipeline send examples/first-cart.jsonl", "pipeline send - < events.jsonl"),
)
@click.argument("file", type=click.File("rb"), metavar="FILE.jsonl")
@click.option("--unchecked", is_flag=True, help="Send also what would be refused, to see it in rejects.")
@pass_settings
def send(settings: Settings, file: IO[bytes], unchecked: bool) -> None:
    """Publish each line of a file (- for standard input) to the topic of its type, and wait until Kafka has it.

    The file is checked first, as `pipeline validate` does; where a line is bad, nothing is sent. A field `topic` may
    name the topic; it is not part of the event. occurred_at may be "now", or "-5m" for five minutes ago: then the
    event gets this time, and a new event_id if it has none, so that the file can be sent again and again.

    The key of a record is its person, so one person's events of a topic keep their order.
    """
    from pipeline.cli.event_lines import Report, read_events
    from pipeline.config.namespace import Mode
    from pipeline.operate.send import send_events

    report = Report()
    lines = read_events(file, report)
    if not lines:
        raise UserError("there is no line in it: nothing was sent")
    if report.bad and not unchecked:
        raise UserError(f"{report.bad:,} of {report.lines:,} lines would be refused: nothing was sent")
    if lost := [line.number for line in lines if line.topic is None]:
        raise UserError(f"nothing says to which topic line {lost[0]} goes: nothing was sent")
    namespace, sent = asyncio.run(send_events(settings, lines))
    print_table(
        ("topic", "partition", "offsets", "events"),
        (
            (
                namespace.topic(part.topic),
                str(part.partition),
                f"{part.first:,}" if part.first == part.last else f"{part.first:,} to {part.last:,}",
                ", ".join(f"{count:,} {name}" for name, count in part.types.items()),
            )
            for part in sent
        ),
    )
    count = "1 event is" if len(lines) == 1 else f"{len(lines):,} events are"
    click.echo(f"{count} in Kafka at {settings.kafka.bootstrap_servers}.")
    if namespace.mode is not Mode.LIVE:
        click.echo(f"Namespace {namespace.name} is {namespace.mode}: without clock records its time stands still.")
