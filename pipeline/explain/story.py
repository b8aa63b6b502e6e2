"""Finds one person's events and decisions in Kafka, and puts them in the order of time."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from pipeline.config.errors import UserError
from pipeline.config.namespace import CHANGELOG, DECISIONS, LOG, Namespace, trigger_topic
from pipeline.config.settings import Settings
from pipeline.explain.decisions import at_of, decode_decision, tell_decision
from pipeline.explain.events import tell_event
from pipeline.explain.present import policy_of, standing
from pipeline.explain.words import length
from pipeline.kafka.clients import reader
from pipeline.kafka.ranges import newest_rows, read_range
from pipeline.kafka.topics import read_namespace
from pipeline.log.frames import FrameKind, decode_frame
from pipeline.log.persons import partition_of
from pipeline.log.rows import PersonEvent, Row, SourceResetRow
from pipeline.state.codec import decode_customer
from pipeline.state.partition import CLOCK_KEY, POLICY_KEY, decode_clock
from pipeline.triggers.contract import Kind, Trigger

EVENT = "event"
"""Of an entry that is no decision."""

LATE = 60_000
"""An event that reached its topic this much later than it happened is said to be late, milliseconds."""


class Entry(Struct):
    """A line of the story. `what` is `event` or the outcome of a decision; `at` is epoch milliseconds."""

    at: int
    what: str
    text: str
    log_offset: int


class Story(Struct):
    """All of it. `now` is None for a person whose state is gone or was never kept; `clock` is the log's, 0 for none."""

    person: str
    partition: int
    clock: int
    entries: list[Entry]
    now: dict[str, Any] | None


class _Head(Struct, array_like=True):
    format: int
    kind: int


_head = msgspec.msgpack.Decoder(_Head).decode
_trigger = msgspec.json.Decoder(Trigger).decode


async def tell(settings: Settings, person: str) -> Story:
    """Tell a person's story. Raises UserError where nothing is known of them."""
    namespace = await read_namespace(settings)
    partition = partition_of(person, namespace.partitions)
    async with reader(settings) as consumer:
        rows = [found async for found in _rows(consumer, namespace, partition, person)]
        events = [row.event for _, row in rows]
        entries = _events(rows)
        entries += await _decisions(consumer, namespace, partition, person, events)  # type: ignore[arg-type]
        changelog = TopicPartition(namespace.topic(CHANGELOG), partition)
        keys = [person.encode(), CLOCK_KEY, POLICY_KEY]
        newest = {key: record.value for key, record in (await newest_rows(consumer, changelog, keys)).items()}
    stored = newest.get(person.encode())
    if not entries and stored is None:
        raise UserError(
            f"nothing is known of this person in namespace {namespace.name}: check site and id, and --anonymous"
        )
    clock = decode_clock(newest[CLOCK_KEY]).now if CLOCK_KEY in newest else 0
    now = None
    if stored is not None:
        now = standing(decode_customer(stored), person, clock, policy_of(newest.get(POLICY_KEY)))
    entries.sort(key=lambda entry: (entry.at, entry.log_offset, entry.what != EVENT))
    return Story(person, partition, clock, entries, now)


async def _records(consumer: AIOKafkaConsumer, tp: TopicPartition) -> AsyncIterator[Any]:
    consumer.assign([tp])
    begin, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
    async for records in read_range(consumer, tp, begin, end):
        for record in records:
            yield record


async def _rows(
    consumer: AIOKafkaConsumer, namespace: Namespace, partition: int, person: str
) -> AsyncIterator[tuple[int, Row]]:
    """The person's rows, each once. Only frames in which the key stands, and those with resets, are decoded."""
    key, seen = person.encode(), set[tuple[int, int, int]]()
    async for record in _records(consumer, TopicPartition(namespace.topic(LOG), partition)):
        if key not in record.value and _head(record.value).kind != FrameKind.CONTROL:
            continue
        for row in decode_frame(record.value).rows:
            if isinstance(row.event, SourceResetRow):
                seen = {place for place in seen if place[0] != row.event.source}
            elif row.person == person and (place := (row.source, row.offset, row.sub)) not in seen:
                seen.add(place)
                yield record.offset, row


def _events(rows: list[tuple[int, Row]]) -> list[Entry]:
    entries, known = [], set[tuple[type, str]]()
    for offset, row in rows:
        event: Any = row.event
        text = tell_event(event)
        if (type(event), event.id) in known:
            text += " (published again: not counted)"
        elif row.ts - event.at >= LATE:
            text += f" (reached us {length(row.ts - event.at)} later)"
        known.add((type(event), event.id))
        entries.append(Entry(event.at, EVENT, text, offset))
    return entries


async def _decisions(
    consumer: AIOKafkaConsumer, namespace: Namespace, partition: int, person: str, events: list[PersonEvent]
) -> list[Entry]:
    key, published = person.encode(), {}
    for kind in Kind:
        async for record in _records(consumer, TopicPartition(namespace.topic(trigger_topic(kind.value)), partition)):
            if record.key == key:
                trigger = _trigger(record.value)
                published[trigger.id] = trigger.data
    entries = []
    async for record in _records(consumer, TopicPartition(namespace.topic(DECISIONS), partition)):
        if record.key == key:
            decision = decode_decision(record.value)
            text = tell_decision(decision, published.get(decision.decision_id), events)
            entries.append(Entry(at_of(decision.at), decision.outcome.value, text, decision.log_offset))
    return entries
