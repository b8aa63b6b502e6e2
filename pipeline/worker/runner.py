"""The runner of one partition: fence, restore, fold, commit; and when it is fenced itself, open anew.

A restored runner owns its partition's memory. Whatever goes wrong in a transaction, that memory is thrown away.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from aiokafka.errors import ProducerFenced

from pipeline.config.errors import UserError
from pipeline.config.namespace import CHANGELOG, LOG, Namespace
from pipeline.config.settings import Settings
from pipeline.engine.partition import PartitionEngine
from pipeline.kafka.clients import AUTHORIZATION_ERRORS, forbidden
from pipeline.log.frames import MAX_FRAME_BYTES
from pipeline.log.rejects import RejectReason
from pipeline.state.codec import StateError, next_due_of
from pipeline.triggers.site_now import Suggest
from pipeline.worker.local import Checkpoint, LocalCopyError, LocalStore
from pipeline.worker.metrics import WorkerMetrics
from pipeline.worker.restore import restore
from pipeline.worker.transaction import commit, new_producer

logger = logging.getLogger(__name__)

QUEUE, QUEUE_BYTES = 8_192, 64 * MAX_FRAME_BYTES
"""Frames that wait for a runner, and their bytes; the agent never waits. What does not fit is read again, for which the
consumer has to be taken back, a second or two each time: so there is room for a long backlog of small frames."""

POSITION_EVERY = 5.0
"""Seconds after which the position is written though nothing else changed."""

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Frames of one transaction, in bytes of the log: some 40,000 events, half a second. Of a backlog, who comes often is
written once a transaction: with a quarter of this, an event costs a tenth more."""

PACE = 0.02
"""Seconds between a commit and the next transaction's frames. Kafka is still writing the markers of the last one: begun
at once, the next is refused and tried again after these same 20 ms; and a small transaction costs the broker as much as
a large one."""

SEEK_AFTER, SEEK_AGAIN, SEEK_LATEST = 0.2, 1.0, 8.0
"""Seconds. A seek at once races with Faust's drain, which then drops what was read again. On a busy machine a drain
takes long: after each seek that brought nothing, the next one waits twice as long."""


FAULTS = (RejectReason.FOLD_ERROR.value, RejectReason.TIMER_ERROR.value)

REFUSED = "model_"
"""Begins the reasons for which a snapshot is not scored with."""


class LogReader(Protocol):
    """What a runner needs of Faust's consumer."""

    async def seek(self, partition: int, offset: int) -> None:
        """Read the log from `offset` on."""

    async def bounds(self, partition: int) -> tuple[int, int]:
        """First and next offset of the log."""


