"""Ingest that fails half-way: what is not in the log is never committed, and what is there twice counts once."""

import time

import pytest

from tests.faults.processes import SETTLE, Stage, a_shop

PATIENCE = 10.0
"""Seconds after which the group gives the sources of a silent ingest to another one."""


@pytest.mark.parametrize("fault", ["hang", "fail"])
def test_what_could_not_be_written_is_read_again(stage_of, fault: str) -> None:
    stage: Stage = stage_of()
    history = a_shop(300)
    stage.publish(history, SETTLE)
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
