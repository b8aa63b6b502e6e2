"""Writes records to chosen partitions in large batches; each partition keeps the order of writing."""

import asyncio
from collections import deque
from typing import Any

from aiokafka import AIOKafkaProducer

from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection

BATCH_BYTES = 256 * 1024
_IN_FLIGHT = 64
"""Batches whose outcome is not known yet, at most."""


def batch_producer(settings: Settings) -> AIOKafkaProducer:
    """An idempotent producer for `PartitionWriter`, not started yet. Raises ConfigError."""
    return AIOKafkaProducer(
        **connection(settings.kafka),
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=4 * 1024 * 1024,
        compression_type="lz4",
    )


class PartitionWriter:
    """Fills a batch for each partition. What `flush` has returned for is in Kafka; a failed batch raises."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._batches: dict[tuple[str, int], Any] = {}
        self._sent: deque[asyncio.Future[Any]] = deque()

    async def write(self, topic: str, partition: int, timestamp_ms: int, key: bytes | None, value: bytes) -> None:
        """Append a record; `topic` is the full name. Raises KafkaError where an earlier batch was refused."""
        place = topic, partition
        batch = self._batches.get(place)
        if batch is not None and batch.append(timestamp=timestamp_ms, key=key, value=value) is not None:
            return
        if batch is not None:
            await self._send(place)
        batch = self._batches[place] = self._producer.create_batch()
        batch.append(timestamp=timestamp_ms, key=key, value=value)

    async def flush(self) -> None:
        """Wait until everything that was written is in Kafka. Raises KafkaError."""
        for place in list(self._batches):
            await self._send(place)
        await self._settle(0)

    async def _send(self, place: tuple[str, int]) -> None:
        topic, partition = place
        batch = self._batches.pop(place)
        self._sent.append(await self._producer.send_batch(batch, topic, partition=partition))
        await asyncio.sleep(0)  # lets the producer's own task send
        await self._settle(_IN_FLIGHT)

    async def _settle(self, keep: int) -> None:
        while self._sent and (len(self._sent) > keep or self._sent[0].done()):
            await self._sent.popleft()
