"""What was refused: listed once each, shown, and replayed, each exactly once."""

from collections.abc import AsyncIterator, Callable, Iterable
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import REJECTS, Namespace, SourcePartition
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection, kafka_errors, reader
from pipeline.kafka.ranges import know, read_range, settled_ends
from pipeline.kafka.topics import SOURCE_MESSAGE_BYTES, read_namespace
from pipeline.log.rejects import Reject, Replayed, encode

KEPT_KEY_BYTES = 1_024
"""Ingest keeps so much of a record's key: one that is as long may have been longer."""

_UNNAMED = "source-"
"""How the engine names a source by its number before it knows the namespace."""


class Refused(NamedTuple):
    """A reject, the partition of `rejects` that holds it, and the offset of its new copy, None if never replayed."""

    key: str
    reject: Reject
    partition: int
    replayed_to: int | None


class Outcome(Enum):
    """What became of a reject that was to be replayed."""

    REPLAYED = "replayed"
    BEFORE = "was replayed before"
    IMPOSSIBLE = "cannot be replayed"


class Replay(NamedTuple):
    """A reject, what became of it, and more words on that."""

    key: str
    outcome: Outcome
    told: str


async def read_rejects(settings: Settings) -> list[Refused]:
    """All rejects, each once, the oldest first."""
    namespace = await read_namespace(settings)
    async with reader(settings) as consumer:
        return await _read(settings, namespace, consumer)


async def replay(
    settings: Settings, choose: Callable[[Refused], bool], keys: Iterable[str] = ()
) -> AsyncIterator[Replay]:
    """Publish rejects again, to the partition they came from, with their own key and time.

    The copy and the note that it was made are one transaction, and starting ends whatever an earlier run had open:
    so a reject is replayed once, however often this is run or killed. Raises UserError for a key that there is not.
    """
    namespace = await read_namespace(settings)
    producer = AIOKafkaProducer(
        **connection(settings.kafka),
        transactional_id=f"{namespace.name}-rejects-replay",
        max_request_size=SOURCE_MESSAGE_BYTES,
    )
    async with reader(settings) as consumer:
        with kafka_errors(settings):
            try:
                await producer.start()
                refused = await _read(settings, namespace, consumer)
                if unknown := sorted(set(keys) - {one.key for one in refused}):
                    raise UserError(f"there is no reject {unknown[0]}: `pipeline rejects list` shows those there are")
                for one in refused:
                    if choose(one):
                        yield await _replay(namespace, consumer, producer, one)
            finally:
                await producer.stop()


async def _replay(namespace: Namespace, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, one: Refused) -> Replay:
    if one.replayed_to is not None:
        return Replay(one.key, Outcome.BEFORE, f"was replayed before, to {one.replayed_to}")
    reject = one.reject
    source = _source(namespace, reject)
    key, value = reject.key, reject.value
    if reject.truncated or (key is not None and len(key) >= KEPT_KEY_BYTES):
        found = await _original(consumer, namespace, source, reject)
        if found is None:
            kept = f"rejects keeps only {len(reject.value)} bytes of it"
            return Replay(one.key, Outcome.IMPOSSIBLE, f"is gone from {source.topic}, and {kept}")
        key, value = found
    if not value:
        return Replay(one.key, Outcome.IMPOSSIBLE, "has no value: there is nothing to replay")
    async with producer.transaction():
        sent = await producer.send_and_wait(
            namespace.topic(source.topic), value, key=key, partition=source.partition, timestamp_ms=reject.timestamp
        )
        note = encode(Replayed(sent.offset))
        await producer.send_and_wait(namespace.topic(REJECTS), note, key=one.key.encode(), partition=one.partition)
    return Replay(one.key, Outcome.REPLAYED, f"replayed to {source.topic}-{source.partition}-{sent.offset}")


async def _original(
    consumer: AIOKafkaConsumer, namespace: Namespace, source: SourcePartition, reject: Reject
) -> tuple[bytes | None, bytes] | None:
    """The record itself; None where it is gone, or another stands in its place."""
    tp = TopicPartition(namespace.topic(source.topic), source.partition)
    know(consumer, [tp])
    begin, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
    consumer.assign([tp])
    if not begin <= reject.offset < end:
        return None
    async for records in read_range(consumer, tp, reject.offset, reject.offset + 1):
        for record in records:
            if not reject.sha256 or _digest(record.value) == reject.sha256:
                return record.key, record.value
    return None


def _digest(value: bytes | None) -> str:
    return sha256(value or b"").hexdigest()


def _source(namespace: Namespace, reject: Reject) -> SourcePartition:
    number = reject.topic.removeprefix(_UNNAMED)
    if reject.topic.startswith(_UNNAMED) and number.isdecimal() and int(number) < len(namespace.sources):
        return namespace.sources[int(number)]
    source = SourcePartition(reject.topic, reject.partition)
    if source not in namespace.sources:
        raise UserError(f"a reject is of {reject.topic}-{reject.partition}, which is no source of {namespace.name}")
    return source


async def _read(settings: Settings, namespace: Namespace, consumer: AIOKafkaConsumer) -> list[Refused]:
    places = [TopicPartition(namespace.topic(REJECTS), p) for p in range(namespace.partitions)]
    ends = await settled_ends(settings, consumer, places)
    begins = await consumer.beginning_offsets(places)
    rejects: dict[str, Refused] = {}
    replayed: dict[str, int] = {}
    for tp in places:
        consumer.assign([tp])
        async for records in read_range(consumer, tp, begins[tp], ends[tp]):
            for record in records:
                key, found = (record.key or b"").decode(errors="replace"), _decode(record.value)
                if isinstance(found, Replayed):
                    replayed[key] = found.replayed_to
                elif found is not None:
                    rejects.setdefault(key, Refused(key, found, tp.partition, None))
    known = [one._replace(replayed_to=replayed.get(key)) for key, one in rejects.items()]
    return sorted(known, key=lambda one: (one.reject.timestamp, one.key))


def _decode(value: bytes | None) -> Reject | Replayed | None:
    """A record of `rejects`; None for one of a later release."""
    for kind in (_reject, _replayed):
        try:
            return kind.decode(value or b"")
        except msgspec.MsgspecError:
            continue
    return None


_reject = msgspec.json.Decoder(Reject)
_replayed = msgspec.json.Decoder(Replayed)
