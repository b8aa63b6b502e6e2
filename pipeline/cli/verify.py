"""`pipeline verify`: judge a namespace, while it runs or not."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings

if TYPE_CHECKING:
    from pipeline.verify.report import Report


@click.command(
    short_help="Prove that nothing was lost, doubled or changed.",
    epilog=example("pipeline verify --namespace live", "pipeline verify --keep /var/lib/pipeline/verify"),
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the fold here and go on from it the next time: faster, and right where retention has cut the log.",
)
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.prom",
    help="Write the number of differences here, for node_exporter's textfile collector.",
)
@pass_settings
def verify(settings: Settings, keep: Path | None, textfile: Path | None) -> None:
    """Prove that nothing was lost, doubled or changed; exit code 1 where something was.

    Every record that ingest has committed must be in the log, in rejects or in echo. The log, folded anew up to each
    partition's position, must give exactly the triggers, decisions and rejects that stand in the topics, and the same
    state. The system may run meanwhile. Everything large is on disk, in the folder of TMPDIR.
    """
    from pipeline.verify.run import verify as judge
    from pipeline.verify.textfile import require_writable, write_textfile

    if textfile is not None:
        require_writable(textfile)
    with Console(stderr=True).status("Reading the namespace") as status:
        report = asyncio.run(judge(settings, keep, lambda at: status.update(f"Judging {at}")))
    print_report(report)
    if textfile is not None:
        write_textfile(report, settings.namespace.name, textfile)
    if report.earlier:
        click.echo(f"Earlier runs that are kept in {keep} found {report.earlier:,} differences.")
    if not report.clean:
        raise UserError(f"{report.differences + report.earlier:,} differences in namespace {settings.namespace.name}")
    click.echo(f"As far as ingest has read it, namespace {settings.namespace.name} is exactly what its log says.")


def print_report(report: "Report") -> None:
    """Print the counts of each part, and the first differences."""
    from pipeline.verify.report import Finding

    print_table(
        ("", "equal", *Finding, "not judged", "newer"),
        (
            (
                part.name,
                f"{part.equal:,}",
                *(f"{part.found[finding]:,}" for finding in Finding),
                f"{part.not_judged:,}",
                f"{part.beyond:,}",
            )
            for part in report.parts.values()
        ),
    )
    for difference in report.first():
        click.echo(difference)
    click.echo(
        f"{report.events:,} events in {report.frames:,} frames folded in {report.seconds:.1f} s "
        f"({report.events / max(report.seconds, 1e-3):,.0f} events/s)."
    )
