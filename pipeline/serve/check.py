"""Is Redis what Kafka says? Reads both, changes nothing, and may run while `serve` does."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import NamedTuple, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct, field
from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

from pipeline.config.namespace import CHANGELOG, TRIGGER_KINDS, Namespace, trigger_topic
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader
from pipeline.kafka.ranges import know, read_range
from pipeline.kafka.topics import read_namespace
from pipeline.serve.keys import TRIGGERS, partition_of_profile, profiles
from pipeline.serve.models import models_below
from pipeline.serve.rows import rows_of
from pipeline.serve.view import VERSION_PLACE, View, What, open_view
from pipeline.view.profile import decode_scores, parted
from pipeline.view.scores import Models, Versions, versions

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds without progress after which a view that is behind is judged as it is."""

ASKED_AT_ONCE = 500
SHOWN = 10
CLOSE_MS = 5_000
"""A trigger that expires about now is not judged: our clock is not that of Redis."""


class Finding(StrEnum):
    """What differs."""

    MISSING = "missing"
    OLDER = "older"
    DIFFERENT = "different"
    UNEXPECTED = "unexpected"


class Part(Struct):
    """Profiles, or triggers. `beyond`: not judged, for they are newer than what was read here, or expire just now."""

    equal: int = 0
    beyond: int = 0
    found: dict[Finding, int] = field(default_factory=lambda: dict.fromkeys(Finding, 0))


class Comparison(Struct):
    """Counts, and the first differences in words that name nobody.

    `scored_before` of the equal profiles have scores by earlier snapshots than the newest, which are not judged.
    """

    profiles: Part = field(default_factory=Part)
    triggers: Part = field(default_factory=Part)
    scored_before: int = 0
    first: list[str] = []

    @property
    def differences(self) -> int:
        """All that differs."""
        return sum(self.profiles.found.values()) + sum(self.triggers.found.values())

    def differ(self, part: Part, finding: Finding, what: str) -> None:
        """Count a difference."""
        part.found[finding] += 1
        if len(self.first) < SHOWN:
            self.first.append(f"{finding}: {what}")


class _Expected(NamedTuple):
    """A profile as it should be; `digest`, of all but the scores, is None where it was deleted.

    `scores` is the digest of what the newest snapshots say, those of `scored_by`.
    """

    version: bytes
    digest: int | None = None
    scores: int = 0
    scored_by: Versions = ()


class _Life(NamedTuple):
    """A trigger as it should be."""

    what: What
    expires: int


async def compare(
    settings: Settings, patience: float = PATIENCE, progress: Callable[[str], None] = lambda _: None
) -> Comparison:
    """Compare what Redis has with what the changelog and the trigger topics say, as far as they go now.

    Waits first until those who serve have come that far, `patience` seconds longer than they make progress.
    Raises UserError where Kafka or Redis is missing.
    """
    namespace = await read_namespace(settings)
    found = Comparison()
    async with open_view(settings.redis, namespace, asyncio.Event()) as view, reader(settings) as consumer:
        progress("the keys in Redis")
        there = {key async for key, _ in view.scan(TRIGGERS)}
        topics = [CHANGELOG, *map(trigger_topic, TRIGGER_KINDS)]
        tps = [TopicPartition(namespace.topic(t), p) for t in topics for p in range(namespace.partitions)]
        know(consumer, tps)
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        progress("how far Redis is")
        await _reached(namespace, view, ends, patience)
        known: set[int] = set()
        for tp in tps[: namespace.partitions]:
            progress(f"profiles of partition {tp.partition}")
            models = await models_below(consumer, tp, ends[tp])
            expected = await _profiles(consumer, namespace, tp, begins[tp], ends[tp], models)
            known.update(xxh3_64_intdigest(key.encode()) for key in expected)
            await _judge_profiles(view, expected, view.position(ends[tp]).encode(), models, found)
        progress("the triggers")
        lives: dict[str, _Life] = {}
        for tp in tps[namespace.partitions :]:
            await _triggers(consumer, namespace, tp, begins[tp], lives)
        await _judge_triggers(view, lives, found)
        for key in sorted(there - lives.keys()):
            found.differ(found.triggers, Finding.UNEXPECTED, key)
        progress("what else is in Redis")
        ends_of = {tp.partition: view.position(ends[tp]) for tp in tps[: namespace.partitions]}
        others = {
            key
            async for key, version in view.scan(profiles(namespace.name))
            if xxh3_64_intdigest(key.encode()) not in known
            and version <= ends_of.get(partition_of_profile(key, namespace.partitions), version)
        }
        for key in sorted(others):
            found.differ(found.profiles, Finding.UNEXPECTED, f"a profile (hash {xxh3_64_hexdigest(key.encode())})")
    return found


