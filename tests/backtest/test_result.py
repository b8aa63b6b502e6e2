"""A gate is judged by a figure or by its interval, and says how far what it is judged by is on the wrong side."""

import pytest

from pipeline.backtest.result import Gate, at_least, at_most, surely_above, surely_below


@pytest.mark.parametrize(
    ("gate", "missed_by"),
    [
        (at_least("auc", 0.75, 0.735, 0.73, 0.77), None),
        (at_least("auc", 0.73, 0.735, 0.71, 0.75), 0.005),
        (at_most("log-loss", 0.27, 0.272), None),
        (at_most("log-loss", 0.28, 0.272), 0.008),
        (surely_above("difference", 0.012, 0.0, 0.004, 0.02), None),
        (surely_above("difference", 0.012, 0.0, -0.004, 0.026), 0.004),
        (surely_above("difference", 0.012, 0.0, 0.0, 0.026), 0.0),
        (surely_below("difference", -0.003, 0.001, -0.005, -0.001), None),
        (surely_below("difference", -0.003, 0.001, -0.005, 0.0015), 0.0005),
    ],
)
def test_a_missed_gate_says_by_how_much(gate: Gate, missed_by: float | None) -> None:
    assert gate.met is (missed_by is None)
    assert gate.missed_by == (None if missed_by is None else pytest.approx(missed_by))


def test_what_is_not_a_number_meets_no_gate() -> None:
    nothing = float("nan")
    assert not at_most("ECE", nothing, 0.03).met
    assert not at_least("auc", nothing, 0.5).met
