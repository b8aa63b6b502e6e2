"""Ingest that fails half-way: what is not in the log is never committed, and what is there twice counts once."""

import os
import time

import pytest

from pipeline.replay.publish import SETTLE
from tests.faults.histories import a_shop
from tests.faults.processes import Stage

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))
PATIENCE = 10.0
"""Seconds after which the group gives the sources of a silent ingest to another one."""


@pytest.mark.parametrize("fault", [pytest.param("hang", marks=pytest.mark.chaos), "fail"])
def test_what_could_not_be_written_is_read_again(stage_of, fault: str) -> None:
    stage: Stage = stage_of()
    history = a_shop(300, seed=1)
    stage.publish(history, SETTLE)
    stage.serve()
    broken = stage.ingest("broken", "tests.faults.stuck_ingest", FAULT=fault, FAULT_AFTER="60", **SMALL_POLLS)
    if fault == "fail":
        assert broken.process is not None
        assert broken.process.wait(20) != 0
        stage.ingest()
    else:
        time.sleep(4)
        stage.ingest()  # its coming makes the broken one give up partitions in the midst of a write
        time.sleep(4)
        broken.kill()
    stage.worker()
    clock = history.span.last_ms + SETTLE
    stage.settle(clock, tending=False)
    stage.judge(clock)


SMALL_POLLS = {"PIPELINE_INGEST_MAX_POLL_RECORDS": "20"}


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_an_ingest_that_wakes_up_after_its_session_adds_nothing(stage_of, seed: int) -> None:
    stage: Stage = stage_of(**SMALL_POLLS)
    history = a_shop(3_000, seed=20 + seed)
    stage.worker()
    stage.serve()
    sleeper = stage.ingest("sleeper")
    time.sleep(4)
    other = stage.ingest("other")
    feed = stage.feed(history, 60)
    for process in (sleeper, other):
        time.sleep(5)
        process.pause()
        time.sleep(PATIENCE + 6)
        process.resume()
    feed.join()
    clock = history.span.last_ms + SETTLE
    stage.settle(clock)
    stage.judge(clock)
