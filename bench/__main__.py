"""`python -m bench`: everything in one run on a broker of its own; or, with `--only`, some of it."""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from bench import heads, latency, million, naive, next_item, restoring, sizes, throughput
from bench.events import SKEWED, UNIFORM
from bench.place import Place
from bench.report import figure, gates, say
from pipeline.engine.build import COMPILED
from pipeline.kafka.broker import start_broker
from pipeline.local.ports import free_port

PARTS = ("skewed", "uniform", "naive", "latency", "restore", "sizes", "million", "heads", "next_item")
FEWEST = 200_000
NAIVE_SHARE = 0.075
"""Plain Faust is too slow for all the events."""


def main() -> None:
    """Run and print; a figure that misses its gate is no error."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000, help="of each stream (default: %(default)s)")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be given again")
    arguments = parser.parse_args()
    if arguments.events < FEWEST:
        parser.error(f"--events {arguments.events}: of fewer than {FEWEST:,} the steady span is too short to judge")
    started = time.monotonic()
    figure("engine.compiled", COMPILED, "1 for yes")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with start_broker(Path(folder, "kafka"), free_port()) as broker:
            asyncio.run(_run(broker.bootstrap_servers, Path(folder), arguments.events, arguments.only or PARTS))
        gates()
    say(f"took {time.monotonic() - started:.0f} s")


async def _run(bootstrap: str, folder: Path, events: int, parts: tuple[str, ...]) -> None:
    names = ("skewed", "uniform", "latency", "simulated", "million")
    places = {name: Place(bootstrap, folder, f"bench-{name}") for name in names}
    if "skewed" in parts or "naive" in parts:
        skewed = await throughput.measure(places["skewed"], "skewed", SKEWED, events)
        if "sizes" in parts:
            await sizes.measure(places["skewed"], skewed, "skewed")
    if "naive" in parts:
        await naive.measure(places["skewed"], folder, int(events * NAIVE_SHARE))
    if "uniform" in parts or "restore" in parts:
        uniform = await throughput.measure(places["uniform"], "uniform", UNIFORM, events)
        if "restore" in parts:
            await restoring.measure(places["uniform"], uniform, folder, "uniform")
    if "sizes" in parts:
        await sizes.measure(places["simulated"], await sizes.simulate(places["simulated"]), "simulated")
    if "latency" in parts:
        await latency.measure(places["latency"])
    if "million" in parts:
        await million.measure(places["million"], folder)
    if "heads" in parts:
        heads.measure(events)
    if "next_item" in parts:
        next_item.measure(events // 4)


if __name__ == "__main__":
    main()
