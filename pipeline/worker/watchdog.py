"""A watchdog: consumers can stop reading one partition in silence, and a process that stands still helps nobody."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.worker.metrics import WorkerMetrics
from pipeline.worker.store import CustomerStore

EVERY = 2.0
"""Seconds between two looks."""


async def watch(
    store: CustomerStore, connection: dict[str, Any], stall: float, metrics: WorkerMetrics, fatal: Callable[[str], None]
) -> None:
    """Call `fatal` when a restored partition lags and has stood still for `stall` seconds.

    The log's end is asked for on a connection of its own: one that the Faust consumer shares may be what hangs.
    """
    consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False)
    await consumer.start()
    moved: dict[int, tuple[int, float]] = {}
    try:
        while True:
            await asyncio.sleep(EVERY)
            ready = {p: runner for p, runner in store.runners.items() if runner.ready}
            ends = await _ends(consumer, [TopicPartition(store.log_topic, p) for p in ready])
            now = time.monotonic()
            moved = {p: moved.get(p, (-1, now)) for p in ready}
            for partition, runner in ready.items():
                end = ends.get(partition, runner.position)
                metrics.lag(partition, max(0, end - runner.position))
                position, since = moved[partition]
                if runner.position != position or end <= runner.position:
                    moved[partition] = (runner.position, now)
                elif now - since > stall:
                    fatal(f"partition {partition} stands still at {position}, the log ends at {end}")
                    return
    finally:
        await consumer.stop()


async def _ends(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> dict[int, int]:
    """Ends of the log; nothing where the brokers do not answer, which is not the partition's fault."""
    try:
        ends = await consumer.end_offsets(partitions) if partitions else {}
    except KafkaError:
        return {}
    return {tp.partition: end for tp, end in ends.items()}
