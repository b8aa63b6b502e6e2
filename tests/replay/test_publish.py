"""Histories in a real Kafka: every event once, in order, at its own time; the clock in every partition; never live."""

import asyncio
import json
import time
from collections import Counter
from itertools import pairwise
from zlib import crc32

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from msgspec.structs import replace

from pipeline.config.errors import UserError
from pipeline.config.namespace import CLOCKED_SOURCES, MODELS, SOURCES, Mode
from pipeline.config.settings import Settings
from pipeline.events.click import PageView
from pipeline.kafka.clients import reader
from pipeline.kafka.topics import apply
from pipeline.replay.history import History, Span, shifted, simulated
from pipeline.replay.pace import RealTime
from pipeline.replay.publish import SETTLE, Summary, publish
from pipeline.simulator import Happening, SimulatedShop

MINUTE = 60_000
DAY = 86_400_000
SHOP = SimulatedShop(sessions=1_500, customers=200, duration_ms=DAY)

Partitions = dict[tuple[str, int], list[ConsumerRecord]]


async def read_all(settings: Settings) -> Partitions:
    async with reader(settings) as consumer:
        places = [
            TopicPartition(f"{settings.namespace.name}.{topic}", p)
            for topic in SOURCES
            if topic not in ("pipeline.control", MODELS)
            for p in range(settings.topics.partitions)
        ]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        records: Partitions = {(p.topic.partition(".")[2], p.partition): [] for p in places}
        while sum(map(len, records.values())) < sum(ends.values()):
            for place, batch in (await consumer.getmany(timeout_ms=500)).items():
                records[place.topic.partition(".")[2], place.partition] += batch
        return records


def replayed(settings: Settings, history: History, mode: Mode = Mode.REPLAY, **options) -> tuple[Summary, Partitions]:
    async def run() -> tuple[Summary, Partitions]:
        await apply(settings, mode)
        summary = await publish(settings, history, **options)
        return summary, await read_all(settings)

    return asyncio.run(run())


def is_clock(record: ConsumerRecord) -> bool:
    return json.loads(record.value)["type"] == "clock"


def views(*minutes: float) -> History:
    """A visitor's page views at these minutes of a day long ago."""
    start = 1_600_000_000_000

    def tell():
        for i, minute in enumerate(minutes):
            at = start + round(minute * MINUTE)
            event = PageView(event_id=str(i), site_id="s", occurred_at=at, customer_id="c")
            yield Happening(at, "shop.clicks", "s|c|c", event)

    return History("views", Span(len(minutes), start, start + round(minutes[-1] * MINUTE)), tell)


def test_a_simulated_shop(settings_of):
    history = simulated(SHOP)
    summary, records = replayed(settings_of(partitions=3), history)
    told = list(history.tell())
    assert summary.events == Counter(h.topic for h in told)
    assert (summary.first_ms, summary.last_ms) == history.span[1:]

    for (topic, partition), found in records.items():
        events = [r for r in found if not is_clock(r)]
        expected = [h for h in told if h.topic == topic and crc32(h.key.encode()) % 3 == partition]
        assert [json.loads(r.value)["event_id"] for r in events] == [h.event.event_id for h in expected]
        assert [(r.key, r.timestamp) for r in events] == [(h.key.encode(), h.at_ms) for h in expected]
        assert all(r.timestamp_type == 0 for r in events)
        assert bool(len(found) > len(events)) == (topic in CLOCKED_SOURCES)

    clocks = sum(is_clock(r) for found in records.values() for r in found)
    assert clocks == summary.clocks
    assert clocks - 15 <= 1.1 * len(told) / 5


def test_a_clock_record_never_says_more_than_was_written(settings_of):
    history = simulated(SHOP)
    summary, records = replayed(settings_of(partitions=2), history)
    for (topic, _), found in records.items():
        if topic not in CLOCKED_SOURCES:
            continue
        clock, clocks = 0, []
        for record in found:
            if is_clock(record):
                assert record.key is None
                clock = json.loads(record.value)["at"]
                clocks.append(clock)
                assert record.timestamp == clock
            else:
                assert record.timestamp > clock
        assert clocks == sorted(set(clocks))
        assert clocks[-1] == history.span.last_ms + SETTLE == summary.clock_ms
        assert all(b - a >= MINUTE for a, b in pairwise(clocks))


