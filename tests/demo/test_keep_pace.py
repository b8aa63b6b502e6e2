"""The stream waits for a pipeline that is behind, and goes on where it does not come."""

import pytest

from pipeline.demo import keep_pace
from pipeline.demo.keep_pace import HOLD, UNDECIDED, UNLEARNED, InStep


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(keep_pace.time, "monotonic", lambda: now[0])
    return now


def told_within(pace: InStep, clock: list[float], seconds: float, told: int = 0) -> int:
    """How many events are told: one at each millisecond of the history."""
    end = clock[0] + seconds
    while (wait := pace.wait(told, told)) <= end - clock[0]:
        clock[0] += wait
        told += 1
    return told


def test_events_are_told_evenly_while_all_is_decided(clock: list[float]) -> None:
    pace = InStep(1_000, held_at_most=30)
    pace.decided(10**9)
    assert told_within(pace, clock, 5) == pytest.approx(5_000, rel=0.02)


def test_what_is_not_decided_holds_the_stream_and_it_makes_no_haste_afterwards(clock: list[float]) -> None:
    pace = InStep(1_000, held_at_most=30)
    told = told_within(pace, clock, 10)
    assert told == pytest.approx(UNDECIDED, rel=0.05)
    pace.decided(10**9)
    assert told_within(pace, clock, 3, told) - told == pytest.approx(3_000, rel=0.1)


def test_what_is_not_learned_holds_the_stream(clock: list[float]) -> None:
    pace = InStep(1_000, held_at_most=30)
    pace.decided(10**9)
    pace.unlearned(UNLEARNED + 1)
    assert told_within(pace, clock, 10) <= 10 / HOLD + 2
    pace.unlearned(UNLEARNED)
    assert told_within(pace, clock, 1, 60) > 700


def test_the_stream_does_not_wait_for_ever(clock: list[float]) -> None:
    pace = InStep(1_000, held_at_most=2)
    assert told_within(pace, clock, 20) == pytest.approx(18_000, rel=0.05)
