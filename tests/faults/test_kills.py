"""Processes killed at any moment: nothing is lost, nothing is doubled, and Redis agrees."""

import os
import random
import time
from collections.abc import Iterator

import pytest

from pipeline.replay.history import History
from pipeline.replay.publish import SETTLE
from tests.faults.histories import a_shop, slices
from tests.faults.learned import end_learning, scored, snapshots, told_of, trained, wait_for_snapshots
from tests.faults.processes import Process, Stage, patient
from tests.faults.view import CANCELLED, scored_in_redis


def kill_while_events_flow(
    stage: Stage, processes: list[Process], history: History, chance: random.Random, seconds: float, shortest: float
) -> None:
    """Feed a history over so many seconds and kill meanwhile, each process once a round; then let all come to rest."""
    feed = stage.feed(history, seconds)
    kills = 0
    for victim in _rounds(processes, chance):
        if not feed.flowing():
            break
        time.sleep(chance.uniform(shortest, 2 * shortest))
        victim.kill()
        kills += 1
        time.sleep(chance.uniform(0, shortest / 2))
        victim.start()
        stage.tend()
    feed.join()
    assert kills >= len(processes), f"only {kills} were killed"
    stage.settle(history.span.last_ms + SETTLE)


def _rounds(processes: list[Process], chance: random.Random) -> Iterator[Process]:
    while True:
        yield from chance.sample(processes, len(processes))


def kill_worker_ingest_and_serve(stage: Stage, seed: int, sessions: int, seconds: float, shortest: float) -> None:
    history = a_shop(sessions, seed)
    processes = [stage.worker(), stage.ingest(), stage.serve()]
    kill_while_events_flow(stage, processes, history, random.Random(seed), seconds, shortest)
    stage.judge(history.span.last_ms + SETTLE)
    assert stage.told[CANCELLED], stage.told


def test_kill_9_of_worker_ingest_and_serve(stage_of) -> None:
    kill_worker_ingest_and_serve(stage_of(), seed=1, sessions=600, seconds=14, shortest=2)


def kill_learner_and_all_others(stage: Stage, seed: int, sessions: int, seconds: float, shortest: float) -> None:
    """The first days teach the heads; then events flow, are scored and are learned from, and everybody is killed."""
    heads = {"intent", "cart"}
    *first_days, last_days = slices(a_shop(sessions, seed, conversion=0.1), 4)
    learner = stage.learner()
    processes = [stage.worker(), stage.ingest(), stage.serve(), learner]
    for days in first_days:
        stage.publish(days)
    wait_for_snapshots(stage, heads)
    before = trained(stage)
    kill_while_events_flow(stage, processes, last_days, random.Random(seed), seconds, shortest)
    end_learning(stage, learner)
    stage.settle(last_days.span.last_ms + SETTLE)
    stage.judge_without_times()
    after = trained(stage)
    assert all(after[head] > before[head] for head in heads), f"nothing was learned on the way: {before}, {after}"
    told = scored(stage.triggers())
    assert told.keys() <= snapshots(stage), "scored with what must not be scored with"
    assert heads <= {one.head for one in told}, f"too little was scored to tell: {told}, of {snapshots(stage)}"
    assert all(told_of(stage)[head] > 100 for head in heads), f"too little is known of what was said: {told_of(stage)}"
    assert stage.redis is not None
    shown = scored_in_redis(stage.redis.url, stage.name)
    assert shown.keys() <= snapshots(stage), "a profile is scored with what must not be scored with"
    assert shown.total() > 10, f"too few profiles are scored to tell: {shown}"  # by then no cart waits any more


@pytest.mark.chaos
def test_kill_9_of_the_learner_and_of_those_who_score_with_what_it_learned(stage_of) -> None:
    stage: Stage = stage_of(patient(cart_timing="learned"))
    kill_learner_and_all_others(stage, seed=1, sessions=4_000, seconds=16, shortest=2)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(int(os.environ.get("CHAOS_ROUNDS", "3"))))
def test_many_kills(stage_of, seed: int) -> None:
    kill_worker_ingest_and_serve(stage_of(partitions=4), 100 + seed, sessions=10_000, seconds=90, shortest=4)


@pytest.mark.chaos
def test_many_kills_with_the_learner(stage_of) -> None:
    stage: Stage = stage_of(patient(cart_timing="learned"), partitions=4)
    kill_learner_and_all_others(stage, seed=200, sessions=10_000, seconds=90, shortest=4)


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
