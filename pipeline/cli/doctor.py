"""`pipeline doctor`: whether what a site publishes is what the pipeline needs."""

import asyncio

import click

from pipeline.cli.main import example, pass_settings
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings


@click.command(
    short_help="Judge what a site publishes.",
    epilog=example("pipeline doctor --site my-shop", "pipeline doctor --site my-shop --last 1000 --json"),
)
@click.option("--site", required=True, metavar="SITE", help="The site_id of its events.")
@click.option(
    "--last", type=click.IntRange(min=1), default=10_000, show_default=True, metavar="N", help="Of each partition."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document: counts, shares 0 to 1, milliseconds.")
@pass_settings
def doctor(settings: Settings, site: str, last: int, as_json: bool) -> None:
    """Judge a sample of a site's newest records: ids, consent, money, time, silent topics, rejects.

    Each check has its figure; where it is not ok, why it matters and what to do. Exit code 1 where one fails: then
    something will not work. It shows counts only, never who. A site has to be in the sample: of N records of each
    partition, whatever site they are of.
    """
    import msgspec

    from pipeline.operate.doctor import examine
    from pipeline.quality.finding import Level

    records, findings = asyncio.run(examine(settings, site, last))
    failed = sum(finding.level is Level.FAIL for finding in findings)
    warned = sum(finding.level is Level.WARN for finding in findings)
    if as_json:
        document = {"site": site, "namespace": settings.namespace.name, "records": records, "findings": findings}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            level, figure = finding.level.value, finding.figure
            if finding.level is Level.NONE:
                level, figure = "-", "the sample has nothing to judge"
            click.echo(f"{level:<4}  {finding.check:<{width}}  {figure}")
            if finding.level in (Level.WARN, Level.FAIL):
                click.echo(f"{'':{width + 8}}why: {finding.why}\n{'':{width + 8}}do:  {finding.remedy}")
        click.echo(f"{records:,} records of site {site}; failed checks: {failed}, warnings: {warned}.")
    if failed:
        raise UserError(f"failed checks of site {site}: {failed}")
