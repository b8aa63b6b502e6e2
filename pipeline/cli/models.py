"""`pipeline models`: what was learned, how well it does, and which version is served."""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings

if TYPE_CHECKING:
    from pipeline.learner.shelf import HeadShelf, Kept, Shelf

_COLUMNS = ("head", "version", "trained on", "loss", "of base rate", "AUC", "ECE", "age", "")


@click.group(
    short_help="Show what was learned, and choose the version that is served.",
    epilog=example("pipeline models list", "pipeline models show intent", "pipeline models rollback intent"),
)
def models() -> None:
    """Show what was learned, and choose the version that is served."""


@models.command("list", epilog=example("pipeline models list --namespace live"))
@pass_settings
def list_models(settings: Settings) -> None:
    """List the kept versions of each head, the newest first, and say which one is served.

    The loss is that of the last examples, each predicted before it was learned; beside it the loss of always saying
    the base rate. Workers refuse a version that does worse, and stay with the last good one: `refused: loss`. So they
    do where it is of other features, or what it holds makes no sense.
    """
    print_models(settings)


def print_models(settings: Settings) -> None:
    """The kept versions as a table."""
    shelf = _published(settings)
    rows = [row for head in shelf.heads() for row in _versions(head, shelf.head(head))]
    print_table(_COLUMNS, rows)
    if not shelf.heads():
        click.echo(f"Nothing was learned in namespace {settings.namespace.name} yet: is `pipeline learner` running?")
    elif not rows:
        click.echo(f"What was learned in namespace {settings.namespace.name} is not enough for a version yet.")


@models.command(epilog=example("pipeline models show intent", "pipeline models show intent --version 41 --top 20"))
@click.argument("head")
@click.option("--version", type=click.IntRange(min=1), help="A kept version. Without it: the served one.")
@click.option("--top", type=click.IntRange(min=1), default=12, show_default=True, metavar="N", help="So many features.")
@pass_settings
def show(settings: Settings, head: str, version: int | None, top: int) -> None:
    """Show one version of a HEAD: how well it does, and the features that move its score most, in words."""
    from pipeline.explain.words import moment
    from pipeline.heads.table import SPECS
    from pipeline.learner.words import strongest
    from pipeline.learning.heads import COUNTS

    shelf = _published(settings)
    found = _of(shelf, head)
    kept = found.served if version is None else found.kept.get(version)
    listed = ", ".join(map(str, sorted(found.kept))) or "none"
    if kept is None and version is None:
        lack = "what is served of it cannot be read" if found.damaged else "no version of it is served yet"
        raise UserError(f"{head}: {lack}; {listed} are kept, `--version` shows one of them")
    if kept is None:
        raise UserError(f"{head} has no such version: {listed} are kept, `pipeline models list` shows them")
    snapshot = kept.snapshot
    for name, value in (
        ("version", f"{snapshot.version}, published {moment(kept.published)} UTC{_remark(found, kept)}"),
        ("trained on", f"{snapshot.trained:,} examples, up to {moment(snapshot.at)} UTC of the log"),
        ("features", snapshot.spec),
        ("quality", f"over the last {snapshot.quality.examples:,} examples: {_quality(kept)}"),
        ("calibration", f"slope {snapshot.calibration[0]:.3f}, shift {snapshot.calibration[1]:+.3f}"),
        ("size", f"{len(kept.body):,} bytes; the learner's state {shelf.state_bytes(head):,}"),
    ):
        click.echo(f"{name:<12}{value}")
    spec = SPECS.get(head)
    if spec is None or spec.hash != snapshot.spec:
        click.echo("Its features are not those of this release: the words for them are not known here.")
        return
    click.echo()
    rows = ((one.words, f"x {one.times:.2f}", one.per) for one in strongest(spec, snapshot, top))
    changes = "the expected count changes with" if head in COUNTS else "the odds change with"
    print_table((changes, "by", "for each"), rows)


