"""Workers that are paused, join, leave, lose their store or their place: every output once, no partition left behind."""

import asyncio
import os
import random
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.namespace import LOG
from pipeline.kafka.clients import connection
from tests.faults.processes import SESSION, SETTLE, Stage, a_shop, part, slices

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))


def pause_workers(stage: Stage, seed: int, sessions: int, seconds: float, pauses: int) -> None:
    """Pause one of two workers beyond its session, again and again, and let it go on where another has taken over."""
    chance = random.Random(seed)
    history = a_shop(sessions, seed=seed)
    workers = [stage.worker("one"), stage.worker("two")]
    stage.ingest()
    time.sleep(SESSION + 2)
    feed = stage.feed(history, seconds)
    for _ in range(pauses):
        time.sleep(chance.uniform(1, 3))
        victim = chance.choice(workers)
        victim.pause()
        time.sleep(SESSION + chance.uniform(2, 6))
        victim.resume()
        stage.tend()
    feed.join()
    clock = history.span.last_ms + SETTLE
    stage.settle(clock)
    stage.judge(clock)


def test_a_worker_that_wakes_up_after_its_session_doubles_nothing(stage_of) -> None:
    pause_workers(stage_of(), seed=2, sessions=1_000, seconds=15, pauses=1)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_many_pauses(stage_of, seed: int) -> None:
    pause_workers(stage_of(partitions=4), seed=200 + seed, sessions=10_000, seconds=100, pauses=6)


@pytest.mark.chaos
def test_workers_join_and_leave_in_turn(stage_of) -> None:
    stage: Stage = stage_of(partitions=4)
    history = a_shop(5_000, seed=3)
    stage.ingest()
    workers = [stage.worker("one")]
    feed = stage.feed(history, 60)
    for name in ("two", "three"):
        time.sleep(7)
        workers.append(stage.worker(name))
    for worker in workers[:2]:
        time.sleep(7)
        assert worker.stop() == 0
        time.sleep(4)
        worker.start()
    for worker in workers[1:]:
        time.sleep(4)
        assert worker.stop() == 0
    feed.join()
    clock = history.span.last_ms + SETTLE
    stage.settle(clock, tending=False)
    stage.judge(clock)
