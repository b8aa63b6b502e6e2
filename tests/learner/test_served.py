"""What was served is judged by what came of it, whatever the learner would say now."""

from math import log
from random import Random

import pytest
from msgspec.structs import replace

from pipeline.learner.desk import Desk
from pipeline.learner.served import ENOUGH, WINDOW, Served
from pipeline.scoring.example import Example
from tests.learner.toys import BY_COUNT, HEADS, NOTHING, examples

RATE = 0.3


def told(number: int, chances: tuple[float, float], seed: int = 1, rate: float = RATE) -> Served:
    """Two kinds of customers, of which one in ten and nine in ten do it, and what was said of each kind."""
    random, served = Random(seed), Served()
    for one in examples(number):
        kind = random.random() < 0.25
        label = int(random.random() < (0.9 if kind else 0.1))
        chance = chances[kind]
        served.take(replace(one, label=label, served=log(chance / (1 - chance))), rate)
    return served


def test_what_was_right_loses_less_than_the_base_rate_and_is_calibrated() -> None:
    outcome = told(3_000, (0.1, 0.9)).quality()
    assert outcome is not None
    assert outcome.share == 1.0
    assert outcome.quality is not None
    assert outcome.quality.loss == pytest.approx(-(0.9 * log(0.9) + 0.1 * log(0.1)), abs=0.03)
    assert outcome.quality.base_loss == pytest.approx(-(0.3 * log(0.3) + 0.7 * log(0.7)), abs=0.03)
    assert outcome.quality.auc == pytest.approx(0.86, abs=0.03)
    assert outcome.quality.ece < 0.03


def test_what_was_promised_too_much_loses_more_though_it_ranks_as_well() -> None:
    right, boasted = told(3_000, (0.1, 0.9)).quality(), told(3_000, (0.5, 0.99)).quality()
    assert boasted.quality.auc == right.quality.auc
    assert boasted.quality.loss > right.quality.loss + 0.15
    assert boasted.quality.ece > 0.25


def test_the_wrong_way_round_is_worse_than_the_base_rate() -> None:
    quality = told(1_000, (0.9, 0.1)).quality().quality
    assert quality.loss > 2 * quality.base_loss
    assert quality.auc < 0.2


def test_examples_that_nothing_was_said_of_are_in_the_share_alone() -> None:
    served = told(900, (0.1, 0.9))
    before = served.quality()
    for one in examples(300):
        served.take(one, RATE)
    after = served.quality()
    assert (before.share, after.share) == (1.0, 0.75)
    assert after.quality == before.quality


def test_of_a_few_only_the_share_is_told_and_of_none_nothing() -> None:
    assert Served().quality() is None
    assert told(ENOUGH - 1, (0.1, 0.9)).quality() == (1.0, None)
    assert told(ENOUGH, (0.1, 0.9)).quality().quality is not None


def test_old_examples_are_forgotten() -> None:
    served = told(WINDOW, (0.9, 0.1))
    random = Random(3)
    for one in examples(WINDOW):
        label = int(random.random() < 0.5)
        served.take(replace(one, label=label, served=2.0 if label else -2.0), 0.5)
    assert served.quality().quality.auc == 1.0


def test_a_desk_judges_what_was_served_by_the_base_rate_known_before() -> None:
    def desk(known: list[Example]) -> Desk:
        made = Desk(HEADS["toy"], NOTHING, None, BY_COUNT)
        for one in known:
            assert made.learn(one, 0.0) == ""
        return made

    known = examples(1_000, slope=0.0)  # one in twenty, whatever is looked at
    right = desk([replace(one, served=log(0.05 / 0.95), version=3) for one in known]).served_quality.quality
    wrong = desk([replace(one, served=0.0, version=3) for one in known]).served_quality.quality
    assert right.base_loss == wrong.base_loss
    assert right.loss == pytest.approx(right.base_loss, abs=0.02)
    assert wrong.loss == pytest.approx(log(2))
    assert desk(known).served_quality == (0.0, None)
