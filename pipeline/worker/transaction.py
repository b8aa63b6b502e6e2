"""One transaction of one partition: outputs, changed rows and the position commit as a whole or not at all."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation

from pipeline.config.namespace import CHANGELOG, EXAMPLES, REJECTS, TOUCHES, Namespace
from pipeline.config.settings import Settings
from pipeline.engine.batch import Batch
from pipeline.log import rejects
from pipeline.next_item.touch import encode_touches

Entry = tuple[bytes, bytes, list[tuple[str, bytes]]]

MAX_BATCH = 1024 * 1024
TOUCHES_OF_A_RECORD = 200
"""Some 16 KB, and of the longest ids that an event may have not much over 1 MB: the topic takes 2."""
MAX_REQUEST = 4 * 1024 * 1024


def new_producer(settings: Settings, namespace: Namespace, partition: int, connection: dict[str, Any]) -> Any:
    """The partition's producer. Starting it fences whoever held the partition before, in about 0.1 s."""
    return AIOKafkaProducer(
        **connection,
        transactional_id=f"{namespace.name}-worker-{partition}",
        transaction_timeout_ms=int(settings.worker.transaction_timeout),
        compression_type="snappy",
        max_batch_size=MAX_BATCH,
        max_request_size=MAX_REQUEST,
        linger_ms=0,
    )


async def commit(producer: Any, namespace: Namespace, partition: int, batch: Batch) -> int:
    """Write a batch in one transaction. Raises what aiokafka raises.

    Returns an offset of the changelog up to which the rows are known: that of the first record of its last batch, so
    that a restart reads that batch once more.
    """
    await producer.begin_transaction()
    sends: list[asyncio.Future[Any]] = []
    by_topic: dict[str, list[Entry]] = {}
    for output in batch.outputs:
        by_topic.setdefault(output.topic, []).append((output.key, output.value, output.headers))
    for reject in batch.rejects:
        key = rejects.reject_key(reject.topic, reject.partition, reject.offset)
        by_topic.setdefault(REJECTS, []).append((key, rejects.encode(reject), []))
    by_topic[EXAMPLES] = [(name.encode(), value, []) for name, value in batch.examples]
    by_topic[TOUCHES] = [(b"", value, []) for value in _records(batch.touches)]
    by_topic[CHANGELOG] = [(key, value, []) for key, value in batch.rows]
    try:
        for topic, entries in by_topic.items():
            for built in _batches(producer, entries):
                sends.append(  # noqa: PERF401  # those before a failure must be kept
                    await producer.send_batch(built, namespace.topic(topic), partition=partition)
                )
    except IllegalOperation:  # it failed behind our back: the sends say why
        await asyncio.gather(*sends)
        raise
    await asyncio.gather(*sends)
    await producer.commit_transaction()
    return int(sends[-1].result().offset)


def _records(touches: Sequence[bytes]) -> Iterator[bytes]:
    """Few records: of one by itself Kafka would store more frame than touch."""
    for first in range(0, len(touches), TOUCHES_OF_A_RECORD):
        yield encode_touches(touches[first : first + TOUCHES_OF_A_RECORD])


def _batches(producer: Any, entries: Iterable[Entry]) -> Iterator[Any]:
    """Record batches of at most MAX_BATCH bytes; a single larger record has one of its own."""
    built = producer.create_batch()
    for key, value, headers in entries:
        if built.append(key=key, value=value, timestamp=None, headers=headers) is None:
            built.close()
            yield built
            built = producer.create_batch()
            built.append(key=key, value=value, timestamp=None, headers=headers)
    if built.record_count():
        built.close()
        yield built
