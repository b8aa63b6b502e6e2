"""What a worker logs of that which it did not use."""

import pytest

from pipeline.worker.runner import tell


def test_a_refused_snapshot_is_told_once_a_reason_and_a_fault_each_time(caplog: pytest.LogCaptureFixture) -> None:
    refusals: set[str] = set()
    for _ in range(3):
        tell(2, {(-1, "model_loss"): 4, (7, "resent"): 3, (7, "fold_error"): 1}, refusals)
    tell(2, {(-1, "model_not_finite"): 1}, refusals)
    told = [(record.levelname, record.getMessage().partition(",")[0]) for record in caplog.records]
    assert [line for level, line in told if level == "WARNING"] == [
        "partition 2: a snapshot is refused (model_loss)",
        "partition 2: a snapshot is refused (model_not_finite)",
    ]
    assert [line for level, line in told if level == "ERROR"] == ["partition 2: 1 times fold_error"] * 3
    assert len(told) == 5
