"""First and next offsets of the log, asked for on a connection of our own.

On the Faust consumer's connection the question would wait behind a fetch that waits for records: 1.5 s each time, and
for ever where that consumer is what hangs.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


class LogBounds:
    """Bounds of the partitions of one topic."""

    def __init__(self, connection: dict[str, Any], topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None
        self._starting = asyncio.Lock()

    async def bounds(self, partition: int) -> tuple[int, int]:
        """First and next offset of a partition. Raises what aiokafka raises."""
        tp = TopicPartition(self._topic, partition)
        consumer = await self._started()
        first, end = await asyncio.gather(consumer.beginning_offsets([tp]), consumer.end_offsets([tp]))
        return first[tp], end[tp]

    async def ends(self, partitions: list[int]) -> dict[int, int]:
        """Next offsets of several partitions. Raises what aiokafka raises."""
        if not partitions:
            return {}
        consumer = await self._started()
        ends = await consumer.end_offsets([TopicPartition(self._topic, p) for p in partitions])
        return {tp.partition: end for tp, end in ends.items()}

    async def close(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def _started(self) -> AIOKafkaConsumer:
        async with self._starting:
            if self._consumer is None:
                consumer = AIOKafkaConsumer(**self._connection, enable_auto_commit=False)
                await consumer.start()
                self._consumer = consumer
            return self._consumer
