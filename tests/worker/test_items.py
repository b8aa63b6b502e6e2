"""The rows that a worker suggests from, on a real Kafka: they come, they go, and without them nothing fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from pipeline.config.namespace import ITEMS, Mode, Namespace, new_namespace
from pipeline.config.settings import Settings
from pipeline.kafka.clients import admin_client, connection
from pipeline.kafka.topics import apply
from pipeline.next_item.position import POSITION_KEY, Position, encode_position
from pipeline.next_item.rows import FORMAT
from pipeline.next_item.shelf import Shelf
from pipeline.next_item.suggestion import Source
from pipeline.next_item.tables import LEAST_PEOPLE, Tables
from pipeline.next_item.touch import Touch
from pipeline.triggers.contract import Suggestion, Why
from pipeline.worker import items
from pipeline.worker.items import ItemsReader
from pipeline.worker.items_metrics import ShelfMetrics
from tests.learner.toys import until

Rows = list[tuple[bytes, bytes | None]]


class Worker:
    """What of a worker suggests, and what it shows of that."""

    def __init__(self, settings: Settings, namespace: Namespace) -> None:
        self.registry = CollectorRegistry()
        self.reader = ItemsReader(namespace, connection(settings.kafka), ShelfMetrics(self.registry))

    def suggests(self, *recent: str) -> tuple[Suggestion, ...]:
        return self.reader.suggest("s", dict.fromkeys(recent, 64), lambda _: True)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"pipeline_next_item_{name}", labels)


@asynccontextmanager
async def reading(settings: Settings, namespace: Namespace) -> AsyncIterator[Worker]:
    worker = Worker(settings, namespace)
    task = asyncio.create_task(worker.reader.run())
    try:
        yield worker
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def rows(*trail: str) -> Rows:
    """Of visits to these items by as many people as it takes for them to be told."""
    tables = Tables()
    for place, item in [*enumerate(trail)] * LEAST_PEOPLE:
        tables.observe(Touch("s", item, "shoes", tuple(reversed(trail[:place])), new=True))
    return tables.changed(1_000)


async def write(settings: Settings, entries: Rows) -> None:
    async with AIOKafkaProducer(**connection(settings.kafka)) as producer:
        for key, value in entries:
            await producer.send_and_wait(f"{settings.namespace.name}.{ITEMS}", value, key=key, partition=0)


async def delete(settings: Settings) -> None:
    name = f"{settings.namespace.name}.{ITEMS}"
    async with admin_client(settings) as admin:
        await admin.delete_topics([name])
        while name in {one["topic"] for one in await admin.describe_topics()}:
            pass


def test_rows_are_suggested_from_as_they_come_and_go(settings_of: Callable[..., Settings]) -> None:
    async def play() -> None:
        settings = settings_of()
        namespace = (await apply(settings, Mode.TEST)).namespace
        async with reading(settings, namespace) as worker:
            assert worker.suggests("a") == ()
            known = rows("a", "b")
            await write(settings, [*known, (POSITION_KEY, b"\x80")])
            await until("there are rows", lambda: _is(worker.value("shelf_rows") == len(known)))
            assert worker.suggests("a") == (Suggestion("b", Why.TOGETHER, "a"),)
            assert [worker.value("queries_total", result=result) for result in ("none", "some")] == [0, 1]
            assert worker.value("suggested_total", why="together") == 1
            await until("all is read", lambda: _is(worker.value("shelf_lag_records") == 0))
            await write(settings, [(key, None) for key, _ in known])
            await until("there are none", lambda: _is(worker.value("shelf_rows") == 0))
            assert worker.suggests("a") == ()

    asyncio.run(play())


def test_a_topic_that_is_missing_is_waited_for_and_said_once(
    settings_of: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(items, "RETRY", 0.1)

    async def play() -> None:
        settings = settings_of()
        namespace = (await apply(settings, Mode.TEST)).namespace
        await delete(settings)
        async with reading(settings, namespace) as worker:
            await asyncio.sleep(1)
            assert worker.suggests("a") == ()
            assert worker.suggests("a", "b") == ()
            await apply(settings, Mode.TEST)
            await write(settings, rows("a", "b"))
            await until("there are rows", lambda: _is(worker.value("shelf_rows") > 0))

    asyncio.run(play())
    said = [record.message for record in caplog.records if record.name == items.__name__]
    assert len([line for line in said if f"{ITEMS} does not exist" in line]) == 1


def position(began: int) -> tuple[bytes, bytes]:
    return POSITION_KEY, encode_position(Position(FORMAT, {}, began))


def test_rows_of_a_topic_that_was_made_anew_take_the_place_of_all_before(
    settings_of: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "RETRY", 0.1)

    async def play() -> None:
        settings = settings_of()
        namespace = (await apply(settings, Mode.TEST)).namespace
        await write(settings, [*rows("a", "b"), position(began=1_000)])
        async with reading(settings, namespace) as worker:
            await until("there are rows", lambda: _is(worker.suggests("a") != ()))
            await delete(settings)
            await apply(settings, Mode.TEST)
            made_anew = [*rows("c", "d"), position(began=2_000)]  # as with each write of the learner's
            await write(settings, made_anew * 2)
            await until("the new rows are there", lambda: _is(worker.suggests("c") != ()))
            await until("the old ones are gone", lambda: _is(worker.suggests("a") == ()), patience=30)

    asyncio.run(play())


def test_when_it_last_had_all_rows_shows_and_stays_where_it_cannot_read(
    settings_of: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "RETRY", 0.1)

    async def play() -> None:
        settings = settings_of()
        namespace = (await apply(settings, Mode.TEST)).namespace
        began = time.time()
        async with reading(settings, namespace) as worker:
            await until("it has read", lambda: _is(worker.value("shelf_read_timestamp_seconds") > began))
            await delete(settings)
            await asyncio.sleep(1.2)
            stuck = worker.value("shelf_read_timestamp_seconds")
            await asyncio.sleep(1.2)
            assert worker.value("shelf_lag_records") == 0
            assert worker.value("shelf_read_timestamp_seconds") == stuck < time.time() - 1
            await apply(settings, Mode.TEST)
            await until("it reads again", lambda: _is(worker.value("shelf_read_timestamp_seconds") > stuck + 1))

    asyncio.run(play())


def test_what_cannot_be_suggested_costs_no_event(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Shelf, "suggest", broken)
    monkeypatch.setattr(Shelf, "__len__", lambda _: 1)
    worker = Worker(Settings(), new_namespace("t", Mode.TEST, 1))
    assert [worker.suggests("a"), worker.suggests("a")] == [(), ()]
    assert worker.value("queries_total", result="failed") == 2
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_every_ranking_has_its_word_in_the_contract() -> None:
    assert {source.value for source in Source} == {why.value for why in Why}


async def _is(met: bool) -> bool:
    return met
