"""Hazards of bins give the chance of any horizon, and the moment when an order is due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.hazard import CART_EDGES, DAY, REORDER_EDGES, bin_at, due_after, survival

hazards = st.lists(st.floats(0.0, 0.9), min_size=len(REORDER_EDGES), max_size=len(REORDER_EDGES))
times = st.integers(0, 365 * DAY)


def test_a_silence_reaches_the_bin_that_it_is_in() -> None:
    assert [bin_at(REORDER_EDGES, days * DAY) for days in (0, 1, 2, 3, 364, 365)] == [0, 1, 1, 2, 10, 11]


@given(hazards, times, times, times)
def test_survival_over_two_spans_is_that_over_the_first_times_that_over_the_second(
    bins: list[float], silence: int, one: int, two: int
) -> None:
    whole = survival(REORDER_EDGES, bins, silence, one + two)
    parts = survival(REORDER_EDGES, bins, silence, one) * survival(REORDER_EDGES, bins, silence + one, two)
    assert whole == pytest.approx(parts)


@given(hazards)
def test_whole_bins_survive_by_the_product_of_what_is_left(bins: list[float]) -> None:
    left = 1.0
    for edge, hazard in zip(REORDER_EDGES, bins, strict=True):
        left *= 1 - hazard
        assert survival(REORDER_EDGES, bins, 0, edge) == pytest.approx(left)


@given(hazards, times)
def test_an_order_is_due_when_survival_falls_under_one_half_and_not_before(bins: list[float], silence: int) -> None:
    due = due_after(REORDER_EDGES, bins, silence)
    if due is None:
        assert survival(REORDER_EDGES, bins, silence, REORDER_EDGES[-1]) >= 0.5
    else:
        assert survival(REORDER_EDGES, bins, silence, due - silence) < 0.5 + 1e-12
        assert survival(REORDER_EDGES, bins, silence, due - silence - 1) >= 0.5 - 1e-12


def test_the_bins_of_a_cart_end_after_three_days() -> None:
    assert CART_EDGES[-1] == 3 * DAY
