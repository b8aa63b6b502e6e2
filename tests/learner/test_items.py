"""From touches to the tables of the next item, on a real Kafka: each is learned once, through kills and poison."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from pipeline.config.errors import UserError
from pipeline.config.namespace import ITEMS, TOUCHES
from pipeline.config.settings import MetricsSettings, Settings
from pipeline.kafka.clients import connection
from pipeline.learner.run import run_learner
from pipeline.local.ports import free_port
from pipeline.next_item.position import POSITION_KEY, Position, encode_position
from pipeline.next_item.rows import FORMAT, RowKind, encode_key
from pipeline.next_item.shelf import Shelf
from pipeline.next_item.touch import Touch, encode_touch, encode_touches
from tests.learner.item_rows import rows, touched
from tests.learner.toys import until

SettingsOf = Callable[..., Settings]
ROOT = Path(__file__).parents[2]


def touches(count: int, seed: int = 1) -> list[Touch]:
    """Of thirty products, each after two others."""
    random = Random(seed)
    names = [f"sku-{number}" for number in range(30)]
    return [
        Touch("s", *random.sample(names, 1), "shoes", tuple(random.sample(names, 2)), new=True) for n in range(count)
    ]


async def feed(settings: Settings, records: Iterable[bytes], partition: int = 0) -> None:
    """Publish as a worker does, in a transaction."""
    name = settings.namespace.name
    async with (
        AIOKafkaProducer(**connection(settings.kafka), transactional_id=f"{name}-feed-{partition}") as producer,
        producer.transaction(),
    ):
        for record in records:
            await producer.send(f"{name}.{TOUCHES}", record, partition=partition)


def records(known: list[Touch]) -> list[bytes]:
    encoded = [encode_touch(touch) for touch in known]
    return [encode_touches(encoded[first : first + 20]) for first in range(0, len(encoded), 20)]


async def until_touched(settings: Settings, wanted: Counter[str]) -> None:
    async def is_so() -> bool:
        return await touched(settings) == wanted

    await until(f"the tables have {wanted.total()} touches", is_so)


async def scraped(port: int, page: str = "metrics") -> str:
    url = f"http://127.0.0.1:{port}/{page}"
    return (await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())).decode()


async def ready(port: int) -> bool:
    try:
        return bool(await scraped(port, "readyz"))
    except OSError:
        return False


@asynccontextmanager
async def learning(settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_learner(settings, stop, {}))
    try:
        yield
    finally:
        stop.set()
        await task


def test_touches_become_rows_that_suggest(settings: Settings) -> None:
    async def play() -> Shelf:
        async with learning(settings):
            trail = [
                Touch("s", "a", "shoes", (), new=True),
                Touch("s", "b", "shoes", ("a",), new=True),
                Touch("s", "c", "shoes", ("b", "a"), new=True),
            ] * 5
            await feed(settings, records(trail))
            await until_touched(settings, Counter(a=5, b=5, c=5))
        shelf = Shelf()
        for key, value in (await rows(settings)).items():
            shelf.put(key, value)
        return shelf

    found = asyncio.run(play()).suggest("s", {"b": 64}, 3, lambda _: True)
    assert [suggestion.item for suggestion in found] == ["c", "a"]


def killed(settings: Settings, folder: Path, wanted: Counter[str]) -> None:
    """Start a learner, and kill it as a power cut would, once its tables have these touches, while more are read."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "PIPELINE_"))},
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "PIPELINE_NAMESPACE_NAME": settings.namespace.name,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "learner"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        asyncio.run(until_touched(settings, wanted))
        asyncio.run(feed(settings, records(touches(100, seed=9))))  # read, and not yet in a transaction
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (folder / "log").read_text()


