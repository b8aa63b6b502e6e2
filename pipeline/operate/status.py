"""How a namespace stands: each partition of the log, what its clock waits for, and how far ingest is behind."""

import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct, json, msgpack

from pipeline.config.namespace import CHANGELOG, LOG, Mode, Namespace
from pipeline.config.policy import Policy, decode_policy
from pipeline.config.settings import Settings
from pipeline.engine.flow import orders_silent
from pipeline.kafka.clients import reader
from pipeline.kafka.groups import group_offsets, ingest_group
from pipeline.kafka.ranges import know, newest_rows
from pipeline.kafka.topics import read_namespace
from pipeline.log.rows import NamespaceRow, PolicyRow
from pipeline.state.partition import (
    CLOCK_KEY,
    NAMESPACE_KEY,
    POLICY_KEY,
    POSITION_KEY,
    Clock,
    Position,
    decode_clock,
    decode_position,
)


class PartitionStatus(Struct):
    """A partition of the log. Times are epoch milliseconds, lengths milliseconds; None where there is none yet."""

    partition: int
    position: int
    behind: int
    clock: int | None
    clock_lag: int | None
    """Behind the wall clock, in a live namespace."""
    waits_for: list[str]
    """The sources with the smallest watermark, or all that never reported."""
    unreported: bool
    silent_sites: list[str]
    customers: int
    timers: int
    engine: str


class SourceStatus(Struct):
    """A source topic, its partitions together. `behind`: records that ingest has not committed."""

    topic: str
    records: int
    behind: int


class Status(Struct):
    """All of it."""

    namespace: str
    mode: str
    partitions: list[PartitionStatus]
    sources: list[SourceStatus]


async def read_status(settings: Settings) -> Status:
    """Read how the namespace stands. Raises UserError where it does not exist."""
    namespace = await read_namespace(settings)
    committed = await group_offsets(settings, ingest_group(namespace))
    async with reader(settings) as consumer:
        sources = await _sources(consumer, namespace, committed)
        log = [TopicPartition(namespace.topic(LOG), p) for p in range(namespace.partitions)]
        know(consumer, log)
        ends = await consumer.end_offsets(log)
        now = time.time_ns() // 1_000_000 if namespace.mode is Mode.LIVE else None
        partitions = []
        for tp in log:
            changelog = TopicPartition(namespace.topic(CHANGELOG), tp.partition)
            keys = [POSITION_KEY, CLOCK_KEY, NAMESPACE_KEY, POLICY_KEY]
            rows = {key: record.value for key, record in (await newest_rows(consumer, changelog, keys)).items()}
            partitions.append(_partition(namespace, tp.partition, ends[tp], rows, now))
    return Status(namespace.name, namespace.mode.value, partitions, sources)


async def _sources(
    consumer: AIOKafkaConsumer, namespace: Namespace, committed: Mapping[TopicPartition, int]
) -> list[SourceStatus]:
    places = [TopicPartition(namespace.topic(s.topic), s.partition) for s in namespace.sources]
    know(consumer, places)
    ends = await consumer.end_offsets(places)
    begins = await consumer.beginning_offsets(places)
    found: dict[str, SourceStatus] = {}
    for source, tp in zip(namespace.sources, places, strict=True):
        status = found.setdefault(source.topic, SourceStatus(source.topic, 0, 0))
        status.records += ends[tp] - begins[tp]
        status.behind += max(0, ends[tp] - max(begins[tp], committed.get(tp, 0)))
    return list(found.values())


def _partition(
    namespace: Namespace, partition: int, end: int, rows: Mapping[bytes, bytes], now: int | None
) -> PartitionStatus:
    position = decode_position(rows[POSITION_KEY]) if POSITION_KEY in rows else Position()
    clock = decode_clock(rows[CLOCK_KEY]) if CLOCK_KEY in rows else Clock()
    waits_for, unreported = _waits_for(_known(namespace, rows), clock)
    return PartitionStatus(
        partition=partition,
        position=position.offset,
        behind=max(0, end - position.offset),
        clock=clock.now or None,
        clock_lag=now - clock.now if now is not None and clock.now else None,
        waits_for=waits_for,
        unreported=unreported,
        silent_sites=_silent_sites(clock, rows),
        customers=position.rows,
        timers=position.timers,
        engine=position.engine,
    )


def _known(namespace: Namespace, rows: Mapping[bytes, Any]) -> Namespace:
    """The namespace as the partition knows it: its clock waits for these sources."""
    if NAMESPACE_KEY not in rows:
        return namespace
    return json.decode(msgpack.decode(rows[NAMESPACE_KEY], type=NamespaceRow).body, type=Namespace)


def _waits_for(namespace: Namespace, clock: Clock) -> tuple[list[str], bool]:
    """Names of the sources that hold the clock back, and whether that is because they never reported."""
    marks = {i: clock.marks.get(i, 0) for i in namespace.clocked()}
    least = min(marks.values(), default=0)
    sources = [namespace.sources[i] for i, mark in marks.items() if mark == least]
    return [f"{source.topic}-{source.partition}" for source in sources], not least


def _silent_sites(clock: Clock, rows: Mapping[bytes, bytes]) -> list[str]:
    """Sites whose orders have gone silent, so that their cart triggers are held."""
    policy = Policy()
    if POLICY_KEY in rows:
        policy = decode_policy(msgpack.decode(rows[POLICY_KEY], type=PolicyRow).body)
    return sorted(
        site for site, flow in clock.sites.items() if orders_silent(flow, int(policy.site(site).order.silent_after))
    )
