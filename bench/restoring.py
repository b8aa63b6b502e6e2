"""How fast a worker with an empty folder gets its state back."""

import re
from functools import partial
from pathlib import Path

from bench import kafka
from bench.place import PARTITIONS, Place
from bench.processes import Measured
from bench.report import figure, say
from pipeline.config.namespace import Namespace

_LINE = re.compile(r"(\d+):(\d+):([\d,]+) .*: (\d+) rows restored in ([\d.]+) s")


async def measure(place: Place, namespace: Namespace, folder: Path, label: str) -> None:
    """Print rows/s over all partitions, which one process restores at the same time, and its memory then."""
    with place.worker(folder / f"restored-{label}") as worker:
        await worker.until(partial(_restored, worker))
        await worker.until(partial(kafka.folded, place.settings, namespace))
        figure(f"restore.{label}.rss", worker.resident() / 1e6, "MB")
    spans = []
    rows = 0
    for hours, minutes, seconds, number, took in _LINE.findall(worker.output()):
        ended = int(hours) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
        spans.append((ended - float(took), ended))
        rows += int(number)
    elapsed = max(ended for _, ended in spans) - min(began for began, _ in spans)
    say(f"restore: {rows:,} rows in {elapsed:.2f} s")
    figure(f"restore.{label}.seconds", elapsed, "s")
    figure(f"restore.{label}.rows", rows / elapsed, "rows/s")


async def _restored(worker: Measured) -> bool:
    return len(_LINE.findall(worker.output())) >= PARTITIONS
