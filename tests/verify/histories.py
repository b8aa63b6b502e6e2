"""A small history written by hand: sources, the log that ingest would write, and what the engine makes of it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from pipeline.config.namespace import CHANGELOG, LOG, OUTPUTS, REJECTS, Mode, Namespace, SourcePartition
from pipeline.config.settings import Settings
from pipeline.engine.partition import PartitionEngine
from pipeline.ingest.framing import Framer
from pipeline.kafka.clients import connection, reader
from pipeline.kafka.ranges import read_range, settled_ends
from pipeline.kafka.topics import apply
from pipeline.log.frames import Mark
from pipeline.log.rejects import encode, reject_key
from pipeline.triggers.site_now import Suggest, no_suggestions

MINUTE = 60_000
START = 1_600_000_000_000
SHOWN = 6


@dataclass
class Tampering:
    """Changes the records of an output topic, or the frames of the log, before they are written."""

    outputs: Callable[[str, list], list] = lambda topic, records: records
    frames: Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]] = lambda frames: frames
    rows: Callable[[list], list] = lambda rows: rows
    ahead: int = 0
    """How much further than the source goes ingest says to have read."""
    unfolded: int = 0
    """Frames at the end of each partition of the log that the engine has not come to."""
    suggest: Suggest = no_suggestions
    """What tables beside the log would say."""
    batch: int = 3
    more: dict = field(default_factory=dict)


def event(kind: str, person: int, minute: float, **more: object) -> bytes:
    at = START + round(minute * MINUTE)
    body = {"type": kind, "event_id": f"{kind}-{person}-{minute}", "site_id": "s", "occurred_at": at}
    return msgspec.json.encode(body | {"customer_id": f"c{person}"} | more)


def shop(people: int) -> dict[SourcePartition, list[tuple[float, bytes]]]:
    """Carts of people with a consent; every third orders; one bad record, one test event, and an unknown currency.

    The last SHOWN of them allow personalization, look at a product, and log in. The log here holds one partition of a
    source after the other, so not all of them are allowed it before they log in.
    """
    written: dict[str, list[tuple[float, bytes]]] = defaultdict(list)
    items = [{"item_id": "p1", "price": 1999, "quantity": 2}]
    for n in range(people):
        consent = {"purpose": "marketing_message", "channel": "email", "status": "granted", "basis": "consent"}
        written["shop.customers"].append((0, event("consent_update", n, 0, **consent)))
        written["shop.carts"].append((1, event("add_to_cart", n, 1 + n / 100, items=items, currency="EUR")))
        if n >= people - SHOWN:
            onsite = {"purpose": "onsite_personalization", "status": "granted", "basis": "consent"}
            written["shop.customers"].append((0, event("consent_update", n, 0.5, **onsite)))
            written["shop.clicks"].append((5, event("view_item", n, 5, items=[{"item_id": "p2"}])))
        if n % 3 == 0:
            body = {"order_id": f"o{n}", "value": 3998, "currency": "EUR", "items": items}
            written["shop.orders"].append((40, event("purchase", n, 40, **body)))
    written["shop.customers"] += [(6, event("identify", n, 6)) for n in range(people - SHOWN, people)]
    odd = {"items": items, "currency": "JPY"}
    written["shop.carts"] += [
        (2, b"not json"),
        (2, event("add_to_cart", 1, 2, test=True, items=items, currency="EUR")),
        (3, event("add_to_cart", 2, 3, **odd)),
    ]
    placed: dict[SourcePartition, list[tuple[float, bytes]]] = defaultdict(list)
    for topic, events in written.items():
        for i, entry in enumerate(events):
            placed[SourcePartition(topic, i % 2)].append(entry)
    return placed


async def write_history(settings: Settings, tampering: Tampering | None = None, people: int = 30) -> Namespace:
    """Make a namespace of two partitions, its sources, its log, and its outputs up to a position."""
    tampering = tampering or Tampering()
    namespace = (await apply(settings, Mode.TEST)).namespace
    producer = AIOKafkaProducer(**connection(settings.kafka), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for source, events in shop(people).items():
            for minute, value in events:
                await send(producer, namespace, source.topic, source.partition, None, value, round(minute * MINUTE))
        for number in namespace.clocked():
            source = namespace.sources[number]
            clock = msgspec.json.encode({"type": "clock", "at": START + 60 * MINUTE})
            await send(producer, namespace, source.topic, source.partition, None, clock, 60 * MINUTE)
        polled = await poll(settings, namespace)
        framer = Framer(namespace, "test", 4096)
        frames: list[tuple[int, bytes]] = []
        control = next(i for i, s in enumerate(namespace.sources) if s.topic == "pipeline.control")
        for source in [control, *(s for s in polled if s != control)]:
            for i in range(0, len(polled[source]), 7):
                framed = framer.frame([(source, tampering.rows(polled[source][i : i + 7]))], None)
                frames += framed.frames
                for reject in framed.rejects:
                    key = reject_key(reject.topic, reject.partition, reject.offset)
                    await send(producer, namespace, REJECTS, reject.partition % 2, key, encode(reject))
                for echo in framed.echoes:
                    headers = [("source", reject_key(echo.source.topic, echo.source.partition, echo.offset))]
                    echoes = namespace.topic("echo")
                    await producer.send_and_wait(
                        echoes, echo.value, partition=echo.source.partition % 2, headers=headers
                    )
        for minute in (35, 50):
            tick = framer.tick([Mark(n, START + minute * MINUTE) for n in namespace.clocked()], [])
            frames += [(p, tick) for p in range(2)]
        for partition, data in tampering.frames(frames):
            await send(producer, namespace, LOG, partition, None, data)
    finally:
        await producer.stop()
    await commit_group(settings, namespace, polled, tampering.ahead)
    for partition in range(2):
        await fold(settings, namespace, partition, tampering)
    await until_committed(settings, namespace)
    return namespace


async def until_committed(settings: Settings, namespace: Namespace) -> None:
    """A commit returns before the partitions show it: a reader that comes at once would see the one before."""
    places = [TopicPartition(namespace.topic(t), p) for t in (CHANGELOG, *OUTPUTS, REJECTS) for p in range(2)]
    async with reader(settings) as consumer:
        await settled_ends(settings, consumer, places)


async def send(producer, namespace, topic, partition, key, value, after=None) -> None:
    timestamp = None if after is None else START + after
    await producer.send_and_wait(namespace.topic(topic), value, key=key, partition=partition, timestamp_ms=timestamp)


async def poll(settings: Settings, namespace: Namespace) -> dict[int, list]:
    polled: dict[int, list] = {}
    async with reader(settings) as consumer:
        for number, source in enumerate(namespace.sources):
            polled[number] = await records_of(consumer, TopicPartition(namespace.topic(source.topic), source.partition))
    return polled


async def records_of(consumer: AIOKafkaConsumer, tp: TopicPartition) -> list:
    consumer.assign([tp])
    begin, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
    return [record async for batch in read_range(consumer, tp, begin, end) for record in batch]


async def commit_group(settings: Settings, namespace: Namespace, polled: dict[int, list], ahead: int) -> None:
    client = AIOKafkaConsumer(
        **connection(settings.kafka), group_id=f"{namespace.name}-ingest", enable_auto_commit=False
    )
    await client.start()
    try:
        places = {
            TopicPartition(namespace.topic(s.topic), s.partition): polled[n][-1].offset + 1 + ahead
            for n, s in enumerate(namespace.sources)
            if polled[n]
        }
        client.assign(list(places))
        await client.commit({tp: OffsetAndMetadata(offset, "") for tp, offset in places.items()})
    finally:
        await client.stop()


async def fold(settings: Settings, namespace: Namespace, partition: int, tampering: Tampering) -> None:
    """As a worker does: a few frames a transaction, with outputs, rows and the position."""
    async with reader(settings) as consumer:
        frames = await records_of(consumer, TopicPartition(namespace.topic(LOG), partition))
    frames = frames[: len(frames) - tampering.unfolded]
    rows: dict[bytes, bytes] = {}
    engine = PartitionEngine(partition, rows.get, [], 1_000_000, tampering.suggest)
    producer = AIOKafkaProducer(
        **connection(settings.kafka), transactional_id=f"{namespace.name}-worker-{partition}", enable_idempotence=True
    )
    await producer.start()
    try:
        for i in range(0, len(frames), tampering.batch):
            for frame in frames[i : i + tampering.batch]:
                engine.apply(frame.offset, frame.value)
            batch = engine.take()
            rows |= dict(batch.rows)
            out: dict[str, list] = {topic: [] for topic in (*OUTPUTS, REJECTS)}
            for output in batch.outputs:
                out[output.topic].append((output.key, output.value, output.headers))
            for reject in batch.rejects:
                key = reject_key(reject.topic, reject.partition, reject.offset)
                out[REJECTS].append((key, encode(reject), []))
            out[CHANGELOG] = [(key, value, []) for key, value in batch.rows]
            async with producer.transaction():
                sends = [
                    await producer.send(namespace.topic(topic), value, key=key, headers=headers, partition=partition)
                    for topic, records in out.items()
                    for key, value, headers in tampering.outputs(topic, records)
                ]
                await asyncio.gather(*sends)
    finally:
        await producer.stop()
