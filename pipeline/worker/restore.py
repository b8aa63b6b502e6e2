"""Bring the local copy up to the changelog: from its checkpoint to the last stable offset, read committed."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.namespace import CHANGELOG, Namespace
from pipeline.kafka.clients import stop_consumer
from pipeline.kafka.topics import CHANGELOG_DELETE_RETENTION_MS
from pipeline.worker.local import Checkpoint, LocalCopyError, LocalStore

logger = logging.getLogger(__name__)

FETCH_BYTES = 8 * 1024 * 1024


async def restore(
    namespace: Namespace,
    partition: int,
    path: Path,
    connection: dict[str, Any],
    remaining: Callable[[int], None],
) -> tuple[LocalStore, int]:
    """Open the local copy and bring it up to date. Returns it with the changelog's next offset.

    Call it after the partition's producer has been started: that fences the previous owner and ends its open
    transaction, so the last stable offset is the end of all that will ever stand. `remaining` hears how many rows are
    left. Raises LocalCopyError where the copy has to be made anew.
    """
    tp = TopicPartition(namespace.topic(CHANGELOG), partition)
    consumer = AIOKafkaConsumer(
        **connection,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    store = None
    await consumer.start()
    try:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        begin = (await consumer.beginning_offsets([tp]))[tp]
        store, at = _open(path, namespace.epoch, begin, end)
        consumer.seek(tp, at)
        started, rows = time.monotonic(), 0
        while await consumer.position(tp) < end:
            remaining(end - await consumer.position(tp))
            polled = await consumer.getmany(tp, timeout_ms=200)
            records = [record for batch in polled.values() for record in batch]
            if records:
                rows += len(records)
                checkpoint = Checkpoint(namespace.epoch, records[-1].offset + 1, _now())
                store.write(((record.key, record.value) for record in records), checkpoint)
        remaining(0)
        seconds = time.monotonic() - started
        logger.info("partition %d: %d rows restored in %.2f s", partition, rows, seconds)
        return store, end
    except BaseException:
        if store is not None:
            store.close()
        raise
    finally:
        await stop_consumer(consumer)


def _open(path: Path, epoch: int, begin: int, end: int) -> tuple[LocalStore, int]:
    """Open the copy where it can be trusted, else a new one. Returns it and the offset to read from.

    A copy that is old may have missed a deletion which compaction has dropped since.
    """
    try:
        store = LocalStore(path)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a cache, it is made anew
        logger.warning("local copy %s does not open (%s): made anew", path.name, error)
        LocalStore.wipe(path)
        return LocalStore(path), begin
    try:
        checkpoint = store.checkpoint()
    except LocalCopyError:
        store.close()
        raise
    if checkpoint is None:
        return store, begin
    old = _now() - checkpoint.written > CHANGELOG_DELETE_RETENTION_MS // 2
    if old or checkpoint.epoch != epoch or not begin <= checkpoint.offset <= end:
        logger.info("local copy %s is %s: made anew", path.name, "old" if old else "not of this changelog")
        store.close()
        LocalStore.wipe(path)
        return LocalStore(path), begin
    return store, checkpoint.offset


def _now() -> int:
    return time.time_ns() // 1_000_000
