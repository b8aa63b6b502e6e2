"""What a worker writes, written by hand: rows of the changelog and triggers, in transactions."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from msgspec.structs import replace

from pipeline.config.namespace import CHANGELOG, Mode, trigger_topic
from pipeline.config.settings import Settings
from pipeline.engine.outputs import rfc3339
from pipeline.kafka.clients import connection, reader
from pipeline.kafka.ranges import know
from pipeline.kafka.topics import apply
from pipeline.log.persons import customer_key, partition_of
from pipeline.log.rows import ModelRow
from pipeline.schemas.examples import CANCELLED, EMITTED
from pipeline.scoring.snapshot import Snapshot, encode_snapshot
from pipeline.serve.run import run_serve
from pipeline.state.codec import encode_customer
from pipeline.state.customer import Customer
from pipeline.state.partition import encode, model_key
from pipeline.triggers.contract import encode as encode_message

SITE = "my-shop"


def customer(seen: int) -> bytes:
    return encode_customer(Customer(seen=seen, device="mobile"))


def person(number: int) -> bytes:
    return customer_key(SITE, f"c{number}").encode()


def profile(settings: Settings, number: int) -> str:
    return f"profile:{settings.namespace.name}:{SITE}:c:c{number}"


def trigger(identity: str, expires_in: float, *, cancelled: bool = False) -> bytes:
    """The message of a trigger that expires so many seconds from now."""
    message = CANCELLED if cancelled else EMITTED
    expires = rfc3339(time.time_ns() // 1_000_000 + round(expires_in * 1000))
    return encode_message(replace(message, data=replace(message.data, trigger_id=identity, expires_at=expires)))


class Feed:
    """Writes to a namespace as its worker would."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._producer = producer
        self._consumer = consumer

    async def rows(self, rows: Iterable[tuple[bytes, bytes | None]], *, commit: bool = True) -> None:
        """Write rows of the changelog in one transaction, which is then committed, or aborted."""
        sends = [(CHANGELOG, partition_of(key.decode(), self._settings.topics.partitions), key, v) for key, v in rows]
        await self._write(sends, commit)

    async def snapshot(self, snapshot: Snapshot) -> None:
        """Score with it from now on, in every partition."""
        row = encode(ModelRow(snapshot.head, snapshot.version, encode_snapshot(snapshot)))
        partitions = range(self._settings.topics.partitions)
        await self._write([(CHANGELOG, p, model_key(snapshot.head), row) for p in partitions], commit=True)

    async def trigger(self, value: bytes, partition: int = 0) -> None:
        await self._write([(trigger_topic("cart_abandoned"), partition, b"key", value)], commit=True)

    async def _write(self, records: list[tuple[str, int, bytes, bytes | None]], commit: bool) -> None:
        await self._producer.begin_transaction()
        name = self._settings.namespace.name
        sends = [await self._producer.send(f"{name}.{t}", v, key=key, partition=p) for t, p, key, v in records]
        written = await asyncio.gather(*sends)
        await (self._producer.commit_transaction() if commit else self._producer.abort_transaction())
        await self._settled({TopicPartition(record.topic, record.partition): record.offset for record in written})

    async def _settled(self, last: dict[TopicPartition, int]) -> None:
        """A transaction ends before its partitions show it: whoever reads at once would see what was before."""
        know(self._consumer, last)
        while any(  # noqa: ASYNC110  # Kafka sends no events
            end <= last[tp] for tp, end in (await self._consumer.end_offsets(list(last))).items()
        ):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def feeding(settings: Settings) -> AsyncIterator[Feed]:
    """Make the namespace, and write to it."""
    await apply(settings, Mode.TEST)
    producer = AIOKafkaProducer(
        **connection(settings.kafka), transactional_id=f"{settings.namespace.name}-feed", compression_type="snappy"
    )
    await producer.start()
    try:
        async with reader(settings) as consumer:
            yield Feed(settings, producer, consumer)
    finally:
        await producer.stop()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator["asyncio.Task[None]"]:
    """A `serve` in this process, until the block ends; what it raised is raised here."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_serve(settings, stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)
