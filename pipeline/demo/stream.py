"""Stream a history into a running pipeline, watch what comes out, and know when all of it is decided."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import DECISIONS, EXAMPLES, LOG, MODELS, trigger_topic
from pipeline.config.settings import Settings
from pipeline.demo.keep_pace import InStep
from pipeline.demo.tally import Tally
from pipeline.kafka.clients import connection, stop_consumer
from pipeline.kafka.topics import read_namespace
from pipeline.learner.records import decode_position
from pipeline.log.models import POSITION_KEY
from pipeline.operate.status import read_status
from pipeline.replay.history import History
from pipeline.replay.publish import Summary, publish
from pipeline.triggers.contract import Kind

Show = Callable[[Tally, float], None]
"""Told the tally and the seconds so far, several times a second."""

REFRESH = 0.25
LOOK = 1.0
"""Seconds between two looks at how far the pipeline is."""
PATIENCE = 60.0
"""Seconds to wait for the last decision after the last event."""
HELD_AT_MOST = 60.0
"""Seconds that the stream waits in all for a pipeline that does not keep up."""


async def stream(settings: Settings, history: History, seconds: float, show: Show) -> tuple[Tally, Summary]:
    """Stream `history` in about `seconds`, and return when every partition's clock stands at its end.

    It takes longer where the pipeline does not keep up: models that come when all is over time nothing. Raises
    UserError where the pipeline does not get there in time.
    """
    tally, started = Tally(), time.monotonic()
    pace = InStep(history.span.events / seconds, HELD_AT_MOST)

    async def refresh() -> None:
        while True:
            show(tally, time.monotonic() - started)
            await asyncio.sleep(REFRESH)

    over = asyncio.Event()
    following = asyncio.create_task(_follow(settings, pace, over))
    watching = [asyncio.create_task(_watch(settings, tally, pace)), asyncio.create_task(refresh())]
    try:
        summary = await publish(settings, history, pace=pace)
        await _settled(settings, summary.clock_ms)
        await asyncio.sleep(2 * REFRESH)
        show(tally, time.monotonic() - started)
    finally:
        over.set()
        for task in watching:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*watching)
        await following
    return tally, summary


async def _follow(settings: Settings, pace: InStep, over: asyncio.Event) -> None:
    """Tell the pace up to which time all is decided, until it is `over`."""
    while not over.is_set():
        status = await read_status(settings)
        pace.decided(min(partition.clock or 0 for partition in status.partitions))
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), LOOK)


async def _watch(settings: Settings, tally: Tally, pace: InStep) -> None:
    """Count what is in the log, what was decided and committed, and what the learner has left to learn."""
    namespace = await read_namespace(settings)
    log, decisions, models = namespace.topic(LOG), namespace.topic(DECISIONS), namespace.topic(MODELS)
    partitions = range(namespace.partitions)
    counted = (log, decisions, *(namespace.topic(trigger_topic(kind)) for kind in Kind))
    examples = [TopicPartition(namespace.topic(EXAMPLES), p) for p in partitions]
    learned: dict[int, int] = {}
    consumer = AIOKafkaConsumer(
        **connection(settings.kafka), isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(
            [TopicPartition(models, 0), *(TopicPartition(topic, p) for topic in counted for p in partitions)]
        )
        await consumer.seek_to_beginning()
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    if tp.topic == log:
                        tally.frame(tp.partition, record.value)
                    elif tp.topic == decisions:
                        tally.decision(record.value)
                    elif tp.topic != models:
                        tally.trigger(record.value)
                    elif record.key == POSITION_KEY:
                        learned = decode_position(record.value).offsets
            ends = await consumer.end_offsets(examples)
            pace.unlearned(sum(end - learned.get(tp.partition, 0) for tp, end in ends.items()))
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
