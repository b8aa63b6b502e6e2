"""Publishes the news of a file as history into a live namespace, except what is there already."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NamedTuple
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import HISTORY, Mode, Namespace
from pipeline.config.settings import Settings
from pipeline.history.files import OrderFile, identity
from pipeline.history.survey import REPORT_EVERY
from pipeline.history.tally import Tally
from pipeline.kafka.batches import PartitionWriter, batch_producer
from pipeline.kafka.clients import kafka_errors, reader
from pipeline.kafka.counts import require_topics
from pipeline.kafka.ranges import know, read_range
from pipeline.kafka.topics import read_namespace
from pipeline.log.persons import customer_key

PATIENCE = 60.0
"""Seconds without progress after which brokers count as gone. The client itself would wait for ever."""

STOP_PATIENCE = 5.0


class Published(NamedTuple):
    """What was written: events, those that an earlier import had written, and the seconds that it took."""

    written: int
    known: int
    seconds: float


class _Identity(msgspec.Struct):
    site_id: str
    event_id: str


_identity = msgspec.json.Decoder(_Identity)


async def live_namespace(settings: Settings) -> Namespace:
    """The namespace of the settings. Raises UserError where it is not live, or cannot take history yet."""
    namespace = await read_namespace(settings)
    if namespace.mode is not Mode.LIVE:
        raise UserError(
            f"namespace {namespace.name} is a {namespace.mode} namespace, and an import belongs where customers are "
            "live: name a live --namespace, or stream a history into this one with `pipeline replay`"
        )
    await require_topics(settings, namespace, [HISTORY])
    return namespace


async def publish(
    settings: Settings, namespace: Namespace, file: OrderFile, progress: Callable[[int], None] = lambda _: None
) -> Published:
    """Write the events of a file that are not in the topic yet, and wait until Kafka has them all.

    Kafka's timestamp is the wall clock, the event's own time stands in it. So an import that was stopped goes on when
    it is started again. `progress` is told the number of lines. Raises UserError where Kafka cannot be reached, or
    does not answer for PATIENCE.
    """
    started = time.monotonic()
    known = await _already_there(settings, namespace, file.site)
    written = skipped = 0
    topic, encode, tally = namespace.topic(HISTORY), msgspec.json.Encoder().encode, Tally()
    with _said_how_to_go_on(), kafka_errors(settings):
        async with _patiently(batch_producer(settings)) as (producer, patience):
            writer = PartitionWriter(producer)
            now = _now()
            for news, _ in file.read(tally):
                if identity(news.event_id) in known:
                    skipped += 1
                    continue
                key = customer_key(file.site, news.customer_id or "").encode()
                await writer.write(topic, crc32(key) % namespace.partitions, now, key, encode(news))
                written += 1
                if written % REPORT_EVERY == 0:
                    now = _now()
                    progress(tally.lines)
                    patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)
            await writer.flush()
            progress(tally.lines)
    return Published(written, skipped, time.monotonic() - started)


@contextmanager
def _said_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(
            f"{error}; what was published stays: start the import again, and it goes on from there"
        ) from error


@asynccontextmanager
async def _patiently(producer: AIOKafkaProducer) -> AsyncIterator[tuple[AIOKafkaProducer, asyncio.Timeout]]:
    """A started producer, and the time at which patience ends. Raises TimeoutError then."""
    try:
        async with asyncio.timeout(PATIENCE) as patience:
            await producer.start()
            yield producer, patience
    finally:
        with suppress(TimeoutError):  # it would wait for brokers that are gone
            await asyncio.wait_for(producer.stop(), STOP_PATIENCE)


async def _already_there(settings: Settings, namespace: Namespace, site: str) -> set[int]:
    """The events of a site that the topic holds."""
    places = [TopicPartition(namespace.topic(HISTORY), p) for p in range(namespace.partitions)]
    known: set[int] = set()
    async with reader(settings) as consumer:
        know(consumer, places)
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        for tp in places:
            if begins[tp] == ends[tp]:
                continue
            consumer.assign([tp])
            async for records in read_range(consumer, tp, begins[tp], ends[tp]):
                known.update(_identities(site, [record.value for record in records]))
    return known


def _identities(site: str, values: list[bytes | None]) -> set[int]:
    found = set()
    for value in values:
        try:
            event = _identity.decode(value or b"")
        except (msgspec.MsgspecError, RecursionError):
            continue  # a shop may publish here too, and ingest refuses what is no event
        if event.site_id == site:
            found.add(identity(event.event_id))
    return found


def _now() -> int:
    return time.time_ns() // 1_000_000
