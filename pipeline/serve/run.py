"""The process: a member of the group that keeps the view as the changelog and the trigger topics say."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from pipeline.config.errors import UserError
from pipeline.config.namespace import CHANGELOG, TRIGGER_KINDS, Namespace, trigger_topic
from pipeline.config.settings import Settings
from pipeline.kafka.acls import Process
from pipeline.kafka.clients import connection, kafka_errors, reader, stop_consumer
from pipeline.kafka.counts import require_topics
from pipeline.kafka.permissions import require
from pipeline.kafka.ranges import know
from pipeline.kafka.topics import CHANGELOG_DELETE_RETENTION_MS, read_namespace
from pipeline.monitor.endpoint import exposed
from pipeline.monitor.health import Health
from pipeline.monitor.registry import process_registry
from pipeline.serve.metrics import ViewMetrics
from pipeline.serve.models import models_below, newer
from pipeline.serve.rebuild import rebuild_profiles
from pipeline.serve.rows import rows_of
from pipeline.serve.view import BEGINNING, Answer, Batch, Outcome, Stand, StoppedError, View, open_view
from pipeline.view.scores import Models

logger = logging.getLogger(__name__)

TOPICS = (CHANGELOG, *map(trigger_topic, TRIGGER_KINDS))
"""What the view is made of."""

BEAT_SECONDS = 0.5
"""How often positions are written though nothing came: that is how lost rows are found, and what lag is 0 by."""

COMMIT_SECONDS = 2.0

POLL_RECORDS = 2_000
BATCH_RECORDS = 500
"""Rows that Redis writes at once: a few milliseconds, for which its readers wait."""

POLL_MS = 200
FETCH_WAIT_MS = 25
FRESH_MS = 5_000
"""How old the broker's last word may be for a partition to count as read to its end."""

MISSED_MS = CHANGELOG_DELETE_RETENTION_MS // 2
"""A partition not known to be read for this long may have missed a deletion that compaction has dropped since."""


def serve_group(namespace: Namespace) -> str:
    """The group whose members share the partitions of the view."""
    return f"{namespace.name}-serve"