def test_a_learner_that_is_killed_learns_each_touch_once(settings: Settings, tmp_path: Path) -> None:
    known = touches(400)
    asyncio.run(feed(settings, records(known[:200])))
    wanted = Counter(touch.item for touch in known[:200])
    killed(settings, tmp_path, wanted)
    asyncio.run(feed(settings, records(known[200:]), partition=1))
    wanted += Counter(touch.item for touch in [*known[200:], *touches(100, seed=9)])

    async def go_on() -> None:
        async with learning(settings):
            await until_touched(settings, wanted)

    asyncio.run(go_on())


def test_what_is_no_touches_is_counted_and_the_rest_is_learned(settings: Settings) -> None:
    port = free_port()
    watched = replace(settings, metrics=MetricsSettings(learner_port=port))
    good = touches(40)

    async def play() -> str:
        async with learning(watched):
            first, second = records(good)
            await feed(settings, [first, b"\xc1", b"", b"\x09" + first[1:], second])
            await until_touched(settings, Counter(touch.item for touch in good))
            return await scraped(port)

    text = asyncio.run(play())
    assert 'pipeline_next_item_refused_total{reason="unreadable"} 3.0' in text
    assert "pipeline_next_item_touches_total 40.0" in text
    assert 'pipeline_next_item_lag_records{partition="0"} 0.0' in text
    rows = len({touch.item for touch in good}) + len(["shoes", ""])
    assert f"pipeline_next_item_rows {rows}.0" in text


async def write(settings: Settings, entries: dict[bytes, bytes]) -> None:
    """Into the rows, as somebody else."""
    async with AIOKafkaProducer(**connection(settings.kafka)) as producer:
        for key, value in entries.items():
            await producer.send_and_wait(f"{settings.namespace.name}.{ITEMS}", value, key=key, partition=0)


def test_rows_that_cannot_be_read_are_passed_over_counted_and_learned_anew(settings: Settings) -> None:
    port = free_port()
    watched = replace(settings, metrics=MetricsSettings(learner_port=port))
    trail = [Touch("s", item, "", (), new=True) for item in "abcd"]
    bad = {encode_key("s", RowKind.ITEM, "a"): b"\x02\xc1", encode_key("s", RowKind.ITEM, "b"): b"\x63", b"?": b"?"}

    async def is_mended() -> bool:
        return not bad.keys() & (await rows(settings)).keys()

    async def play() -> str:
        async with learning(settings):
            await feed(settings, records(trail))
            await until_touched(settings, Counter("abcd"))
        await write(settings, bad)
        async with learning(watched):
            await until("they are out of the topic", is_mended)
            assert await touched(settings) == Counter("cd")
            await feed(settings, records(trail))
            await until_touched(settings, Counter("abccdd"))
            return await scraped(port)

    assert "pipeline_next_item_unreadable_rows_total 3.0" in asyncio.run(play())


def test_no_touch_is_counted_twice_where_the_position_is_lost(settings: Settings) -> None:
    port = free_port()
    watched = replace(settings, metrics=MetricsSettings(learner_port=port))

    async def play() -> str:
        async with learning(settings):
            await feed(settings, records([Touch("s", "a", "", (), new=True)]))
            await until_touched(settings, Counter("a"))
        await write(settings, {POSITION_KEY: b"\xc1"})
        await feed(settings, records([Touch("s", "b", "", (), new=True)]))
        async with learning(watched):
            await until("it is ready", lambda: ready(port))
            await feed(settings, records([Touch("s", "c", "", (), new=True)]))
            await until_touched(settings, Counter("ac"))
            return await scraped(port)

    assert 'pipeline_next_item_refused_total{reason="unplaced"} 4.0' in asyncio.run(play())


def test_what_a_later_release_has_written_is_refused_in_one_line(settings: Settings) -> None:
    async def play() -> None:
        await write(settings, {POSITION_KEY: encode_position(Position(FORMAT + 1, {}))})
        words = rf"pipeline.items was written by a later release .*{FORMAT + 1}, this version reads {FORMAT}.*use that"
        with pytest.raises(UserError, match=words):
            await run_learner(settings, asyncio.Event(), {})

    asyncio.run(play())
