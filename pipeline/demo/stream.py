"""Stream a history into a running pipeline, watch what comes out, and know when all of it is decided."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import DECISIONS, LOG
from pipeline.config.settings import Settings
from pipeline.demo.tally import Tally
from pipeline.kafka.clients import connection, stop_consumer
from pipeline.kafka.topics import read_namespace
from pipeline.operate.status import read_status
from pipeline.replay.history import History
from pipeline.replay.pace import Evenly
from pipeline.replay.publish import Summary, publish

Show = Callable[[Tally, float], None]
"""Told the tally and the seconds so far, several times a second."""

REFRESH = 0.25
PATIENCE = 60.0
"""Seconds to wait for the last decision after the last event."""


async def stream(settings: Settings, history: History, seconds: float, show: Show) -> tuple[Tally, Summary]:
    """Stream `history` in about `seconds`, and return when every partition's clock stands at its end.

    Raises UserError where the pipeline does not get there in time.
    """
    tally, started = Tally(), time.monotonic()

    async def refresh() -> None:
        while True:
            show(tally, time.monotonic() - started)
            await asyncio.sleep(REFRESH)

    watching = [asyncio.create_task(_watch(settings, tally)), asyncio.create_task(refresh())]
    try:
        summary = await publish(settings, history, pace=Evenly(history.span.events / seconds))
        await _settled(settings, summary.clock_ms)
        await asyncio.sleep(2 * REFRESH)
        show(tally, time.monotonic() - started)
    finally:
        for task in watching:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*watching)
    return tally, summary


async def _watch(settings: Settings, tally: Tally) -> None:
    """Count what is in the log, and what was decided and committed."""
    namespace = await read_namespace(settings)
    log, decisions = namespace.topic(LOG), namespace.topic(DECISIONS)
    consumer = AIOKafkaConsumer(
        **connection(settings.kafka), isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, p) for topic in (log, decisions) for p in range(namespace.partitions)])
        await consumer.seek_to_beginning()
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    if tp.topic == log:
                        tally.frame(tp.partition, record.value)
                    else:
                        tally.decision(record.value)
    finally:
        await stop_consumer(consumer)


async def _settled(settings: Settings, clock: int) -> None:
    """Wait until every partition has decided all that is due at `clock`."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = await read_status(settings)
        if all(partition.clock == clock for partition in status.partitions):
            return
        await asyncio.sleep(REFRESH)
    raise UserError(f"the last decisions did not come within {PATIENCE:.0f} s: see the log above")
