"""How fast a worker with an empty folder gets its state back."""

import re
from functools import partial
from pathlib import Path

from bench import kafka
from bench.place import PARTITIONS, Place
from bench.processes import Child
from bench.report import figure, say
from pipeline.config.namespace import Namespace

_LINE = re.compile(r"(\d+):(\d+):([\d,]+) .*: (\d+) rows restored in ([\d.]+) s")


async def measure(place: Place, namespace: Namespace, folder: Path) -> None:
    """Print rows/s over all partitions, which one process restores at the same time."""
    with place.worker(folder / "restored") as worker:
        await worker.until(partial(_restored, worker))
        await worker.until(partial(kafka.folded, place.settings, namespace))
    spans = []
    rows = 0
    for hours, minutes, seconds, number, took in _LINE.findall(worker.output()):
        ended = int(hours) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
        spans.append((ended - float(took), ended))
        rows += int(number)
    elapsed = max(ended for _, ended in spans) - min(began for began, _ in spans)
    say(f"restore: {rows:,} rows in {elapsed:.2f} s")
    figure("restore.rows", rows / elapsed, "rows/s")


async def _restored(worker: Child) -> bool:
    return len(_LINE.findall(worker.output())) >= PARTITIONS
