"""The learner of counts: it finds what lifts them, is calibrated by horizon, and goes on byte for byte."""

from math import exp

import numpy as np
import pytest
from msgspec.structs import replace

from pipeline.learning.count import CountLearner, CountSpec, decode_state, encode_state
from pipeline.learning.state import StateError
from pipeline.scoring.example import FORMAT, Example
from pipeline.scoring.features import Input, Spec
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import Quality, encode_snapshot

SPEC = Spec(
    "count", 1, (Input("horizon", "{}", edges=(1,), scaled=False), Input("repeats", "{} again"), Input("noise", "{}"))
)
HEAD = CountSpec(SPEC, "horizon", (0.1, 0.3), {"repeats": 1.0})


def examples(number: int, level: float = 0.2, heavy: float = 0.0) -> list[Example]:
    """Counts whose mean is level * (1 + repeats) in a month, and three times that in a quarter."""
    random, found = np.random.default_rng(4), []
    for name in range(number):
        horizon, repeats, noise = int(random.random() < 0.25), int(random.integers(0, 6)), int(random.integers(0, 9))
        mean = level * (1 + repeats) * (3 if horizon else 1)
        label = int(random.poisson(mean * (random.gamma(1 / heavy, heavy) if heavy else 1)))
        inputs = (horizon, repeats, noise)
        found.append(Example(FORMAT, "count", "shop", str(name), horizon, 0, 0, SPEC.hash, inputs, label))
    return found


def taught(known: list[Example]) -> CountLearner:
    learner = CountLearner(HEAD)
    for place, example in enumerate(known):
        learner.learn(example)
        if place % 200 == 199:
            learner.snapshot(place)
    return learner


def told(learner: CountLearner, horizon: int, repeats: int) -> float:
    snapshot = replace(learner.snapshot(1), quality=Quality())
    scorer = Scorer(SPEC, snapshot)
    slope, shift = snapshot.calibration
    return exp(slope * scorer.logit((horizon, repeats, 4), scorer.shop("shop")) + shift)


@pytest.mark.parametrize("heavy", [0.0, 1.0])
def test_counts_of_each_horizon_are_told_as_they_are(heavy: float) -> None:
    learner = taught(examples(6_000, heavy=heavy))
    for horizon, times in ((0, 1), (1, 3)):
        for repeats in (0, 2, 5):
            assert told(learner, horizon, repeats) == pytest.approx(0.2 * (1 + repeats) * times, rel=0.25)


def test_a_horizon_without_labels_yet_follows_the_others() -> None:
    learner = taught([example for example in examples(3_000, level=0.8) if not example.bin])
    assert told(learner, 1, 2) == pytest.approx(3 * 0.8 * 3, rel=0.5)


def test_before_any_example_the_prior_ranks() -> None:
    learner = CountLearner(HEAD)
    assert told(learner, 0, 0) == pytest.approx(0.1)
    assert told(learner, 0, 3) == pytest.approx(0.4)


def test_a_snapshot_says_what_the_learner_would_before_calibration() -> None:
    learner = CountLearner(HEAD)
    for example in examples(500):
        learner.learn(example)
    expected = learner.logit((0, 3, 2), "shop")
    snapshot = learner.snapshot(1)
    slope, _ = snapshot.calibration
    again = learner.logit((0, 3, 2), "shop")
    assert again == expected
    scorer = Scorer(SPEC, replace(snapshot, quality=Quality()))
    shop = scorer.shop("shop")
    gap = scorer.logit((0, 3, 2), shop) - scorer.logit((0, 1, 2), shop)
    assert gap == pytest.approx(expected - learner.logit((0, 1, 2), "shop"), abs=2e-6)
    assert slope > 0


def test_a_learner_that_was_stopped_goes_on_byte_for_byte() -> None:
    known = examples(800)
    through, first = CountLearner(HEAD), CountLearner(HEAD)
    for learner, part in ((through, known[:300]), (first, known[:300])):
        for example in part:
            learner.learn(example)
        learner.snapshot(1)
    resumed = CountLearner.resumed(HEAD, decode_state(encode_state(first.state())))
    for example in known[300:]:
        through.learn(example)
        resumed.learn(example)
    assert encode_snapshot(resumed.snapshot(2)) == encode_snapshot(through.snapshot(2))
    assert encode_state(resumed.state()) == encode_state(through.state())


def test_a_state_of_other_features_is_refused() -> None:
    state = taught(examples(10)).state()
    with pytest.raises(StateError, match="learns anew"):
        CountLearner.resumed(replace(HEAD, spec=replace(SPEC, version=2)), state)
    with pytest.raises(StateError, match="not the state of a count"):
        decode_state(b"\x00")
    with pytest.raises(StateError, match="of format 9"):
        decode_state(encode_state(replace(state, format=9)))


@pytest.mark.parametrize(
    "change",
    [{"spec": "another"}, {"inputs": (0, float("nan"), 1)}, {"inputs": (0, 1)}, {"weight": 0.0}, {"label": -1}],
)
def test_an_example_that_cannot_be_used_is_counted_and_left_out(change: dict[str, object]) -> None:
    learner = taught(examples(50))
    before = encode_state(replace(learner.state(), refused=1))
    assert not learner.learn(replace(examples(1)[0], **change))
    assert encode_state(learner.state()) == before


def test_one_customer_of_a_thousand_orders_does_not_carry_the_rest_away() -> None:
    learner = taught(examples(2_000))
    before = told(learner, 0, 2)
    learner.learn(replace(examples(1)[0], inputs=(0, 2, 4), label=1_000))
    assert told(learner, 0, 2) == pytest.approx(before, rel=0.3)
