"""The learner process: reads the examples, learns, and publishes snapshots with its own state in one transaction.

What is committed together moves together: the snapshots, the state of every head that has learned, and the position in
each partition of the examples. So after `kill -9` it goes on as if nothing had happened, each example learned once.

In which order the examples of several partitions are read is chance; each partition's own order is kept. Another run
over the same examples may therefore learn them in another order, and end with slightly other weights. Nothing depends
on that: what a head was scored with is in the log, and a replay of the log scores with it.

Beside the heads runs a part for the next item (`pipeline.learner.items`), with a producer and a position of its own.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

from pipeline.config.errors import UserError
from pipeline.config.namespace import EXAMPLES, ITEMS, MODELS, TOUCHES, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.acls import Process
from pipeline.kafka.clients import kafka_errors, reader, stop_consumer
from pipeline.kafka.counts import require_topics
from pipeline.kafka.permissions import require
from pipeline.kafka.topics import read_namespace
from pipeline.learner import items
from pipeline.learner.clients import lag, new_consumer, new_producer, read_on, write
from pipeline.learner.desk import Cadence, Desk
from pipeline.learner.kinds import AnySpec
from pipeline.learner.metrics import UNKNOWN, LearnerMetrics, NextItemMetrics
from pipeline.learner.records import FORMAT, Position, decode_pin, encode
from pipeline.learner.shelf import read_shelf
from pipeline.log.models import POSITION_KEY, pin_key
from pipeline.monitor.endpoint import exposed
from pipeline.monitor.health import Health
from pipeline.monitor.registry import process_registry
from pipeline.scoring.example import ExampleError, decode_example

logger = logging.getLogger(__name__)

POLL_RECORDS = 1_000
POLL_MS = 200
PACE = 0.25
"""Seconds between two transactions while examples wait: what is cut meanwhile goes into the next."""
POSITION_EVERY = 5.0
"""Seconds after which the position is written though no snapshot is due: nothing of what came could be learned."""
TRANSACTION_TIMEOUT_MS = 15_000


async def run_learner(
    settings: Settings,
    stop: asyncio.Event,
    heads: Mapping[str, AnySpec],
    cadence: Cadence = Cadence(),  # noqa: B008
) -> None:
    """Run until `stop` is set. Raises UserError where Kafka is missing, the namespace wrong, or another one runs."""
    await require(settings, Process.LEARNER)
    registry, health = process_registry(), Health(settings.metrics.stalled_after)
    with exposed(settings.metrics, "learner", registry, health):
        namespace = await read_namespace(settings)
        await require_topics(settings, namespace, (EXAMPLES, MODELS, TOUCHES, ITEMS))
        with kafka_errors(settings):
            heads_part = Learner(settings, namespace, LearnerMetrics(registry), heads, cadence)
            parts: tuple[Part, ...] = heads_part, items.ItemsLearner(settings, namespace, NextItemMetrics(registry))
            health.missing = lambda: [lack for part in parts for lack in part.missing()]
            try:
                for part in parts:
                    await part.start()
                await take_turns(parts, stop, health)
            except ProducerFenced as error:
                asyncio.get_running_loop().set_exception_handler(_leave_out_fenced)
                raise UserError(
                    f"another learner of namespace {namespace.name} has started, or this one stood still while it "
                    f"wrote (models for {TRANSACTION_TIMEOUT_MS // 1000} s, tables of the next item for "
                    f"{items.TRANSACTION_TIMEOUT_MS // 1000} s): run one"
                ) from error
            finally:
                for part in parts:
                    await part.close()


class Part(Protocol):
    """What learns one thing, on its own: the parts do not wait for each other."""

    async def start(self) -> None:
        """Fence whoever ran before, then go on from what is committed."""

    async def step(self) -> None:
        """Poll once, learn what came, publish what is due."""

    async def close(self) -> None:
        """Leave."""

    def missing(self) -> list[str]:
        """What is missing before it does its work."""


async def take_turns(parts: Collection[Part], stop: asyncio.Event, health: Health) -> None:
    """Let each part take its steps until `stop` is set, or one of them fails. The process is alive while all turn."""
    waiting = set(parts)

    async def turn(part: Part) -> None:
        while not stop.is_set():
            await part.step()
            waiting.discard(part)
            if not waiting:
                health.turned()
                waiting.update(parts)

    tasks = [asyncio.create_task(turn(part)) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _leave_out_fenced(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nobody asks the futures that aiokafka leaves behind. That we are fenced is told once, by us."""
    if not isinstance(context.get("exception"), ProducerFenced):
        loop.default_exception_handler(context)