class Runner:
    """Folds one partition of the log, from `start` to `close`."""

    def __init__(
        self,
        settings: Settings,
        namespace: Namespace,
        partition: int,
        connection: dict[str, Any],
        log: LogReader,
        metrics: WorkerMetrics,
        suggest: Suggest,
        fatal: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._namespace = namespace
        self._partition = partition
        self._connection = connection
        self._log = log
        self._metrics = metrics
        self._suggest = suggest
        self._fatal = fatal
        self._path = Path(settings.worker.data_dir) / namespace.name / f"partition-{partition}"
        self._queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(QUEUE)
        self._queued_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._seeker: asyncio.Task[None] | None = None
        self._missed = False
        self._refusals: set[str] = set()
        self.ready = False
        self.next_offset = 0
        """The offset of the log that the queue waits for."""
        self.position = 0
        """Everything below is committed."""
        self.folded = 0
        """Everything below is folded; ticks that change nothing are not committed at once."""

    def start(self) -> None:
        """Begin: fence, restore, fold."""
        self._metrics.opened(self._partition)
        self._spawn(self._run())

    async def close(self) -> None:
        """Stop, then release the producer and the store."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._metrics.closed(self._partition)

    def offer(self, offset: int, data: bytes) -> None:
        """Take a frame from the agent, or leave it: what is left is read again. Never waits."""
        if not self.ready or offset < self.next_offset:
            return
        if self._queue.full() or self._queued_bytes >= QUEUE_BYTES:
            self._missed = True
        elif offset > self.next_offset:
            self._seek_soon()
        else:
            self._queue.put_nowait((offset, data))
            self._queued_bytes += len(data)
            self.next_offset = offset + 1

    async def _run(self) -> None:
        attempt = 0
        while True:
            attempt += 1
            delay = min(5.0, 0.2 * 2 ** min(attempt, 5))
            try:
                await self._own()
            except ProducerFenced:
                logger.warning("partition %d: fenced; opened anew in %.1f s", self._partition, delay)
                await asyncio.sleep(delay)
            except LocalCopyError as error:
                logger.warning("partition %d: local copy made anew in %.1f s: %s", self._partition, delay, error)
                LocalStore.wipe(self._path)
                await asyncio.sleep(delay)
            except UserError as error:
                self._fatal(str(error))
                return
            except StateError as error:
                self._fatal(f"partition {self._partition}: {error}: use the release that wrote it, or a later one")
                return
            except AUTHORIZATION_ERRORS as error:
                self._fatal(str(forbidden(self._settings.kafka, error)))
                return
            except Exception as error:  # a transaction failed: nobody may go on from this memory
                logger.exception("partition %d", self._partition)
                self._fatal(f"partition {self._partition}: {type(error).__name__}")
                return

    async def _own(self) -> None:
        """Own the partition until something ends it. Memory, producer and store live no longer than this call."""
        producer = new_producer(self._settings, self._namespace, self._partition, self._connection)
        store: LocalStore | None = None
        try:
            await producer.start()
            store, changelog = await restore(
                self._namespace,
                self._partition,
                self._path,
                self._connection,
                lambda rows: self._metrics.restoring(self._partition, rows),
            )
            cache = self._settings.worker.cache_bytes // self._namespace.partitions
            engine = PartitionEngine(self._partition, store.get, _wakes(store), cache, self._suggest)
            await self._check_position(engine.position.offset)
            self.position = self.folded = self.next_offset = engine.position.offset
            self._metrics.position(self._partition, self.position, store.size())
            self.ready = True
            self._seek_soon()
            await self._fold(engine, producer, store, changelog)
        finally:
            self.ready = False
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queued_bytes = 0
            if store is not None:
                store.close()
            await _stop(producer)

    async def _check_position(self, position: int) -> None:
        first, end = await self._log.bounds(self._partition)
        if not first <= position <= end:
            raise UserError(
                f"partition {self._partition}: the position {position} is outside the log ({first} to {end}): the log "
                f"was made anew or retention has cut it. Make {self._namespace.topic(LOG)} and "
                f"{self._namespace.topic(CHANGELOG)} anew together, or restore the log"
            )

    async def _fold(self, engine: PartitionEngine, producer: Any, store: LocalStore, changelog: int) -> None:
        written = time.monotonic()
        while True:
            frames = await self._take(written + POSITION_EVERY - time.monotonic())
            for offset, data in frames:
                engine.apply(offset, data)
                self.folded = offset + 1
                await asyncio.sleep(0)
            due = time.monotonic() - written >= POSITION_EVERY and engine.position.offset > self.position
            if engine.pending or due:
                batch = engine.take()
                with self._metrics.transaction():
                    changelog = await commit(producer, self._namespace, self._partition, batch)
                self._metrics.committed(batch)
                checkpoint = Checkpoint(self._namespace.epoch, changelog, time.time_ns() // 1_000_000)
                store.write(batch.rows, checkpoint)
                self.position, written = engine.position.offset, time.monotonic()
                self._metrics.position(self._partition, self.position, store.size())
                tell(self._partition, batch.discarded, self._refusals)
                await asyncio.sleep(PACE)
            elif not frames:
                written = time.monotonic()
            self._metrics.clock(self._partition, engine.clock, engine.held_sites)
            if self._missed and self._queue.empty():
                self._seek_soon()

    async def _take(self, patience: float) -> list[tuple[int, bytes]]:
        """The frames that wait, at most as many as one transaction takes; none after `patience` seconds."""
        try:
            async with asyncio.timeout(max(0.0, patience)):
                frames = [await self._queue.get()]
        except TimeoutError:
            return []
        size = len(frames[0][1])
        while not self._queue.empty() and len(frames) < self._settings.worker.max_frames and size < MAX_BATCH_BYTES:
            frames.append(self._queue.get_nowait())
            size += len(frames[-1][1])
        self._queued_bytes -= size
        return frames

    def _seek_soon(self) -> None:
        self._missed = True
        if self._seeker is None or self._seeker.done():
            self._seeker = self._spawn(self._seek())

    async def _seek(self) -> None:
        """Seek to the next offset until it arrives, again where frames were left meanwhile. One task a partition."""
        patience = SEEK_AGAIN
        while self.ready and self._missed:
            await asyncio.sleep(SEEK_AFTER)
            if self._queue.qsize() <= QUEUE // 2 and self._queued_bytes <= QUEUE_BYTES // 2:
                self._missed = False
                expected = self.next_offset
                await self._seek_once(expected, patience)
                patience = min(SEEK_LATEST, 2 * patience) if self.next_offset == expected else SEEK_AGAIN

    async def _seek_once(self, expected: int, patience: float) -> None:
        try:
            _, end = await self._log.bounds(self._partition)
            if expected >= end:
                return
            await self._log.seek(self._partition, expected)
        except Exception as error:  # noqa: BLE001  # Faust's thread may raise anything; it is tried again
            logger.warning("partition %d: no seek to %d: %s", self._partition, expected, type(error).__name__)
        for _ in range(round(patience / SEEK_AFTER)):
            await asyncio.sleep(SEEK_AFTER)
            if self.next_offset != expected:
                return
        self._missed = True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _wakes(store: LocalStore) -> Iterator[tuple[int, str]]:
    for key, value in store.people():
        if due := next_due_of(value):
            yield due, key.decode()


async def _stop(producer: Any) -> None:
    try:
        async with asyncio.timeout(5):
            await producer.stop()
    except Exception as error:  # noqa: BLE001  # a fenced producer may fail to say goodbye
        logger.debug("producer did not stop: %s", type(error).__name__)


def tell(partition: int, discarded: Mapping[tuple[int, str], int], refusals: set[str]) -> None:
    """Log our faults each time, and a reason to refuse a snapshot the first time: it goes into `refusals`.

    A head that does badly is refused with each snapshot, several a second at worst.
    """
    for (_, reason), number in discarded.items():
        if reason in FAULTS:
            logger.error("partition %d: %d times %s, a fault of ours", partition, number, reason)
        elif reason.startswith(REFUSED) and reason not in refusals:
            refusals.add(reason)
            logger.warning(
                "partition %d: a snapshot is refused (%s), the last good one stays: `pipeline models list` says of "
                "which head. Further ones are counted in pipeline_events_discarded_total",
                partition,
                reason,
            )
