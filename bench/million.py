"""A million customers: what they take on disk and in memory, and how long a worker needs to get them back."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import kafka, restoring, sizes
from bench.events import HOUR, SKEWED, Crowd, Sent, stream
from bench.place import Place
from bench.report import figure, say
from pipeline.config.namespace import Mode

PEOPLE = 1_000_000
MEGABYTE = 1_000_000


async def measure(place: Place, folder: Path) -> None:
    """Print bytes of the stored values, of the worker's folder and of its memory, and the time of a restore."""
    namespace = await place.create(Mode.LIVE)
    settings, now = place.settings, time.time_ns() // MEGABYTE
    started = time.monotonic()
    await kafka.load(settings, _everybody(now), namespace.name + ".", namespace.partitions)
    say(f"million: events of {PEOPLE:,} people written in {time.monotonic() - started:.0f} s")
    with place.ingest() as ingest:
        await ingest.until(partial(kafka.ingested, settings, namespace))
    data = folder / "million"
    with place.worker(data) as worker:
        await worker.until(partial(kafka.folded, settings, namespace))
        figure("million.rss_after_folding", worker.resident() / MEGABYTE, "MB")
    await sizes.measure(place, namespace, "million")
    figure("million.disk", sum(f.stat().st_size for f in data.rglob("*") if f.is_file()) / MEGABYTE, "MB")
    await restoring.measure(place, namespace, folder, "million")


def _everybody(now: int) -> Iterator[Sent]:
    """Each person once, then as many events of those who come often."""
    yield from stream(PEOPLE, Crowd(PEOPLE, None), now - HOUR, now - HOUR // 2)
    yield from stream(PEOPLE // 2, SKEWED, now - HOUR // 2, now, seed=8)
