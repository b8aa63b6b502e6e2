"""Workers that are paused, join, leave, lose store or place: every output once, no partition left behind."""

import asyncio
import os
import random
import shutil
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.namespace import LOG
from pipeline.kafka.clients import connection
from pipeline.replay.publish import SETTLE
from tests.faults.histories import a_shop, slices
from tests.faults.processes import SESSION, Process, Stage

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))


def pause_workers(stage: Stage, seed: int, sessions: int, seconds: float, pauses: int) -> None:
    """Pause one of two workers beyond its session, again and again, and let it go on where another has taken over."""
    chance = random.Random(seed)
    history = a_shop(sessions, seed=seed)
    workers = [stage.worker("one"), stage.worker("two")]
    stage.ingest()
    stage.serve()
    until_both_work(workers)
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


def until_both_work(workers: list[Process]) -> None:
    """Until each owns a partition: then the group has taken the second one in."""
    until = time.monotonic() + 60
    while not all("restored" in worker.text() for worker in workers):
        assert time.monotonic() < until, [worker.text() for worker in workers]
        time.sleep(0.1)


def test_a_worker_that_wakes_up_after_its_session_doubles_nothing(stage_of) -> None:
    pause_workers(stage_of(), seed=2, sessions=600, seconds=15, pauses=1)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_many_pauses(stage_of, seed: int) -> None:
    pause_workers(stage_of(partitions=4), seed=200 + seed, sessions=10_000, seconds=100, pauses=6)


def until_it_works(worker: Process, starts: int) -> None:
    """Until it has started so often: one that still imports cannot heed a signal."""
    until = time.monotonic() + 60
    while worker.text().count("CustomerStore: customers:]: Starting...") < starts:
        assert time.monotonic() < until, f"{worker.name} did not start"
        time.sleep(0.2)


@pytest.mark.chaos
def test_workers_join_and_leave_in_turn(stage_of) -> None:
    stage: Stage = stage_of(partitions=4)
    history = a_shop(5_000, seed=3)
    stage.ingest()
    stage.serve()
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
    for worker, starts in zip(workers[1:], (2, 1), strict=True):
        time.sleep(4)
        until_it_works(worker, starts)
        assert worker.stop() == 0
    feed.join()
    clock = history.span.last_ms + SETTLE
    stage.settle(clock, tending=False)
    stage.judge(clock)


def group_to_the_end(stage: Stage) -> None:
    """Commit the log's end for the workers' group, as an operator's mistake would."""

    async def commit() -> None:
        group = f"{stage.name}-worker"
        consumer = AIOKafkaConsumer(**connection(stage.settings.kafka), group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            log = [TopicPartition(f"{stage.name}.{LOG}", p) for p in range(stage.settings.topics.partitions)]
            consumer.assign(log)
            await consumer.commit(await consumer.end_offsets(log))
        finally:
            await consumer.stop()

    asyncio.run(commit())


def spoil(folder: Path, pattern: str, at: float) -> int:
    """Overwrite some bytes of the files of a store. Returns how many files."""
    files = [file for file in folder.rglob(pattern) if file.stat().st_size]
    for file in files:
        with file.open("r+b") as data:
            data.seek(int(file.stat().st_size * at))
            data.write(b"\xff" * 64)
    return len(files)


def test_a_store_that_is_lost_or_spoilt_and_a_group_that_skips_ahead(stage_of) -> None:
    stage: Stage = stage_of()
    parts = slices(a_shop(400, seed=4), 4)
    ingest, worker, _ = stage.ingest(), stage.worker(), stage.serve()
    stage.publish(parts[0])
    stage.settle(parts[0].span.last_ms)
    assert worker.stop() == 0

    shutil.rmtree(stage.folder / "worker")
    stage.publish_and_ingest(parts[1])
    group_to_the_end(stage)
    worker.start()
    stage.settle(parts[1].span.last_ms, tending=False)
    assert worker.stop() == 0

    assert spoil(stage.folder / "worker", "MANIFEST-*", 0) == 2
    stage.publish(parts[2])
    worker.start()
    stage.settle(parts[2].span.last_ms, tending=False)
    assert worker.stop() == 0

    assert spoil(stage.folder / "worker", "*.sst", 0.3) + spoil(stage.folder / "worker", "*.log", 0.3) > 0
    stage.publish(parts[3], SETTLE)
    worker.start()
    clock = parts[3].span.last_ms + SETTLE
    stage.settle(clock)
    assert len(worker.exits) <= 2  # one a partition whose spoilt copy was not seen when it was opened
    assert ingest.exits == []
    stage.judge(clock)


def hold(stage: Stage, seconds: float, least: int) -> Process:
    """A transaction of one partition stays open for `seconds`; the others must go on by `least` frames meanwhile."""
    mark = stage.folder / "held"
    stage.ingest()
    stage.serve()
    worker = stage.worker(
        module="tests.faults.holding_worker", FAULT_AFTER="3", FAULT_SECONDS=str(seconds), FAULT_MARK=str(mark)
    )
    history = a_shop(600, seed=6)
    feed = stage.feed(history, seconds + 8)
    until = time.monotonic() + 30
    while not mark.exists():
        assert time.monotonic() < until, "no transaction was held"
        time.sleep(0.1)
    before = stage.standing().positions
    time.sleep(seconds / 2)
    assert mark.exists()
    after = stage.standing().positions
    assert after[0] == before[0]
    assert all(after[p] - before.get(p, 0) >= least for p in after if p)
    feed.join()
    clock = history.span.last_ms + SETTLE
    stage.settle(clock, tending=False)
    stage.judge(clock)
    return worker


def test_a_slow_transaction_holds_up_its_own_partition_only(stage_of) -> None:
    worker = hold(stage_of(partitions=3), seconds=8, least=3)  # longer than the session
    assert "fenced" not in worker.text()
    assert "restored" in worker.text()
    assert worker.text().count("restored") == 3  # the membership was never lost


@pytest.mark.chaos
def test_a_transaction_beyond_its_timeout_is_fenced_and_done_again(stage_of) -> None:
    worker = hold(stage_of(PIPELINE_WORKER_TRANSACTION_TIMEOUT="3s"), seconds=7, least=3)
    assert "partition 0: fenced" in worker.text()


@pytest.mark.chaos
def test_a_transaction_held_for_half_a_minute(stage_of) -> None:
    worker = hold(stage_of(partitions=4, PIPELINE_WORKER_TRANSACTION_TIMEOUT="60s"), seconds=30, least=10)
    assert worker.text().count("restored") == 4


@pytest.mark.chaos
def test_a_restore_that_takes_three_sessions(stage_of) -> None:
    stage: Stage = stage_of()
    history = a_shop(1_000, seed=7)
    stage.ingest()
    stage.serve()
    worker = stage.worker(module="tests.faults.slow_worker", FAULT_SECONDS=str(3 * SESSION))
    stage.publish(history, SETTLE)
    clock = history.span.last_ms + SETTLE
    stage.settle(clock, tending=False)
    assert worker.text().count("restored") == 2
    stage.judge(clock)