async def run_serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Raises UserError where Kafka or Redis is missing at the start, or not what it was."""
    await require(settings, Process.SERVE)
    registry, health = process_registry(), Health(settings.metrics.stalled_after)
    with exposed(settings.metrics, "serve", registry, health):
        namespace = await read_namespace(settings)
        await require_topics(settings, namespace, TOPICS)
        async with open_view(settings.redis, namespace, stop, waiting=health.turned) as view:
            with kafka_errors(settings):
                serve = Serve(settings, namespace, view, ViewMetrics(registry))
                health.missing = serve.missing
                try:
                    await serve.start()
                    while not stop.is_set():
                        await serve.step()
                        health.turned()
                except StoppedError:
                    pass
                finally:
                    await serve.close()


class _Known(NamedTuple):
    """The snapshots that a partition of the changelog has below an offset."""

    models: Models
    below: int


@dataclass
class _Place:
    """Where a partition stands here. `read` is its next offset, `start` the text from which on Redis has no gap.

    Times are epoch milliseconds: `current` as Redis keeps it, `newest` of the newest row or the last known end.
    Of the changelog `known` are the snapshots to score with: further ones come with what is read.
    """

    start: str
    read: int
    current: int
    newest: int
    known: _Known
    at_end: bool = False

    def lag(self) -> float:
        return 0.0 if self.at_end and _now() - self.newest < FRESH_MS else max(0.0, (_now() - self.newest) / 1000)


class Serve(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One member of the group. Redis knows how far it has each partition; what is committed is a hint for tools."""

    def __init__(self, settings: Settings, namespace: Namespace, view: View, metrics: ViewMetrics) -> None:
        self._settings = settings
        self._namespace = namespace
        self._view = view
        self._metrics = metrics
        self._lacking = -1
        self._places: dict[TopicPartition, _Place] = {}
        self._topics = {namespace.topic(topic): topic for topic in TOPICS}
        self._beaten = self._committed = 0.0
        self._rebuild: asyncio.Task[None] | None = None
        self._search: asyncio.Task[dict[TopicPartition, _Known]] | None = None
        self._consumer = AIOKafkaConsumer(
            **connection(settings.kafka),
            group_id=serve_group(namespace),
            client_id=serve_group(namespace),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            max_partition_fetch_bytes=2 * 1024 * 1024,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )

    async def start(self) -> None:
        """Join the group."""
        self._consumer.subscribe(list(self._topics), listener=self)
        await self._consumer.start()
        logger.info("serve of namespace %s is ready: Redis at %s", self._namespace.name, self._view.place)

    def missing(self) -> list[str]:
        """What is missing before Redis can be believed, a sentence each. May be called from another thread."""
        if self._lacking < 0:
            return ["it has not joined the group yet"]
        found = [f"{self._lacking} partitions are still being read"] if self._lacking else []
        return [*found, *([] if self._view.away_since is None else [f"Redis at {self._view.place} is away"])]

    async def close(self) -> None:
        """Leave. All that Redis has acknowledged stands there with its position."""
        for task in (self._rebuild, self._search):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await stop_consumer(self._consumer)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget them: a batch on its way to Redis does no harm there."""
        self._forget(list(revoked))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Ask Redis anew where they stand, before the next batch."""
        assigned = list(assigned)
        self._forget(assigned)
        if self._search is not None:  # others may have gone on with these partitions meanwhile
            self._search.cancel()
            self._search = None
        self._lacking = len(assigned)

    async def step(self) -> None:
        """Poll once and write what came; now and then, write how far all is read. Raises UserError, StoppedError."""
        await self._find_places()
        polled = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        placed = {tp: (place, records) for tp, records in polled.items() if (place := self._places.get(tp)) is not None}
        if placed:
            await self._write(placed)
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            self._beaten = time.monotonic()
            await self._beat()
            await self._rebuild_what_is_due()
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._committed = time.monotonic()
            await self._commit()

    async def _find_places(self) -> None:
        """Read on where Redis stands, or from the beginning where it has nothing of a partition."""
        lacking = [tp for tp in self._consumer.assignment() if tp not in self._places]
        if not lacking:
            return
        known = await self._find_models(lacking)
        lacking = [tp for tp in lacking if tp in known]
        if not lacking:
            return
        stands = await self._view.when_there(self._view.stands)
        try:
            begins = await self._consumer.beginning_offsets(lacking)
            ends = await self._consumer.end_offsets(lacking)
            for tp in lacking:
                place = self._place(tp, stands.get(self._field(tp)), begins[tp], ends[tp], known[tp])
                self._consumer.seek(tp, place.read)
                self._consumer.resume(tp)
                self._places[tp] = place
                self._metrics.lag(self._topics[tp.topic], tp.partition, place.lag)
        except IllegalStateError:  # a rebalance took one meanwhile; the next step looks again
            return

    async def _find_models(self, lacking: list[TopicPartition]) -> dict[TopicPartition, _Known]:
        """The snapshots of some partitions. What is not found at once is searched beside the reading of the others."""
        search = self._search
        if search is None:
            self._consumer.pause(*lacking)
            search = self._search = asyncio.create_task(self._models_of(lacking))
        await asyncio.wait([search], timeout=POLL_MS / 1000)
        if not search.done() or search is not self._search:
            return {}
        self._search = None
        return await search

    async def _models_of(self, partitions: list[TopicPartition]) -> dict[TopicPartition, _Known]:
        found = {tp: _Known({}, 0) for tp in partitions}
        async with reader(self._settings) as consumer:
            changelog = [tp for tp in partitions if self._topics[tp.topic] == CHANGELOG]
            know(consumer, changelog)
            for tp, end in (await consumer.end_offsets(changelog)).items():
                found[tp] = _Known(await models_below(consumer, tp, end), end)
        return found

    def _place(self, tp: TopicPartition, stand: Stand | None, begin: int, end: int, known: _Known) -> _Place:
        now = _now()
        if stand is None:  # an empty Redis misses nothing that is gone, so all is current that is read from now on
            return _Place(BEGINNING, begin, now, now, known)
        if stand.epoch < self._namespace.epoch:
            return _Place(BEGINNING, begin, 0, now, known)
        if stand.epoch == self._namespace.epoch and stand.offset <= end:
            current = stand.current if stand.offset >= begin else 0
            return _Place(self._view.position(stand.offset), max(stand.offset, begin), current, current or now, known)
        raise UserError(
            f"Redis at {self._view.place} has read {self._field(tp)} further than it goes: the topics were made anew, "
            "or this Redis belongs to another Kafka. Empty its database with FLUSHDB and start again"
        )

    async def _write(self, placed: dict[TopicPartition, tuple[_Place, list[Any]]]) -> None:
        batches: list[Batch] = []
        of: list[tuple[TopicPartition, _Place, int, int, int]] = []
        for tp, (place, records) in placed.items():
            topic, start = self._topics[tp.topic], place.start
            if topic == CHANGELOG:
                below = place.known.below
                place.known = _Known(newer(place.known.models, (r for r in records if r.offset >= below)), below)
            for i in range(0, len(records), BATCH_RECORDS):
                some = records[i : i + BATCH_RECORDS]
                rows = rows_of(topic, self._namespace.name, self._namespace.epoch, some, place.known.models)
                read = some[-1].offset + 1
                end = self._view.position(read)
                batches.append(Batch(self._field(tp), start, end, place.current, rows))
                of.append((tp, place, read, some[-1].timestamp, len(some) - len(rows)))
                start = end
        answers = await self._view.when_there(lambda: self._view.write(batches))
        for (tp, place, read, newest, ignored), answer in zip(of, answers, strict=True):
            self._metrics.rows(self._topics[tp.topic], answer.written, answer.older, ignored)
            self._moved(tp, place, read, answer)
            place.at_end, place.newest = False, newest

    def _moved(self, tp: TopicPartition, place: _Place, read: int, answer: Answer) -> None:
        if answer.outcome is Outcome.WRITTEN:
            place.start, place.read = self._view.position(read), read
        elif self._places.get(tp) is place:
            if answer.outcome is Outcome.GAP:
                logger.warning("Redis has lost rows of %s: read again from where it stands", self._field(tp))
                self._metrics.refill()
            self._forget([tp])

    async def _beat(self) -> None:
        """Write how far each partition is read, past the marks of transactions, and see which is read to its end."""
        places, batches, reads = [], [], []
        for tp, place in list(self._places.items()):
            try:
                read = await self._consumer.position(tp)
                end, told = self._consumer.last_stable_offset(tp), self._consumer.last_poll_timestamp(tp)
            except (IllegalStateError, AssertionError):  # a rebalance took it meanwhile
                continue
            place.at_end = end is not None and read >= end and told is not None and told > _now() - FRESH_MS
            if place.at_end:
                place.newest = told
                if not self._missed(tp, place):
                    place.current = told
            places.append((tp, place))
            reads.append(read)
            batches.append(Batch(self._field(tp), place.start, self._view.position(read), place.current, ()))
        if batches:
            self._lacking = len(self._consumer.assignment()) - sum(place.at_end for _, place in places)
        answers = await self._view.when_there(lambda: self._view.write(batches))
        self._metrics.reconnects(self._view.returns)
        for (tp, place), read, answer in zip(places, reads, answers, strict=True):
            self._moved(tp, place, read, answer)

    def _missed(self, tp: TopicPartition, place: _Place) -> bool:
        return self._topics[tp.topic] == CHANGELOG and _now() - place.current > MISSED_MS

    async def _rebuild_what_is_due(self) -> None:
        """Where deletions may have been missed, find what the changelog does not have any more, beside the reading."""
        if self._rebuild is not None:
            if self._rebuild.done():
                finished, self._rebuild = self._rebuild, None
                await finished
            return
        due = {tp: place for tp, place in self._places.items() if place.at_end and self._missed(tp, place)}
        if due:
            logger.info("%d partitions were not read for long, or the changelog is a new one: rebuilding", len(due))
            self._metrics.rebuild()
            self._rebuild = asyncio.create_task(self._rebuild_these(due))

    async def _rebuild_these(self, due: dict[TopicPartition, _Place]) -> None:
        began = _now()
        rebuilt = await rebuild_profiles(self._settings, self._namespace, self._view, {tp.partition for tp in due})
        for place in due.values():
            place.current = began
        logger.info("rebuilt: %d rows written, %d profiles removed", rebuilt.written, rebuilt.removed)

    async def _commit(self) -> None:
        """For tools that look at groups; our own position is in Redis."""
        offsets = {tp: place.read for tp, place in self._places.items()}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            logger.debug("offsets not committed: the group is rebalancing")
        except KafkaError as error:
            if not error.retriable:
                raise
            logger.warning("offsets not committed, tried again: %s", type(error).__name__)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        for tp in partitions:
            if self._places.pop(tp, None) is not None:
                self._metrics.forget(self._topics[tp.topic], tp.partition)

    def _field(self, tp: TopicPartition) -> str:
        return f"{self._topics[tp.topic]}-{tp.partition}"


def _now() -> int:
    return time.time_ns() // 1_000_000
