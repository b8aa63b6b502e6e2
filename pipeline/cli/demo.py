"""`pipeline demo`: the whole pipeline on this machine, on a simulated shop or a real log, and the proof at the end."""

import asyncio
import time
from pathlib import Path

import click
from rich.live import Live

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import console
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings

STREAM_SECONDS = 30.0
SESSIONS = 20_000


@click.command(epilog=example("pipeline demo", "pipeline demo --data 2019-Oct.csv.gz"))
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A real log in the shape of REES46, Taobao UserBehavior or Retailrocket, instead of the simulated shop.",
)
@pass_settings
def demo(settings: Settings, data: Path | None) -> None:
    """Run the whole pipeline on this machine: Kafka, ingest, worker. Stream a shop through it, and prove the result.

    It uses folders and ports of its own, and stops all that it started.
    """
    from pipeline.cli.verify import print_report
    from pipeline.cli.why import print_story
    from pipeline.config.namespace import Mode
    from pipeline.demo.place import FOLDER, LOG_CURRENCY, demo_settings
    from pipeline.demo.screen import screen
    from pipeline.demo.stream import stream
    from pipeline.demo.tally import Tally
    from pipeline.explain.story import tell
    from pipeline.log.persons import customer_key
    from pipeline.operate.supervise import running
    from pipeline.replay.datasets import CONSENT_SHARE, read_dataset
    from pipeline.replay.history import simulated
    from pipeline.replay.truth import write_truth
    from pipeline.simulator.parameters import SimulatedShop
    from pipeline.verify.run import verify

    began = time.monotonic()
    out = console()
    shop = SimulatedShop(sessions=SESSIONS)
    if data is None:
        history = simulated(shop)
        ours = demo_settings(settings, history.name, "EUR")
        lines = write_truth(shop, FOLDER / "truth.jsonl")
        out.print(f"A simulated shop: {history.span.events:,} events of about a week, {SESSIONS:,} visits.")
        out.print(f"Its hidden truth, {lines:,} lines, is in {FOLDER / 'truth.jsonl'}.")
    else:
        history = read_dataset(data)
        ours = demo_settings(settings, history.name, LOG_CURRENCY)
        out.print(f"A real log of the shape {history.name}: {history.span.events:,} events.")
        out.print(f"It knows no consents: {CONSENT_SHARE:.0%} of its customers get a synthetic one to email.")
        if history.skipped:
            out.print(f"{len(history.skipped):,} lines could not be read and are left out.")
    out.print("Starting Kafka, ingest and worker …")
    with running(ours, Mode.REPLAY) as system:
        with Live(console=out, auto_refresh=False) as live:

            def show(tally: Tally, seconds: float) -> None:
                if out.is_terminal:
                    live.update(screen(tally, history.span.events, seconds), refresh=True)

            tally, summary = asyncio.run(stream(system.settings, history, STREAM_SECONDS, show))
            live.update(screen(tally, sum(summary.events.values()), summary.seconds), refresh=True)
        if (person := tally.story()) is not None:
            site, customer = person
            out.print(f"\nOne customer's story (pipeline why {site} {customer}):\n")
            print_story(asyncio.run(tell(system.settings, customer_key(site, customer))))
        out.print("\nThe proof (pipeline verify):\n")
        report = asyncio.run(verify(system.settings))
        print_report(report)
    out.print(f"\nAll stopped. {time.monotonic() - began:.0f} s in all.")
    if not report.clean:
        raise UserError(f"{report.differences:,} differences between the log and what stands in the topics")
