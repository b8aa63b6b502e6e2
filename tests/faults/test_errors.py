"""What a process says and does where it cannot work at all: one line, soon, and a non-zero exit code."""

import asyncio
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewPartitions

from pipeline.config.namespace import CHANGELOG
from pipeline.kafka.clients import admin_client, connection
from pipeline.state.codec import FORMAT
from tests.faults.processes import Stage

REPLAY = ("replay", "simulated", "--sessions", "5")
COMMANDS = (("ingest",), ("worker",), ("learner",), ("verify",), ("status",), REPLAY)


def assert_one_line(done: "subprocess.CompletedProcess[str]", *parts: str) -> None:
    assert done.returncode != 0
    said = done.stderr.strip()
    assert said.startswith("pipeline: "), said
    assert "\n" not in said, said
    for words in parts:
        assert words in said


@pytest.fixture(scope="module")
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "no Kafka at 127.0.0.1:1"),
        ({"PIPELINE_INGEST_TICK_INTERVAL": "soon"}, "ingest.tick_interval"),
        ({"PIPELINE_NAMESPACE_NAME": "nobody"}, "namespace nobody does not exist"),
    ],
    ids=["no broker", "a wrong key", "no namespace"],
)
def test_what_cannot_work_is_one_line(stage_of, pool, environment: dict[str, str], words: str) -> None:
    stage: Stage = stage_of()
    started = time.monotonic()
    for done in pool.map(lambda command: stage.run(*command, **environment), COMMANDS):
        assert_one_line(done, words)
    assert time.monotonic() - started < 10 * len(COMMANDS) / 2


def test_a_customer_that_a_later_release_wrote_is_one_line_of_the_worker(stage_of) -> None:
    stage: Stage = stage_of()

    async def write() -> None:
        async with AIOKafkaProducer(**connection(stage.settings.kafka)) as producer:
            value = bytes([FORMAT + 1]) + msgspec.msgpack.encode([0])
            await producer.send_and_wait(f"{stage.name}.{CHANGELOG}", value, b"s|c|1", partition=0)

    asyncio.run(write())
    done = stage.run("worker")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    said = f"partition 0: a customer value of format {FORMAT + 1}, this version reads {FORMAT}: use the release that"
    assert any(said in line for line in done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize("topic", ["shop.clicks", "pipeline.log", "pipeline.changelog", "decisions"])
def test_a_topic_with_other_partitions_is_one_line(stage_of, topic: str) -> None:
    stage: Stage = stage_of()

    async def grow() -> None:
        async with admin_client(stage.settings) as admin:
            await admin.create_partitions({f"{stage.name}.{topic}": NewPartitions(3)})

    asyncio.run(grow())
    command = "ingest" if topic in ("shop.clicks", "pipeline.log") else "worker"
    assert_one_line(stage.run(command), f"{stage.name}.{topic} has 3 partitions, not 2")
