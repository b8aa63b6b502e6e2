"""A score is its columns added up: it agrees with the learner, explains itself, and refuses what it must not use."""

import math
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning.head import HeadLearner
from pipeline.learning.head_spec import HeadSpec
from pipeline.scoring.example import FORMAT, Example
from pipeline.scoring.features import Input, Prior, Ratio, Shrunk, Spec
from pipeline.scoring.odds import sigmoid
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import Quality, Snapshot, SnapshotError, decode_snapshot, encode_snapshot

SPEC = Spec(
    "intent",
    1,
    inputs=(
        Input("views", "{} products looked at", edges=(1, 3, 10)),
        Input("silence", "{} minutes since the last event", unit=60_000.0, edges=(60_000, 600_000)),
        Input("bought", "{} visits with an order", scaled=False),
        Input("visits", "{} visits", scaled=False),
        Input("gap", "{} days between orders", unit=86_400_000.0, scaled=False),
    ),
    shrunk=(
        Shrunk("own_rate", "buys in {} of the visits", "bought", "visits", 5.0, "rate", share=True, edges=(0.1, 0.3)),
        Shrunk("interval", "orders every {} ms", "gap", "bought", 2.0, "interval", share=False, unit=86_400_000.0),
    ),
    ratios=(Ratio("overdue", "{} of the usual time", "silence", "interval", edges=(0.5, 1.0)),),
    crosses=(("views", "own_rate"),),
    priors=(Prior("rate", "", 0.02), Prior("interval", "gap", 60 * 86_400_000.0)),
    moving=("views", "silence"),
)
inputs = st.tuples(
    st.integers(0, 50),
    st.integers(0, 10_000_000),
    st.integers(0, 5),
    st.integers(5, 50),
    st.integers(0, 10**9),
)


def example(number: int, values: tuple[int, ...], label: int, site: str = "shop") -> Example:
    return Example(FORMAT, "intent", site, str(number), 0, 0, 0, SPEC.hash, values, label)


def learned(count: int, seed: int = 3) -> HeadLearner:
    random, learner = Random(seed), HeadLearner(HeadSpec(SPEC))
    for number in range(count):
        views = random.randrange(12)
        values = views, random.randrange(900_000), random.randrange(3), 4, random.randrange(10**8)
        learner.learn(example(number, values, int(random.random() < 0.05 + 0.05 * views), random.choice("ab")))
    return learner


LEARNER = learned(600)
SNAPSHOT = LEARNER.snapshot(1)
SCORER = Scorer(SPEC, decode_snapshot(encode_snapshot(SNAPSHOT)))


@given(inputs, st.sampled_from(["a", "b", "never seen"]))
def test_a_snapshot_says_what_the_learner_would(values: tuple[int, ...], site: str) -> None:
    assert SCORER.logit(values, SCORER.shop(site)) == pytest.approx(LEARNER.logit(values, site), abs=2e-6)


@given(inputs, st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10_000_000)), min_size=1))
def test_rows_that_differ_in_what_moves_are_scored_at_once_as_one_by_one(
    values: tuple[int, ...], moves: list[tuple[int, int]]
) -> None:
    _, _, bought, visits, gap = values
    rows = [(views, silence, bought, visits, gap) for views, silence in moves]
    shop = SCORER.shop("a")
    assert SCORER.logits(rows, shop) == [SCORER.logit(row, shop) for row in rows]


@given(inputs)
def test_a_score_is_explained_as_it_is_said(values: tuple[int, ...]) -> None:
    shop = SCORER.shop("a")
    assert SCORER.explained(values, shop) == (SCORER.logit(values, shop), SCORER.factors(values, shop))


@given(inputs)
def test_contributions_add_up_to_the_distance_from_the_average_customer(values: tuple[int, ...]) -> None:
    shop = SCORER.shop("a")
    parts = SCORER.factors(values, shop, most=100)
    assert SNAPSHOT.intercept + sum(part.logit for part in parts) == pytest.approx(SCORER.logit(values, shop), abs=1e-3)
    assert all("{" not in part.words for part in parts)


def test_the_strongest_contribution_comes_first_with_its_value_in_words() -> None:
    parts = SCORER.factors((12, 0, 0, 4, 0), SCORER.shop("a"))
    assert [abs(part.logit) for part in parts] == sorted((abs(part.logit) for part in parts), reverse=True)
    assert "12 products looked at" in {part.words for part in parts}


