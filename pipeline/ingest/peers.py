"""What the other ingest processes have read: their watermarks, from the ticks of the log's first partition."""

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.kafka.clients import stop_consumer
from pipeline.log.frames import FrameKind, decode_frame

_KIND = 2
"""Place of a frame's kind in its bytes: after the array's header and the format, one byte each."""


class PeerMarks:
    """The newest watermark of each source as written to the log, by whichever process."""

    def __init__(self, connection: dict[str, Any], log_topic: str) -> None:
        self._connection = connection
        self._log = TopicPartition(log_topic, 0)
        self._consumer: AIOKafkaConsumer | None = None
        self.marks: dict[int, int] = {}

    async def follow(self) -> None:
        """Read what was written since the last call. The first call starts at the log's end."""
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(**self._connection, enable_auto_commit=False)
            await self._consumer.start()
            self._consumer.assign([self._log])
            await self._consumer.seek_to_end(self._log)
        for records in (await self._consumer.getmany(timeout_ms=0)).values():
            for record in records:
                if record.value[_KIND] == FrameKind.TICK:
                    for source, time in decode_frame(record.value).marks:
                        self.marks[source] = max(time, self.marks.get(source, 0))

    async def leave(self) -> None:
        """Stop reading: this process reads every source itself."""
        if self._consumer is not None:
            await stop_consumer(self._consumer)
            self._consumer = None
            self.marks.clear()
