"""Processes killed at any moment: nothing is lost, nothing is doubled."""

import os
import random
import time

import pytest

from tests.faults.processes import SETTLE, Stage, a_shop


def kill_while_events_flow(stage: Stage, seed: int, sessions: int, seconds: float, shortest: float) -> None:
    chance = random.Random(seed)
    history = a_shop(sessions, seed=seed)
    processes = [stage.worker(), stage.ingest()]
    feed = stage.feed(history, seconds)
    kills = 0
    while feed.flowing():
        time.sleep(chance.uniform(shortest, 2 * shortest))
        victim = chance.choice(processes)
        victim.kill()
        kills += 1
        time.sleep(chance.uniform(0, shortest / 2))
        victim.start()
        stage.tend()
    feed.join()
    assert kills >= 2
    clock = history.span.last_ms + SETTLE
    stage.settle(clock)
    stage.judge(clock)


def test_kill_9_of_worker_and_ingest(stage_of) -> None:
    kill_while_events_flow(stage_of(), seed=1, sessions=1_000, seconds=14, shortest=2)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(int(os.environ.get("CHAOS_ROUNDS", "3"))))
def test_many_kills(stage_of, seed: int) -> None:
    kill_while_events_flow(stage_of(partitions=4), seed=100 + seed, sessions=10_000, seconds=90, shortest=4)