async def _reached(namespace: Namespace, view: View, ends: Mapping[TopicPartition, int], patience: float) -> None:
    goals = {f"{tp.topic.removeprefix(f'{namespace.name}.')}-{tp.partition}": end for tp, end in ends.items()}
    last, deadline = None, time.monotonic() + patience
    while time.monotonic() < deadline:
        stands = await view.when_there(view.stands)
        reached = {name: stands[name].offset for name in goals if name in stands}
        if all(reached.get(name, -1) >= end for name, end in goals.items()):
            return
        if reached != last:
            last, deadline = reached, time.monotonic() + patience
        await asyncio.sleep(0.1)


async def _profiles(
    consumer: AIOKafkaConsumer, namespace: Namespace, tp: TopicPartition, begin: int, end: int, models: Models
) -> dict[str, _Expected]:
    expected: dict[str, _Expected] = {}
    known: dict[Versions, Versions] = {}  # few, of many profiles
    consumer.assign([tp])
    async for records in read_range(consumer, tp, begin, end):
        for row in rows_of(CHANGELOG, namespace.name, namespace.epoch, records, models):
            if row.what is What.DELETE:
                expected[row.key] = _Expected(row.stamp.encode())
                continue
            rest, scores = parted(row.value)
            by = _scored_by(scores)
            digests = xxh3_64_intdigest(rest), xxh3_64_intdigest(scores)
            expected[row.key] = _Expected(row.stamp.encode(), *digests, known.setdefault(by, by))
    return expected


def _scored_by(scores: bytes) -> Versions:
    return versions(decode_scores(scores)) if scores else ()


async def _judge_profiles(
    view: View, expected: Mapping[str, _Expected], end: bytes, models: Models, found: Comparison
) -> None:
    part = found.profiles
    first, last = VERSION_PLACE
    for keys in _chunks(iter(expected)):
        for key, value in zip(keys, await view.when_there(lambda keys=keys: view.values(keys)), strict=True):  # type: ignore[misc]
            wanted = expected[key]
            version = b"" if value is None else value[first : last + 1]
            if version > end:
                part.beyond += 1
            elif value is None and wanted.digest is not None:
                found.differ(part, Finding.MISSING, f"the profile of version {wanted.version.decode()}")
            elif value is not None and wanted.digest is None:
                found.differ(part, Finding.UNEXPECTED, f"a profile deleted by version {wanted.version.decode()}")
            elif value is None:
                part.equal += 1
            elif (scored_now := _equal(value, wanted, models)) is not None:
                part.equal += 1
                found.scored_before += not scored_now
            else:
                finding = Finding.OLDER if version < wanted.version else Finding.DIFFERENT
                found.differ(part, finding, f"the profile of version {wanted.version.decode()}")


def _equal(value: bytes, wanted: _Expected, models: Models) -> bool | None:
    """Whether a profile that is as it should be has the newest scores; None where it is not.

    It is scored when it is written: what an earlier snapshot said then stands. But nothing is said that the stored
    customer gives no reason for, and what the newest snapshot says is that.
    """
    rest, scores = parted(value)
    if xxh3_64_intdigest(rest) != wanted.digest:
        return None
    if xxh3_64_intdigest(scores) == wanted.scores:
        return True
    try:
        by = _scored_by(scores)
    except msgspec.MsgspecError:
        return None
    if by == wanted.scored_by or any(head in models for head, _ in by if head not in dict(wanted.scored_by)):
        return None
    return False


async def _triggers(
    consumer: AIOKafkaConsumer, namespace: Namespace, tp: TopicPartition, begin: int, lives: dict[str, _Life]
) -> None:
    """Up to the end as it is now: after the keys in Redis were listed, so that each of those is found."""
    know(consumer, [tp])
    end = (await consumer.end_offsets([tp]))[tp]
    consumer.assign([tp])
    topic = tp.topic.removeprefix(f"{namespace.name}.")
    async for records in read_range(consumer, tp, begin, end):
        for row in rows_of(topic, namespace.name, namespace.epoch, records, {}):
            if row.what is What.CANCELLED or row.key not in lives:
                lives[row.key] = _Life(row.what, int(row.stamp))


async def _judge_triggers(view: View, lives: Mapping[str, _Life], found: Comparison) -> None:
    part = found.triggers
    for keys in _chunks(iter(lives)):
        states = await view.when_there(lambda keys=keys: view.lives(keys))  # type: ignore[misc]
        now = time.time_ns() // 1_000_000
        for key, (value, left) in zip(keys, states, strict=True):
            life = lives[key]
            if abs(life.expires - now) <= CLOSE_MS:
                part.beyond += 1
            elif life.expires < now:
                if value is None:
                    part.equal += 1
                else:
                    found.differ(part, Finding.UNEXPECTED, f"{key} has expired")
            elif value is None:
                found.differ(part, Finding.MISSING, key)
            elif value.decode() != life.what or abs(now + left - life.expires) > CLOSE_MS:
                found.differ(part, Finding.DIFFERENT, f"{key} should be {life.what}")
            else:
                part.equal += 1


def _chunks(keys: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(islice(keys, ASKED_AT_ONCE)):
        yield chunk
