"""Real processes, killed while rows come; a Redis that loses everything; and Redis equals the changelog after all."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline.config.settings import RedisSettings, Settings
from pipeline.local.ports import free_port
from pipeline.serve.check import compare
from pipeline.serve.valkey import start_valkey
from tests.serve.feed import Feed, customer, feeding, person, trigger

NOW = 1_772_474_400_000
PEOPLE = 200


class Served:
    """Processes of `pipeline serve` on a Redis of their own."""

    def __init__(self, stack: ExitStack, settings: Settings, log: Path) -> None:
        self._stack, self._settings, self.log = stack, settings, log

    def start(self) -> "subprocess.Popen[bytes]":
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "PIPELINE_", "REDIS_"))} | {
            "KAFKA_BOOTSTRAP_SERVERS": self._settings.kafka.bootstrap_servers,
            "PIPELINE_NAMESPACE_NAME": self._settings.namespace.name,
            "REDIS_URL": self._settings.redis.url,
        }
        command = [sys.executable, "-m", "pipeline", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=self.log.open("ab"), stderr=subprocess.STDOUT)
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def rounds(feed: Feed, first: int, last: int) -> None:
    """Many small transactions: every person changes, some go and come back, triggers are emitted and taken back."""
    for i in range(first, last):
        rows = [(person(n), customer(NOW + i)) for n in range(PEOPLE) if n % 5 != i % 5]
        await feed.rows([*rows, (person(i % PEOPLE), None)])
        await feed.trigger(trigger(f"t{i}", 900), i % 2)
        if i % 3 == 0:
            await feed.trigger(trigger(f"t{i}", 900, cancelled=True), i % 2)


def test_redis_equals_the_changelog_after_kills_and_an_emptied_redis(
    viewed: Settings, stack: ExitStack, tmp_path: Path
) -> None:
    port = free_port()
    settings = replace(viewed, redis=RedisSettings(url=f"redis://127.0.0.1:{port}/0"))
    served = Served(stack, settings, tmp_path / "serve.log")

    async def play() -> None:
        async with feeding(settings) as feed:
            valkey = stack.enter_context(start_valkey(port))
            one, two = served.start(), served.start()
            await rounds(feed, 0, 30)
            one.send_signal(signal.SIGKILL)
            two.send_signal(signal.SIGSTOP)  # it comes back when others have long gone on
            three = served.start()
            await rounds(feed, 30, 60)
            judged = await compare(settings, patience=40)
            assert (judged.differences, judged.profiles.equal) == (0, PEOPLE), judged.first
            valkey.kill()
            await rounds(feed, 60, 80)
            two.send_signal(signal.SIGCONT)
            stack.enter_context(start_valkey(port))
            judged = await compare(settings, patience=40)
            assert (judged.differences, judged.profiles.equal) == (0, PEOPLE), judged.first
            assert judged.triggers.equal == 80
            for process in (two, three):
                assert process.poll() is None
                process.terminate()
            assert [await asyncio.to_thread(process.wait, 20) for process in (two, three)] == [0, 0]

    try:
        asyncio.run(play())
    finally:
        print(served.log.read_text())  # noqa: T201  # shown where the test has failed
    assert "is away" in served.log.read_text()
    assert "is back after" in served.log.read_text()
