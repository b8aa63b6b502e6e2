"""Kafka as each part of the learner uses it: reads on from its position, writes all of a step in one transaction."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation

from pipeline.config.namespace import Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection

logger = logging.getLogger(__name__)

BREATH = 100
"""Records written before the loop may turn: those of the next item are worked out one by one."""

Entry = tuple[bytes, bytes | None]
"""Key and value of a record; None is a tombstone."""


def new_producer(settings: Settings, namespace: Namespace, part: str, transaction_timeout_ms: int) -> AIOKafkaProducer:
    """The producer of a part, not started yet: starting it fences whoever was that part before."""
    name = f"{namespace.name}-{part}"
    return AIOKafkaProducer(
        **connection(settings.kafka),
        client_id=name,
        transactional_id=name,
        transaction_timeout_ms=transaction_timeout_ms,
        compression_type="snappy",
        max_batch_size=1024 * 1024,
        max_request_size=4 * 1024 * 1024,
        linger_ms=0,
    )


def new_consumer(settings: Settings, namespace: Namespace, part: str) -> AIOKafkaConsumer:
    """The consumer of a part, not started yet: what is committed alone, and from where it is told to."""
    return AIOKafkaConsumer(
        **connection(settings.kafka),
        client_id=f"{namespace.name}-{part}",
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=2 * 1024 * 1024,
        fetch_max_wait_ms=100,
    )


async def read_on(
    consumer: AIOKafkaConsumer,
    places: Sequence[TopicPartition],
    position: Mapping[int, int] | None,
    expired: Callable[[int], None],
) -> dict[int, int]:
    """Seek to the committed position, by partition; None for the beginning. Returns where each partition stands.

    What retention has taken unread is passed over, and `expired` hears how many records that were.
    """
    begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    offsets = {}
    for tp in places:
        known = begins[tp] if position is None else position.get(tp.partition, begins[tp])
        if known < begins[tp]:
            logger.warning("%s-%d: retention took %d records unread", tp.topic, tp.partition, begins[tp] - known)
            expired(begins[tp] - known)
        elif known > ends[tp]:
            logger.warning("%s-%d was made anew: read from its beginning", tp.topic, tp.partition)
        offsets[tp.partition] = known if begins[tp] <= known <= ends[tp] else begins[tp]
        consumer.seek(tp, offsets[tp.partition])
    return offsets


def lag(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> float:
    """Records that are committed and not read yet; 0 before the first answer."""
    end = consumer.last_stable_offset(tp)
    return 0.0 if end is None else float(max(0, end - offset))


async def write(producer: AIOKafkaProducer, topic: str, entries: Iterable[Entry]) -> int:
    """Write the entries into the one partition of a topic, in one transaction. Returns how many they were.

    Raises what aiokafka raises.
    """
    await producer.begin_transaction()
    sends: list[asyncio.Future[object]] = []
    try:
        for key, value in entries:
            sends.append(await producer.send(topic, value, key=key, partition=0))
            if len(sends) % BREATH == 0:
                await asyncio.sleep(0)
    except IllegalOperation:  # it failed behind our back: the sends say why
        await asyncio.gather(*sends)
        raise
    await asyncio.gather(*sends)
    await producer.commit_transaction()
    return len(sends)
