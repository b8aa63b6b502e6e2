"""The ingest process: polls the shop topics, writes frames to the log, and only then commits what it has read.

Nothing here needs a transaction: a range that is written twice is dropped by the engine, by source offset. But a send
that fails ends the process before it commits.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from pipeline.config.errors import UserError
from pipeline.config.namespace import ECHO, ECHO_SOURCE, LOG, MODELS, REJECTS, SOURCES, Mode, Namespace
from pipeline.config.settings import Settings
from pipeline.ingest.framing import Framed, Framer
from pipeline.ingest.metrics import IngestMetrics
from pipeline.ingest.peers import PeerMarks
from pipeline.ingest.watermarks import Alignment, Progress, Watermarks
from pipeline.kafka.acls import Process
from pipeline.kafka.clients import connection, kafka_errors, stop_consumer
from pipeline.kafka.counts import require_topics
from pipeline.kafka.permissions import require
from pipeline.kafka.topics import read_namespace
from pipeline.log import rejects
from pipeline.log.frames import Beat, Mark, join
from pipeline.monitor.endpoint import exposed
from pipeline.monitor.health import Health
from pipeline.monitor.registry import process_registry

logger = logging.getLogger(__name__)

FETCH_WAIT_MS = 25
"""Longest that a broker holds back the answer to a fetch where nothing is new; a tick waits behind it for the ends."""

COMMIT_EVERY = 1.0
"""Seconds. What was read since the last commit is read again after a crash, and dropped by the engine."""


async def run_ingest(settings: Settings, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Raises UserError where Kafka is missing, the namespace wrong, or a source made anew."""
    await require(settings, Process.INGEST)
    registry, health = process_registry(), Health(settings.metrics.stalled_after)
    with exposed(settings.metrics, "ingest", registry, health):
        namespace = await read_namespace(settings)
        await require_topics(settings, namespace, (*SOURCES, LOG, REJECTS, ECHO))
        with kafka_errors(settings):
            ingest = Ingest(settings, namespace, IngestMetrics(registry))
            health.missing = ingest.missing
            try:
                await ingest.start()
                while not stop.is_set():
                    await ingest.step()
                    health.turned()
            finally:
                await ingest.close()


