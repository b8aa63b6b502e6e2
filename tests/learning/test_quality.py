"""The measures of quality, held against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning import platt
from pipeline.learning.quality import auc, calibration_error, interval, log_losses, pr_auc

pairs = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40)


@given(pairs)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    hits = [score for score, label in rows if label]
    misses = [score for score, label in rows if not label]
    found = auc(np.array([float(score) for score, _ in rows]), np.array([float(label) for _, label in rows]))
    if not hits or not misses:
        assert found is None
    else:
        won = sum((hit > miss) + (hit == miss) / 2 for hit in hits for miss in misses)
        assert found == pytest.approx(won / (len(hits) * len(misses)))


def test_average_precision_takes_ties_as_one_step() -> None:
    assert pr_auc(np.array([3.0, 2.0, 1.0]), np.array([1.0, 0.0, 1.0])) == pytest.approx((1 + 2 / 3) / 2)
    assert pr_auc(np.array([1.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(0.5)


def test_who_says_what_happens_has_no_calibration_error() -> None:
    random = np.random.default_rng(1)
    chances = random.uniform(0, 1, 20_000)
    labels = (random.uniform(0, 1, 20_000) < chances).astype(float)
    right, wrong = calibration_error(chances, labels), calibration_error(chances / 2, labels)
    assert right is not None
    assert right < 0.015
    assert wrong is not None
    assert wrong > 0.2


def test_platt_finds_the_slope_and_the_shift_back() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(0, 2, 20_000)
    chances = 1 / (1 + np.exp(-(0.5 * logits - 1)))
    labels = (random.uniform(0, 1, 20_000) < chances).astype(float)
    slope, shift = platt.fit(logits, labels, np.ones(20_000))
    assert (slope, shift) == (pytest.approx(0.5, abs=0.04), pytest.approx(-1, abs=0.06))


def test_platt_stays_near_the_identity_for_few_examples_and_never_turns_the_order_round() -> None:
    slope, shift = platt.fit(np.array([1.0, -1.0]), np.array([1.0, 0.0]), np.ones(2))
    assert abs(slope - 1) < 0.3
    assert abs(shift) < 0.3
    logits = np.linspace(-3, 3, 500)
    assert platt.fit(logits, (logits < 0).astype(float), np.ones(500)) == (1.0, 0.0)


def test_an_interval_takes_whole_groups() -> None:
    values = np.repeat(np.array([0.0, 1.0]), 500)
    groups = np.repeat(np.array([0, 1]), 500)
    low, high = interval(groups, lambda rows: float(values[rows].mean()))
    assert (low, high) == (0.0, 1.0)
    low, high = interval(np.arange(1000), lambda rows: float(values[rows].mean()))
    assert 0.45 < low < 0.5 < high < 0.55


def test_log_loss_of_a_certain_miss_is_bounded() -> None:
    assert log_losses(np.array([0.0, 1.0]), np.array([1.0, 1.0])) == pytest.approx([13.8, 0.0], abs=0.1)
