"""However the sources are polled and paced, the same is decided."""

from pipeline.triggers.contract import Outcome
from tests.faults.processes import SETTLE, Stage, a_shop


def decided(stage: Stage, clock: int) -> set[tuple[str, str]]:
    """What was decided, up to held records and to whether what an order undid had been emitted before."""
    stage.settle(clock, tending=False)
    kinds = {Outcome.EMITTED: "emitted"}
    by_trigger: dict[str, set[str]] = {}
    for decision in stage.judge(clock):
        if decision["outcome"] != Outcome.HELD:
            by_trigger.setdefault(decision["trigger_id"], set()).add(decision["outcome"])
    undone = {Outcome.CANCELLED, Outcome.SUPPRESSED}
    return {
        (trigger, "undone" if outcomes & undone else kinds.get(Outcome(min(outcomes)), min(outcomes)))
        for trigger, outcomes in by_trigger.items()
    }


def test_a_poll_of_one_or_of_thousands(stage_of) -> None:
    history = a_shop(300, seed=5)
    clock = history.span.last_ms + SETTLE
    found = []
    for records in ("1", "100", "5000"):
        stage: Stage = stage_of(PIPELINE_INGEST_MAX_POLL_RECORDS=records)
        stage.publish(history, SETTLE)
        ingest = stage.ingest()
        stage.wait(lambda standing: min(standing.ends.values()) > 1_000 if records == "1" else True, 30)
        worker = stage.worker()
        found.append(decided(stage, clock))
        assert worker.exits == ingest.exits == []
        for process in (ingest, worker):
            process.kill()
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 50