@models.command(epilog=example("pipeline models rollback intent", "pipeline models rollback intent --to 38"))
@click.argument("head")
@click.option(
    "--to", "version", type=click.IntRange(min=1), help="Without it: the last before that beats its base rate."
)
@pass_settings
def rollback(settings: Settings, head: str, version: int | None) -> None:
    """Serve an earlier version of HEAD, and no newer one until `pipeline models unpin HEAD`.

    It holds at once, whether the learner runs or not. The learner goes on learning, and keeps newer versions.
    """
    from pipeline.learner.pins import version_before

    _pin(settings, head, version or asyncio.run(version_before(settings, head)))


@models.command(epilog=example("pipeline models pin intent 38"))
@click.argument("head")
@click.argument("version", type=click.IntRange(min=1))
@pass_settings
def pin(settings: Settings, head: str, version: int) -> None:
    """Serve a kept VERSION of HEAD, and no other until `pipeline models unpin HEAD`. Not one that workers refuse."""
    _pin(settings, head, version)


@models.command(epilog=example("pipeline models unpin intent"))
@click.argument("head")
@pass_settings
def unpin(settings: Settings, head: str) -> None:
    """Serve the newest version of HEAD again. It is published by the learner, as soon as it runs."""
    from pipeline.learner.pins import unpin as end_pin

    asyncio.run(end_pin(settings, head))
    click.echo(f"{head} is no longer pinned: the learner publishes the newest version, at once where it runs.")


def _pin(settings: Settings, head: str, version: int) -> None:
    from pipeline.learner.pins import pin as pin_version

    asyncio.run(pin_version(settings, head, version))
    click.echo(f"Version {version} of {head} is served, and no other until `pipeline models unpin {head}`.")


def _published(settings: Settings) -> "Shelf":
    from pipeline.learner.pins import published

    return asyncio.run(published(settings))


def _of(shelf: "Shelf", head: str) -> "HeadShelf":
    from pipeline.learner.pins import head_of

    return head_of(shelf, head)


def _versions(head: str, found: "HeadShelf") -> Iterator[tuple[str, ...]]:
    from pipeline.explain.words import length

    kept = dict(found.kept)
    if found.served is not None:
        kept.setdefault(found.served.snapshot.version, found.served)
    now = time.time_ns() // 1_000_000
    for version in sorted(kept, reverse=True):
        one, quality = kept[version], kept[version].snapshot.quality
        yield (
            head,
            str(version),
            f"{one.snapshot.trained:,}",
            f"{quality.loss:.4f}",
            f"{quality.loss / quality.base_loss:.1%}" if quality.base_loss else "",
            "" if quality.auc is None else f"{quality.auc:.3f}",
            "" if quality.ece is None else f"{quality.ece:.3f}",
            length(max(0, now - one.published)),
            _remark(found, one).removeprefix(", "),
        )


def _remark(found: "HeadShelf", one: "Kept") -> str:
    from pipeline.heads.table import SPECS
    from pipeline.learner.shelf import refusal

    version, quality = one.snapshot.version, one.snapshot.quality
    remarks = []
    refused = refusal(one.snapshot, SPECS.get(one.snapshot.head))
    if refused is not None:
        remarks.append(f"refused: {refused.reason}")
    elif found.served is not None and found.served.snapshot.version == version:
        remarks.append("pinned" if found.pin == version else "served")
    if quality.drifting:
        remarks.append("drifting")
    return "".join(f", {remark}" for remark in remarks)


def _quality(one: "Kept") -> str:
    quality = one.snapshot.quality
    said = [f"loss {quality.loss:.4f}, of the base rate {quality.base_loss:.4f}"]
    said += [] if quality.auc is None else [f"AUC {quality.auc:.3f}"]
    said += [] if quality.ece is None else [f"calibration error {quality.ece:.3f}"]
    return ", ".join(said)