def test_more_of_what_sells_scores_higher() -> None:
    shop = SCORER.shop("a")
    assert SCORER.logit((11, 1000, 0, 4, 0), shop) > SCORER.logit((0, 1000, 0, 4, 0), shop)


def test_a_person_without_history_gets_the_rate_of_the_shop() -> None:
    assert SPEC.value_of("own_rate", (0, 0, 0, 0, 0), {"rate": 0.07, "interval": 1.0}) == 0.07
    assert SPEC.value_of("own_rate", (0, 0, 5, 5, 0), {"rate": 0.07, "interval": 1.0}) > 0.5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spec": "0" * 16}, "spec"),
        ({"weights": SNAPSHOT.weights[:-1]}, "shape"),
        ({"cells": [*SNAPSHOT.cells[:-1], math.nan]}, "not_finite"),
        ({"calibration": (math.inf, 0.0)}, "not_finite"),
        ({"intercept": 1e303}, "not_finite"),
        ({"weights": [*SNAPSHOT.weights[:-1], -1e13]}, "not_finite"),
        ({"shops": {}}, "shape"),
        ({"shops": {"": {"rate": 0.1}}}, "shape"),
        ({"quality": Quality(500, 0.3, 0.2)}, "loss"),
        ({"quality": Quality(500, math.nan, 0.2)}, "not_finite"),
        ({"quality": Quality(500, 0.2, math.nan)}, "not_finite"),
        ({"quality": Quality(500, 0.2, math.inf)}, "not_finite"),
        ({"quality": Quality(500, 0.2, 0.3, auc=math.nan)}, "not_finite"),
        ({"quality": Quality(500, 0.2, 0.3, ece=math.inf)}, "not_finite"),
    ],
)
def test_what_must_not_be_scored_with_is_refused(change: dict[str, object], reason: str) -> None:
    broken: Snapshot = msgspec.structs.replace(SNAPSHOT, **change)
    with pytest.raises(SnapshotError) as refused:
        Scorer(SPEC, broken)
    assert refused.value.reason == reason


def test_a_ratio_to_next_to_nothing_has_a_score_and_factors() -> None:
    shop = {"rate": 0.1, "interval": 5e-324}
    scorer = Scorer(SPEC, msgspec.structs.replace(SNAPSHOT, shops={"": shop}))
    late = (3, 10**9, 0, 5, 0)
    assert scorer.probability(scorer.logit(late, shop)) in (pytest.approx(0), pytest.approx(1))
    assert "overdue" in [factor.feature for factor in scorer.factors(late, shop)]


def test_a_snapshot_of_another_format_is_refused() -> None:
    with pytest.raises(SnapshotError, match="format 99"):
        decode_snapshot(encode_snapshot(msgspec.structs.replace(SNAPSHOT, format=99)))
    with pytest.raises(SnapshotError, match="not a snapshot"):
        decode_snapshot(b"\xc1")


def test_a_feature_is_told_of_0_in_its_own_words_or_not_at_all() -> None:
    spec = Spec(
        "intent",
        1,
        inputs=(
            Input("checkout", "checkout started", zero="no checkout started"),
            Input("mobile", "on a phone"),
            Input("gap", "days between orders: {}", zero=""),
            Input("orders", "orders: {}"),
        ),
    )
    bare = Snapshot(
        FORMAT, "intent", 1, spec.hash, 100, 0, 0.0, [4.0, 3.0, 2.0, 1.0], [9.0] * 4, [1.0] * 4, [], (1, 0), {}
    )
    scorer = Scorer(spec, bare)
    assert [one.words for one in scorer.factors((0, 0, 0, 0), {})] == ["no checkout started", "orders: 0"]
    told = [one.words for one in scorer.factors((1, 1, 7, 2), {}, most=4)]
    assert told == ["checkout started", "on a phone", "days between orders: 7", "orders: 2"]


def test_a_number_next_to_nothing_is_read_out_as_0() -> None:
    spec = Spec("intent", 1, inputs=(Input("since", "days since: {}", unit=86_400_000),))
    scorer = Scorer(spec, Snapshot(FORMAT, "intent", 1, spec.hash, 100, 0, 0.0, [1.0], [9.0], [1.0], [], (1, 0), {}))
    assert [scorer.factors((ms,), {})[0].words for ms in (1, 43_200_000)] == ["days since: 0", "days since: 0.5"]


@given(st.floats(-1e6, 1e6))
def test_a_sigmoid_stays_between_0_and_1(logit: float) -> None:
    assert 0 < sigmoid(logit) < 1
    assert sigmoid(logit) + sigmoid(-logit) == pytest.approx(1)
