"""A watchdog: consumers can stop reading one partition in silence, and a process that stands still helps nobody."""

import asyncio
import time
from collections.abc import Callable

from aiokafka.errors import KafkaError

from pipeline.worker.bounds import LogBounds
from pipeline.worker.metrics import WorkerMetrics
from pipeline.worker.store import CustomerStore

EVERY = 2.0
"""Seconds between two looks."""


async def watch(
    store: CustomerStore, log: LogBounds, stall: float, metrics: WorkerMetrics, fatal: Callable[[str], None]
) -> None:
    """Call `fatal` when a restored partition lags and has stood still for `stall` seconds.

    Brokers that do not answer are not the partition's fault: then nothing is known, and nothing said.
    """
    moved: dict[int, tuple[int, float]] = {}
    try:
        while True:
            await asyncio.sleep(EVERY)
            ready = {p: runner for p, runner in store.runners.items() if runner.ready}
            try:
                ends = await log.ends(sorted(ready))
            except KafkaError:
                ends = {}
            now = time.monotonic()
            moved = {p: moved.get(p, (-1, now)) for p in ready}
            for partition, runner in ready.items():
                if store.runners.get(partition) is not runner:
                    continue  # it went to another worker meanwhile
                end = ends.get(partition, runner.position)
                metrics.lag(partition, max(0, end - runner.folded))
                position, since = moved[partition]
                if runner.position != position or end <= runner.position:
                    moved[partition] = (runner.position, now)
                elif now - since > stall:
                    fatal(f"partition {partition} stands still at {position}, the log ends at {end}")
                    return
    finally:
        await log.close()