class Learner:
    """The one learner of a namespace: whoever starts last has it, the one before is fenced."""

    def __init__(
        self,
        settings: Settings,
        namespace: Namespace,
        metrics: LearnerMetrics,
        heads: Mapping[str, AnySpec],
        cadence: Cadence,
    ) -> None:
        self._settings = settings
        self._namespace = namespace
        self._metrics = metrics
        self._heads = heads
        self._cadence = cadence
        self._models = TopicPartition(namespace.topic(MODELS), 0)
        self._examples = [TopicPartition(namespace.topic(EXAMPLES), p) for p in range(namespace.partitions)]
        self._offsets: dict[int, int] = {}
        self._desks: dict[str, Desk] = {}
        self._pins = {pin_key(head): head for head in heads}
        self._committed: dict[int, int] = {}
        self._published = 0.0
        self._producer = new_producer(settings, namespace, "learner", TRANSACTION_TIMEOUT_MS)
        self._consumer = new_consumer(settings, namespace, "learner")

    async def start(self) -> None:
        """Fence whoever ran before, then go on from what is committed."""
        await self._producer.start()
        await self._consumer.start()
        async with reader(self._settings) as consumer:
            shelf, end = await read_shelf(consumer, self._namespace)
        for name, spec in self._heads.items():
            self._desks[name] = desk = Desk(spec, shelf.head(name), shelf.checkpoint(name), self._cadence)
            self._metrics.stands(desk)
        self._consumer.assign([self._models, *self._examples])
        self._consumer.seek(self._models, end)
        position = shelf.position()
        offsets = None if position is None else position.offsets
        self._offsets = await read_on(self._consumer, self._examples, offsets, self._expired)
        self._committed = dict(self._offsets)
        for tp in self._examples:
            self._metrics.lag(tp.partition, lambda tp=tp: lag(self._consumer, tp, self._offsets[tp.partition]))  # type: ignore[misc]
        trained = ", ".join(f"{desk.name} {desk.trained:,}" for desk in self._desks.values()) or "no head"
        logger.info("learner of namespace %s is ready; examples learned: %s", self._namespace.name, trained)

    def missing(self) -> list[str]:
        """What is missing before this process does its work."""
        return [] if self._offsets else ["it has not read what it had learned"]

    async def close(self) -> None:
        """Leave. What is not committed is read again."""
        await stop_consumer(self._consumer)
        await self._producer.stop()

    async def step(self) -> None:
        """Poll once, learn what came, publish what is due. Raises UserError, and what aiokafka raises."""
        polled = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        for tp in sorted(polled):
            if tp == self._models:
                self._told(polled[tp])
                continue
            for record in polled[tp]:
                self._learn(record.value)
        for tp in self._examples:  # past the marks of transactions, too
            self._offsets[tp.partition] = await self._consumer.position(tp)
        for desk in self._desks.values():
            self._cut(desk)
        waited = time.monotonic() - self._published
        due = any(desk.due for desk in self._desks.values())
        if (due and waited >= PACE) or (self._offsets != self._committed and waited >= POSITION_EVERY):
            await self._publish()

    def _learn(self, value: bytes | None) -> None:
        try:
            example = decode_example(value or b"")
        except ExampleError:
            self._metrics.refused(UNKNOWN, "unreadable")
            return
        desk = self._desks.get(example.head)
        if desk is None:
            self._metrics.refused(UNKNOWN, "unknown_head")
            return
        self._metrics.example(example)
        if refused := desk.learn(example, time.monotonic()):
            self._metrics.refused(desk.name, refused)
        else:
            self._cut(desk)

    def _expired(self, examples: int) -> None:
        self._metrics.refused(UNKNOWN, "expired", examples)

    def _cut(self, desk: Desk) -> None:
        if refused := desk.cut_if_due(time.monotonic(), time.time_ns() // 1_000_000):
            self._metrics.refused(desk.name, f"snapshot_{refused}")

    def _told(self, records: list[Any]) -> None:
        """An operator's pins. All else in the topic is ours, or comes with a pin."""
        for record in records:
            if record.key in self._pins:
                version = 0 if record.value is None else decode_pin(record.value).version
                self._desks[self._pins[record.key]].pinned(version)

    async def _publish(self) -> None:
        """Write all that was done since the last time in one transaction."""
        entries = [entry for desk in self._desks.values() for entry in desk.entries()]
        entries.append((POSITION_KEY, encode(Position(FORMAT, self._offsets))))
        await write(self._producer, self._models.topic, entries)
        self._committed = dict(self._offsets)
        for desk in self._desks.values():
            desk.committed()
            self._metrics.stands(desk)
        self._published = time.monotonic()