class Ingest(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One member of the group that reads the sources of a namespace."""

    def __init__(self, settings: Settings, namespace: Namespace, metrics: IngestMetrics) -> None:
        self._settings = settings.ingest
        self._namespace = namespace
        self._live = namespace.mode is Mode.LIVE
        self._ids = {
            TopicPartition(namespace.topic(source.topic), source.partition): number
            for number, source in enumerate(namespace.sources)
        }
        self._clocked = set(namespace.clocked())
        self._framer = Framer(namespace, version("live-customer-pipeline"), settings.ingest.reject_bytes)
        self._watermarks = Watermarks(settings.ingest.watermark_slack)
        self._alignment = Alignment(settings.ingest.alignment, settings.ingest.alignment_patience)
        self._metrics = metrics
        self._newest: dict[int, int] = {}
        self._beats: dict[str, Beat] = {}
        self._held_back: set[int] = set()
        self._written: dict[TopicPartition, int] = {}
        self._settled: dict[TopicPartition, int] = {}
        self._settled_models = 0
        self._ticked = self._committed = 0.0
        self._joined = self._has_ticked = False
        self._first: TopicPartition | None = None
        self._error: UserError | KafkaError | None = None
        arguments = connection(settings.kafka)
        self._peers = PeerMarks(arguments, namespace.topic(LOG))
        self._consumer = AIOKafkaConsumer(
            **arguments,
            group_id=f"{namespace.name}-ingest",
            client_id=f"{namespace.name}-ingest",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            max_partition_fetch_bytes=2 * 1024 * 1024,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        self._producer = AIOKafkaProducer(
            **arguments,
            client_id=f"{namespace.name}-ingest",
            acks="all",
            enable_idempotence=True,
            compression_type="snappy",
            max_batch_size=1024 * 1024,
            max_request_size=2 * 1024 * 1024,
            linger_ms=0,
        )

    async def start(self) -> None:
        """Join the group."""
        await self._producer.start()
        self._consumer.subscribe([self._namespace.topic(topic) for topic in SOURCES], listener=self)
        await self._consumer.start()
        logger.info("ingest of namespace %s (%s) is ready", self._namespace.name, self._namespace.mode.value)

    def missing(self) -> list[str]:
        """What is missing before this process does its work."""
        if not self._joined:
            return ["it has not joined its consumer group"]
        return [] if self._has_ticked else ["it has written no tick to the log"]

    async def close(self) -> None:
        """Commit what is in the log, and leave."""
        if self._error is None:
            await self._commit()
        await self._peers.leave()
        await stop_consumer(self._consumer)
        await self._producer.stop()

    async def step(self) -> None:
        """Poll once, write what came to the log, tick and commit when it is time. Raises UserError."""
        if self._error is not None:
            raise self._error
        sources = await self._eligible()
        wait = max(0.0, self._ticked + self._settings.tick_interval / 1000 - time.monotonic())
        if not sources:
            await asyncio.sleep(min(wait, 0.1))
            polled: dict[TopicPartition, list[Any]] = {}
        else:
            polled = await self._consumer.getmany(
                *sources, timeout_ms=int(wait * 1000), max_records=self._settings.max_poll_records
            )
        marks: list[Mark] = []
        if polled:
            marks = await self._write(polled)
        if marks or time.monotonic() - self._ticked >= self._settings.tick_interval / 1000:
            await self._tick(marks)
        if time.monotonic() - self._committed >= COMMIT_EVERY:
            await self._commit()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Commit before the partitions go to another process. A poll may be on its way to the log: not that one."""
        if revoked:
            await self._commit()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Check that the sources still are those that were read before. The error ends the process at its next step."""
        assigned = list(assigned)
        self._joined = True
        self._metrics.rebalanced()
        self._first = next((tp for tp in assigned if tp.topic.endswith(".pipeline.control")), None)
        self._watermarks.keep({self._ids[tp] for tp in assigned})
        self._settled_models = 0
        self._settled.clear()  # another process may have committed more since
        try:
            await self._check_sources(assigned)
        except (UserError, KafkaError) as error:  # aiokafka would log it and read on, unchecked
            self._error = error

    async def _check_sources(self, assigned: list[TopicPartition]) -> None:
        ends = await self._consumer.end_offsets(assigned)
        begins = await self._consumer.beginning_offsets(assigned)
        for tp in assigned:
            read = await self._consumer.committed(tp)
            if read is not None and read > ends[tp]:
                raise UserError(
                    f"{tp.topic}-{tp.partition} ends at {ends[tp]} but had been read to {read}: the topic was made "
                    f"anew. Check it, then run `pipeline topics reset-source {tp.topic} {tp.partition}`"
                )
            if read is None:
                self._settled[tp] = begins[tp]  # from now on we know what retention takes unread
            elif read < begins[tp]:
                raise UserError(
                    f"{tp.topic}-{tp.partition} begins at {begins[tp]} but had been read only to {read}: retention "
                    f"took {begins[tp] - read} records unread. Accept the loss with `pipeline topics reset-source "
                    f"{tp.topic} {tp.partition}`"
                )

    async def _eligible(self) -> list[TopicPartition]:
        """The sources to poll now: the control topic alone until it is read, then all that are not held back."""
        assigned = self._consumer.assignment()
        if self._first is not None:
            if self._first in assigned:
                end = (await self._consumer.end_offsets([self._first]))[self._first]
                if await self._consumer.position(self._first) < end:
                    return [self._first]
            self._first = None
        return [tp for tp in assigned if self._ids[tp] not in self._held_back]

    async def _write(self, polled: dict[TopicPartition, list[Any]]) -> list[Mark]:
        """Write a poll to the log and wait until all of it is acknowledged. Returns the watermarks of a replay."""
        now = _now() if self._live else None
        framed = self._framer.frame(((self._ids[tp], records) for tp, records in polled.items()), now)
        await self._send(framed)
        for tp, records in polled.items():
            source, self._written[tp] = self._ids[tp], records[-1].offset + 1
            self._newest[source] = max(self._newest.get(source, 0), max(record.timestamp for record in records))
        for news in framed.beats:
            known = self._beats.get(news.site)
            self._beats[news.site] = news if known is None else join(known, news)
        self._metrics.count(framed)
        return [] if self._live else self._watermarks.from_clocks(framed.clocks)

    async def _send(self, framed: Framed) -> None:
        name, partitions = self._namespace, self._namespace.partitions
        sends = [await self._producer.send(name.topic(LOG), data, partition=p) for p, data in framed.frames]
        for reject in framed.rejects:
            key = rejects.reject_key(reject.topic, reject.partition, reject.offset)
            partition = reject.partition % partitions
            sends.append(
                await self._producer.send(name.topic(REJECTS), rejects.encode(reject), key=key, partition=partition)
            )
        for echo in framed.echoes:
            partition = echo.source.partition % partitions
            place = rejects.reject_key(echo.source.topic, echo.source.partition, echo.offset)
            headers = [(ECHO_SOURCE, place)]
            sends.append(
                await self._producer.send(
                    name.topic(ECHO), echo.value, key=echo.key, partition=partition, headers=headers
                )
            )
        await asyncio.gather(*sends)

    async def _tick(self, marks: list[Mark]) -> None:
        """Write the watermarks and the sites' beats to every partition of the log, and choose whom to hold back."""
        self._ticked = time.monotonic()
        assigned = {tp: self._ids[tp] for tp in self._consumer.assignment() if self._ids[tp] in self._clocked}
        progress = await self._progress(assigned)
        if self._live:
            marks = self._watermarks.from_progress(progress)
        lagging = {p.source for p in progress if p.position < p.end}
        peers = await self._peers_behind(set(assigned.values())) if lagging else {}
        # A replay's watermarks stand still between clock records: compare like with like, or each waits for the other.
        own = self._newest if self._live or not peers else self._peers.marks | self._watermarks.marks
        self._held_back = self._alignment.held_back(peers | own, lagging | peers.keys(), _now())
        self._metrics.overruns(self._alignment.overruns)
        if marks or self._beats:
            data = self._framer.tick(marks, [self._beats[site] for site in sorted(self._beats)])
            topic = self._namespace.topic(LOG)
            sends = [await self._producer.send(topic, data, partition=p) for p in range(self._namespace.partitions)]
            await asyncio.gather(*sends)
            self._beats.clear()
        self._has_ticked = self._joined
        self._settled |= self._written
        self._written.clear()
        await self._settle_models()

    async def _settle_models(self) -> None:
        """The learner writes in transactions: past the mark at their end, which no poll returns, all is read.

        What was polled before has been acknowledged, so here a position is one in the log.
        """
        models = TopicPartition(self._namespace.topic(MODELS), 0)
        if models in self._consumer.assignment():
            with suppress(IllegalStateError):  # a rebalance took it meanwhile
                position = await self._consumer.position(models)
                if position > self._settled_models:
                    self._settled[models] = self._settled_models = position

    async def _peers_behind(self, own: set[int]) -> dict[int, int]:
        """The sources that other processes read and are behind with, with the time up to which they have read them."""
        if own == self._clocked:
            await self._peers.leave()
            return {}
        await self._peers.follow()
        recent = _now() - self._settings.watermark_slack - self._settings.alignment if self._live else None
        return {
            source: time
            for source, time in self._peers.marks.items()
            if source not in own and (recent is None or time < recent)
        }

    async def _progress(self, assigned: dict[TopicPartition, int]) -> list[Progress]:
        """Where the sources stand. What was polled before has been acknowledged, so a position is one in the log."""
        if not assigned:
            return []
        asked = _now()
        try:
            ends = await self._consumer.end_offsets(list(assigned))
            return [
                Progress(source, await self._consumer.position(tp), ends[tp], asked, self._newest.get(source, 0))
                for tp, source in sorted(assigned.items(), key=lambda entry: entry[1])
            ]
        except IllegalStateError:  # a rebalance took a partition meanwhile; the next tick knows
            return []

    async def _commit(self) -> None:
        """Commit what is in the log with all that follows from it, watermarks and beats; never the mere position."""
        self._committed = time.monotonic()
        assigned = self._consumer.assignment()
        offsets = {tp: offset for tp, offset in self._settled.items() if tp in assigned}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
            self._settled = {tp: offset for tp, offset in self._settled.items() if offsets.get(tp) != offset}
        except (CommitFailedError, IllegalStateError):
            logger.info("offsets not committed: the group is rebalancing; what was read is read again and dropped")
        except KafkaError as error:
            if not error.retriable:
                raise
            logger.warning("offsets not committed, tried again in a second: %s", type(error).__name__)


def _now() -> int:
    """The wall clock, epoch milliseconds: read here, written into the log, and nowhere else."""
    return time.time_ns() // 1_000_000
