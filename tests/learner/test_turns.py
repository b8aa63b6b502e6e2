"""The parts of the learner beside each other: none waits for another, and all must turn."""

import asyncio

import pytest

from pipeline.learner.run import take_turns
from pipeline.monitor.health import Health


class Turning:
    """A part that has nothing to do."""

    def __init__(self) -> None:
        self.steps = 0

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def missing(self) -> list[str]:
        return []

    async def step(self) -> None:
        self.steps += 1
        await asyncio.sleep(0.01)


class Hanging(Turning):
    """A part that waits for an answer that never comes."""

    async def step(self) -> None:
        await asyncio.Event().wait()


class Failing(Turning):
    """A part that fails at its third step."""

    async def step(self) -> None:
        await super().step()
        if self.steps == 3:
            raise ZeroDivisionError


async def turned_for(seconds: float, health: Health, *parts: Turning) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    async with asyncio.timeout(seconds + 0.2):
        await take_turns(parts, stop, health)


def test_the_process_is_alive_while_all_parts_turn() -> None:
    health = Health(stalled_after=200)
    asyncio.run(turned_for(0.5, health, Turning(), Turning()))
    assert health.not_alive() == []


def test_a_part_that_hangs_does_not_hold_up_the_others_and_the_process_is_no_longer_alive() -> None:
    health, other = Health(stalled_after=200), Turning()
    with pytest.raises(TimeoutError):
        asyncio.run(turned_for(0.3, health, other, Hanging()))
    assert other.steps > 3
    assert health.not_alive()


def test_a_part_that_fails_ends_all_of_them() -> None:
    other = Turning()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(turned_for(5, Health(stalled_after=200), other, Failing()))
    assert other.steps < 50
