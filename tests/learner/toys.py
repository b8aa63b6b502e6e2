"""A head for tests, examples of it, and a learner that runs on them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from random import Random

from aiokafka import AIOKafkaProducer

from pipeline.config.namespace import EXAMPLES, MODELS
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection, reader
from pipeline.kafka.topics import read_namespace
from pipeline.learner.desk import Cadence, Desk
from pipeline.learner.run import run_learner
from pipeline.learner.shelf import HeadShelf, Shelf, read_shelf
from pipeline.learning.head_spec import HeadSpec
from pipeline.scoring.example import FORMAT, Example, encode_example
from pipeline.scoring.features import Input, Prior, Spec

SPEC = Spec("toy", 1, inputs=(Input("views", "{} looked at", edges=(2, 5)),), priors=(Prior("base", "", 0.1),))
HEADS = {"toy": HeadSpec(SPEC)}
BY_COUNT = Cadence(100, 3_600.0)
"""Snapshots by the number of examples alone: how fast the machine is makes no difference."""
NOTHING = HeadShelf({}, None, 0)


def examples(count: int, seed: int = 1, slope: float = 0.08, first: int = 0) -> list[Example]:
    random = Random(seed)
    found = []
    for number in range(first, first + count):
        views = random.randrange(10)
        label = int(random.random() < min(max(0.05 + slope * views, 0.0), 1.0))
        made = 1_000_000 + number * 1_000
        found.append(Example(FORMAT, "toy", "s", str(number), 0, made, made + 60_000, SPEC.hash, (views,), label))
    return found


def uninterrupted(known: Iterable[Example]) -> Desk:
    """A head that has learned all of it without a break."""
    desk = Desk(HEADS["toy"], NOTHING, None, BY_COUNT)
    for example in known:
        desk.learn(example, 0.0)
        desk.cut_if_due(0.0, 0)
    return desk


async def feed(settings: Settings, values: Iterable[Example | bytes], partition: int = 0) -> None:
    """Publish examples as the engine does, in a transaction; what is bytes, as it is."""
    topic = f"{settings.namespace.name}.{EXAMPLES}"
    async with (
        AIOKafkaProducer(**connection(settings.kafka), transactional_id=f"{settings.namespace.name}-feed") as producer,
        producer.transaction(),
    ):
        for value in values:
            data = value if isinstance(value, bytes) else encode_example(value)
            await producer.send(topic, data, partition=partition)


async def tell(settings: Settings, key: bytes, value: bytes | None) -> None:
    """Write into the models topic."""
    async with AIOKafkaProducer(**connection(settings.kafka)) as producer:
        await producer.send_and_wait(f"{settings.namespace.name}.{MODELS}", value, key=key, partition=0)


async def shelf(settings: Settings) -> Shelf:
    """What the models topic holds."""
    async with reader(settings) as consumer:
        return (await read_shelf(consumer, await read_namespace(settings)))[0]


async def until(what: str, met: Callable[[], Awaitable[bool]], patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while not await met():
        assert time.monotonic() < deadline, f"after {patience:.0f} s still not so: {what}"
        await asyncio.sleep(0.1)


async def served(settings: Settings, version: int) -> Shelf:
    """Wait until this version is served."""
    found = await shelf(settings)

    async def is_served() -> bool:
        nonlocal found
        found = await shelf(settings)
        now = found.head("toy").served
        return now is not None and now.snapshot.version == version

    await until(f"version {version} is served", is_served)
    return found


@asynccontextmanager
async def learning(settings: Settings, cadence: Cadence = BY_COUNT) -> AsyncIterator["asyncio.Task[None]"]:
    """A learner of the toy head, beside the test. What it raised is raised at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_learner(settings, stop, HEADS, cadence))
    try:
        yield task
    finally:
        stop.set()
        await task
