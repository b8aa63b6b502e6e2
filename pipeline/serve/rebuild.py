"""Read everything anew beside those who serve, and remove the profiles that the changelog does not have any more.

A record that compaction has taken is not missed: a newer one of its key was there then, and is read after it. So what
is neither read in the first pass nor, to the end as it is after the look at Redis, in the second, is gone for good.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from pipeline.config.namespace import CHANGELOG, TRIGGER_KINDS, Namespace, trigger_topic
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader
from pipeline.kafka.ranges import know, read_range
from pipeline.kafka.topics import read_namespace
from pipeline.serve.keys import parse_position, partition_of_profile, profile_key, profiles
from pipeline.serve.models import models_below
from pipeline.serve.rows import rows_of
from pipeline.serve.view import BESIDE, Answer, Batch, Row, View, What, open_view
from pipeline.state.partition import RESERVED
from pipeline.view.scores import Models

BATCH_RECORDS = 500

Progress = Callable[[int, int], None]
"""Hears how far the reading is, in offsets, and of how many."""


class Rebuilt(Struct):
    """Rows that were `written`, that Redis had already as new or `newer`, and profiles that were `removed`."""

    written: int = 0
    newer: int = 0
    removed: int = 0

    def count(self, answer: Answer) -> None:
        """Add what Redis has answered."""
        self.written += answer.written
        self.newer += answer.older


async def rebuild_view(settings: Settings, progress: Progress) -> Rebuilt:
    """Rebuild the whole view, triggers as well. Raises UserError where Kafka or Redis is missing at the start."""
    namespace = await read_namespace(settings)
    async with open_view(settings.redis, namespace, asyncio.Event()) as view, reader(settings) as consumer:
        done, found = 0, Rebuilt()
        begins, ends = await _spans(consumer, namespace, map(trigger_topic, TRIGGER_KINDS), range(namespace.partitions))
        of_triggers = sum(ends[tp] - begins[tp] for tp in ends)
        for tp, end in ends.items():
            async for records in _written(consumer, namespace, view, tp, begins[tp], end, {}, found):
                progress(done + records[-1].offset + 1 - begins[tp], of_triggers)
            done += end - begins[tp]
        everywhere = set(range(namespace.partitions))
        await _profiles(
            consumer, namespace, view, everywhere, found, lambda read, of: progress(done + read, of_triggers + of)
        )
    return found


async def rebuild_profiles(settings: Settings, namespace: Namespace, view: View, partitions: set[int]) -> Rebuilt:
    """Rebuild the profiles of some partitions. Raises UserError, StoppedError."""
    found = Rebuilt()
    async with reader(settings) as consumer:
        await _profiles(consumer, namespace, view, partitions, found, lambda _read, _of: None)
    return found


async def _profiles(
    consumer: AIOKafkaConsumer,
    namespace: Namespace,
    view: View,
    partitions: set[int],
    found: Rebuilt,
    progress: Progress,
) -> None:
    begins, ends = await _spans(consumer, namespace, [CHANGELOG], partitions)
    total, done = sum(ends[tp] - begins[tp] for tp in ends), 0
    seen = {tp.partition: array("q") for tp in ends}
    models: dict[TopicPartition, Models] = {}
    for tp, end in ends.items():
        models[tp] = await models_below(consumer, tp, end)
        async for records in _written(consumer, namespace, view, tp, begins[tp], end, models[tp], found):
            seen[tp.partition].extend(record.offset for record in records)
            progress(done + records[-1].offset + 1 - begins[tp], total)
        done += end - begins[tp]
    gone = await _not_seen(namespace, view, seen, {tp.partition: end for tp, end in ends.items()})
    _, later = await _spans(consumer, namespace, [CHANGELOG], partitions)
    for tp, end in later.items():
        keys = gone[tp.partition]
        async for records in _written(consumer, namespace, view, tp, ends[tp], end, models[tp], found):
            keys -= {_key(namespace, record) for record in records if not record.key.startswith(RESERVED)}
        rows = [Row(key, What.DELETE, view.position(end)) for key in sorted(keys)]
        found.removed += sum([answer.written async for answer in _answers(view, tp, namespace, end, rows)])
    progress(total, total)


async def _spans(
    consumer: AIOKafkaConsumer, namespace: Namespace, topics: Iterable[str], partitions: Iterable[int]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Where partitions begin, and where what is decided in them ends."""
    partitions = sorted(partitions)
    tps = [TopicPartition(namespace.topic(topic), partition) for topic in topics for partition in partitions]
    know(consumer, tps)
    return await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)


async def _written(
    consumer: AIOKafkaConsumer,
    namespace: Namespace,
    view: View,
    tp: TopicPartition,
    begin: int,
    end: int,
    models: Models,
    found: Rebuilt,
) -> AsyncIterator[list[Any]]:
    """The records of a stretch, once their rows are in Redis."""
    topic = tp.topic.removeprefix(f"{namespace.name}.")
    consumer.assign([tp])
    async for records in read_range(consumer, tp, begin, end):
        for i in range(0, len(records), BATCH_RECORDS):  # in short turns: those who serve may share the loop
            rows = rows_of(topic, namespace.name, namespace.epoch, records[i : i + BATCH_RECORDS], models)
            async for answer in _answers(view, tp, namespace, end, rows):
                found.count(answer)
        yield records


async def _answers(
    view: View, tp: TopicPartition, namespace: Namespace, end: int, rows: list[Row]
) -> AsyncIterator[Answer]:
    field, position = f"{tp.topic.removeprefix(f'{namespace.name}.')}-{tp.partition}", view.position(end)
    for i in range(0, len(rows), BATCH_RECORDS):
        batch = Batch(field, BESIDE, position, 0, rows[i : i + BATCH_RECORDS])
        for answer in await view.when_there(lambda batch=batch: view.write([batch])):  # type: ignore[misc]
            yield answer


async def _not_seen(
    namespace: Namespace, view: View, seen: dict[int, "array[int]"], ends: dict[int, int]
) -> dict[int, set[str]]:
    """Keys of profiles, by partition, whose version is of no record that was seen, and not from after the stretch."""
    gone: dict[int, set[str]] = defaultdict(set)
    async for key, version in view.scan(profiles(namespace.name)):
        partition = partition_of_profile(key, namespace.partitions)
        if partition not in seen or version > view.position(ends[partition]):
            continue
        epoch, offset = parse_position(version)
        offsets = seen[partition]
        place = bisect_left(offsets, offset - 1)
        if epoch != namespace.epoch or place == len(offsets) or offsets[place] != offset - 1:
            gone[partition].add(key)
    return gone


def _key(namespace: Namespace, record: Any) -> str:
    return profile_key(namespace.name, record.key.decode())
