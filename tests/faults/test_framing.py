"""However the sources are polled and paced, the same is decided."""

from collections.abc import Iterable

import pytest

from pipeline.config.durations import DAY
from pipeline.config.namespace import TRIGGER_KINDS
from pipeline.replay.publish import SETTLE
from pipeline.triggers.contract import Kind, Outcome
from tests.faults.histories import a_shop
from tests.faults.processes import Stage


def decided(stage: Stage, clock: int, kinds: Iterable[str] = TRIGGER_KINDS) -> set[tuple[str, str]]:
    """What was decided, up to held records and to whether what an order undid had been emitted before.

    Personalization is left out: it is decided as events are read, so it goes by the order in which they are.
    """
    stage.settle(clock, tending=False)
    by_trigger: dict[str, set[str]] = {}
    for decision in stage.judge(clock, kinds):
        if decision["outcome"] != Outcome.HELD and decision["kind"] != Kind.PERSONALIZATION:
            by_trigger.setdefault(decision["trigger_id"], set()).add(decision["outcome"])
    undone = {Outcome.CANCELLED, Outcome.SUPPRESSED}
    return {(trigger, "undone" if outcomes & undone else min(outcomes)) for trigger, outcomes in by_trigger.items()}


def test_a_poll_of_one_or_of_thousands(stage_of) -> None:
    history = a_shop(150, seed=8, lasts=DAY, conversion=0.1)  # longer would take many minutes, one by one
    clock = history.span.last_ms + SETTLE
    stages: list[Stage] = [stage_of(PIPELINE_INGEST_MAX_POLL_RECORDS=records) for records in ("1", "5000")]
    for stage in stages:
        stage.ingest()
        stage.serve()
        stage.publish(history, SETTLE)
    for stage in stages:
        stage.worker()  # a backlog of many small frames is read to its end, too
    found = [decided(stage, clock, ("cart_abandoned", "personalization")) for stage in stages]
    assert found[0] == found[1]
    assert len(found[0]) > 40
    assert [process.exits for stage in stages for process in stage.processes] == [[]] * 6


@pytest.mark.chaos
def test_at_once_or_in_time(stage_of) -> None:
    history = a_shop(1_000, seed=10)
    clock = history.span.last_ms + SETTLE
    at_once, in_time = stage_of(PIPELINE_INGEST_MAX_POLL_RECORDS="100"), stage_of()
    for stage in (at_once, in_time):
        stage.ingest()
        stage.worker()
        stage.serve()
    at_once.publish(history, SETTLE)
    in_time.feed(history, 30).join()
    assert decided(at_once, clock) == decided(in_time, clock)
