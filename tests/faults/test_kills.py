"""Processes killed at any moment: nothing is lost, nothing is doubled, and Redis agrees."""

import os
import random
import time

import pytest

from pipeline.replay.publish import SETTLE
from tests.faults.histories import a_shop
from tests.faults.processes import Stage
from tests.faults.view import CANCELLED


def kill_while_events_flow(stage: Stage, seed: int, sessions: int, seconds: float, shortest: float) -> None:
    chance = random.Random(seed)
    history = a_shop(sessions, seed)
    processes = [stage.worker(), stage.ingest(), stage.serve()]
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
    assert stage.told[CANCELLED], stage.told


def test_kill_9_of_worker_ingest_and_serve(stage_of) -> None:
    kill_while_events_flow(stage_of(), seed=1, sessions=600, seconds=14, shortest=2)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(int(os.environ.get("CHAOS_ROUNDS", "3"))))
def test_many_kills(stage_of, seed: int) -> None:
    kill_while_events_flow(stage_of(partitions=4), seed=100 + seed, sessions=10_000, seconds=90, shortest=4)


def test_redis_killed_and_emptied_is_filled_again_while_events_flow(stage_of) -> None:
    stage: Stage = stage_of()
    history = a_shop(400, seed=5)
    stage.worker(), stage.ingest(), stage.serve("serve-1"), stage.serve("serve-2")
    feed = stage.feed(history, 8)
    time.sleep(4)
    stage.restart_redis()
    feed.join()
    clock = history.span.last_ms + SETTLE
    stage.settle(clock)
    stage.judge(clock)
