"""A consumer that starts at our own positions: the group's committed offsets are a hint and nothing more."""

from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.transport.drivers.aiokafka import Transport as FaustTransport
from faust.types import TP

Positions = Callable[[int], int]
"""Partition of the log to the offset to read from."""

FETCH_WAIT_MS = 50
"""Longest that a broker holds back the answer to a fetch at the log's end: a partition that is taken back to its
position is read only after that answer."""


def transport_at(positions: Positions, topic: str) -> type[FaustTransport]:
    """A transport whose consumer seeks to `positions` of `topic` at each assignment.

    Before a partition is restored that is its local position or the log's start: a frame below the position is
    skipped, so that reading too early does no harm.
    """

    class Thread(AIOKafkaConsumerThread):  # type: ignore[misc]  # faust has no types
        def _create_worker_consumer(self, transport: FaustTransport) -> AIOKafkaConsumer:
            consumer = super()._create_worker_consumer(transport)
            consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  # Faust says 1,500, and has no setting for it
            return consumer

    class Consumer(FaustConsumer):  # type: ignore[misc]  # faust has no types
        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return Thread(self, loop=self.loop, beacon=self.beacon)

        async def seek_to_committed(self) -> Mapping[TP, int]:
            starts = {tp: positions(tp.partition) for tp in self.assignment() if tp.topic == topic}
            if starts:
                await self.seek_wait(starts)  # `seek` would touch the consumer's thread from ours
            return starts

    class Transport(FaustTransport):  # type: ignore[misc]  # faust has no types
        pass

    consumer: Any = Consumer
    Transport.Consumer = consumer
    return Transport
