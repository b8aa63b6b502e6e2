"""Frames that a full queue could not take are read again, also where the log ends behind them and nothing follows.

One runner alone, with frames that say nothing: it decides and writes nothing that could be verified or served.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import RequestTimedOutError

from pipeline.config.settings import Settings
from pipeline.log.frames import MAX_FRAME_BYTES
from pipeline.triggers.site_now import no_suggestions
from pipeline.worker.runner import QUEUE_BYTES, Runner

FRAMES = 300
FRAME = bytes(MAX_FRAME_BYTES)


class BurstingLog:
    """Delivers all that there is at once, as fast as it can, from wherever it is asked to."""

    runner: Any

    def __init__(self) -> None:
        self.seeks: list[int] = []
        self.faults: list[Exception] = []

    async def bounds(self, partition: int) -> tuple[int, int]:
        return 0, FRAMES

    async def seek(self, partition: int, offset: int) -> None:
        if self.faults:
            raise self.faults.pop()
        self.seeks.append(offset)
        for number in range(offset, FRAMES):
            self.runner.offer(number, FRAME)


@pytest.fixture
def runner(namespace) -> Runner:
    def ignore(*_: object) -> None:
        pass

    where = SimpleNamespace(name=namespace())
    metrics = SimpleNamespace(clock=ignore, closed=ignore)
    return Runner(Settings(), where, 0, {}, BurstingLog(), metrics, no_suggestions, ignore)  # type: ignore[arg-type]


def test_a_burst_longer_than_the_queue(runner: Any) -> None:
    read_all(runner, within=4.5)
    assert len(runner._log.seeks) <= FRAMES * MAX_FRAME_BYTES // QUEUE_BYTES + 3


@pytest.mark.parametrize("fault", [RequestTimedOutError(), RuntimeError("the consumer's thread is gone")])
def test_a_seek_that_fails_is_tried_again(runner: Any, fault: Exception) -> None:
    runner._log.faults.append(fault)
    read_all(runner, within=8)


def read_all(runner: Any, within: float) -> None:
    applied: list[int] = []

    def apply(offset: int, _: bytes) -> None:
        applied.append(offset)
        engine.position.offset = offset + 1

    engine = SimpleNamespace(
        apply=apply, pending=False, position=SimpleNamespace(offset=0), clock=SimpleNamespace(now=0), held_sites=[]
    )

    async def run() -> None:
        runner._log.runner, runner.ready = runner, True
        folding = asyncio.create_task(runner._fold(engine, None, None, 0))
        runner._seek_soon()
        try:
            async with asyncio.timeout(within):
                while len(applied) < FRAMES:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            folding.cancel()
            await runner.close()

    asyncio.run(run())
    assert applied == list(range(FRAMES))