def test_silence_is_told_by_the_clock_as_well(settings_of):
    history = views(*(i / 100 for i in range(1_000)), 15)
    _, records = replayed(settings_of(partitions=1), history)
    for topic in CLOCKED_SOURCES:
        clocks = [json.loads(r.value)["at"] for r in records[topic, 0] if is_clock(r)]
        minutes = [(at - history.span.first_ms) / MINUTE for at in clocks]
        assert minutes[:10] == list(range(1, 11))
        assert sum(10 < minute < 15 for minute in minutes) >= 2
        assert minutes[-1] == 15 + 4 * 24 * 60


def test_a_history_that_begins_before_the_namespaces_clock_is_refused(settings_of):
    settings = settings_of(partitions=1)
    _, before = replayed(settings, views(0, 10))
    with pytest.raises(UserError, match=r"stands at 2020-09-17 12:36:40 UTC after an earlier replay, and this history"):
        replayed(settings, views(20))
    assert asyncio.run(read_all(settings)).keys() == before.keys()
    assert sum(map(len, asyncio.run(read_all(settings)).values())) == sum(map(len, before.values()))
    summary, _ = replayed(settings, shifted(views(0), SETTLE + 10 * MINUTE))
    assert summary.events == {"shop.clicks": 1}


def test_live_is_refused_and_nothing_is_written(settings_of):
    settings = settings_of()

    async def run() -> Partitions:
        await apply(settings, Mode.LIVE)
        with pytest.raises(UserError, match=r"is live, and a history must never reach people.*--mode replay"):
            await publish(settings, views(0))
        return await read_all(settings)

    assert not any(asyncio.run(run()).values())


def test_a_shifted_history_ends_now_and_its_last_clock_is_ahead(settings_of):
    now = time.time_ns() // 1_000_000
    history = views(0, 10, 20)
    _, records = replayed(settings_of(partitions=1), shifted(history, now - history.span.last_ms), Mode.TEST)
    events = [r for r in records["shop.clicks", 0] if not is_clock(r)]
    last = records["shop.clicks", 0][-1]
    assert [r.timestamp for r in events] == [now - 20 * MINUTE, now - 10 * MINUTE, now]
    assert [json.loads(r.value)["occurred_at"] for r in events] == [r.timestamp for r in events]
    assert json.loads(last.value)["at"] == now + SETTLE
    assert now <= last.timestamp <= time.time_ns() // 1_000_000


def test_a_history_of_the_future_is_refused(settings_of):
    settings = settings_of()
    history = views(0)
    with pytest.raises(UserError, match="reaches into the future: add --shift"):
        replayed(settings, shifted(history, time.time_ns() // 1_000_000 + DAY - history.span.last_ms))


def test_speed_is_a_multiple_of_the_historys_own_time(settings_of):
    told: list[int] = []
    started = time.monotonic()
    summary, records = replayed(
        settings_of(partitions=1), views(*(i / 60 for i in range(61))), pace=RealTime(60.0), progress=told.append
    )
    assert 0.95 <= summary.seconds <= time.monotonic() - started
    assert summary.seconds < 5
    assert told[-1] == 61
    assert len([r for r in records["shop.clicks", 0] if not is_clock(r)]) == 61


def test_a_namespace_or_broker_that_is_missing_is_a_user_error(settings_of):
    with pytest.raises(UserError, match="does not exist"):
        asyncio.run(publish(settings_of(), views(0)))
    settings = Settings()
    settings = replace(settings, kafka=replace(settings.kafka, bootstrap_servers="127.0.0.1:1"))
    with pytest.raises(UserError, match=r"no Kafka at 127\.0\.0\.1:1"):
        asyncio.run(publish(settings, views(0)))
