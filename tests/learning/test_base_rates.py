"""A base rate for each bucket of an input, such as the bin of a hazard: what the models learn comes on top of it."""

from random import Random

import pytest
from msgspec.structs import replace

from pipeline.learning.head import HeadLearner
from pipeline.learning.head_spec import HeadSpec
from pipeline.learning.state import StateError, decode_state, encode_state
from pipeline.scoring.example import FORMAT, Example
from pipeline.scoring.features import Input, Spec
from pipeline.scoring.odds import sigmoid
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import encode_snapshot

SPEC = Spec("cart", 1, (Input("views", "{} looked at"), Input("bin", "bin {}", edges=(1, 2), scaled=False)))
HEAD = HeadSpec(SPEC, base="bin")
RATES = 0.004, 0.03, 0.4


def examples(count: int, slope: float = 0.0) -> list[Example]:
    random, found = Random(5), []
    for number in range(count):
        place, views = random.choice((0, 0, 0, 1, 1, 2)), random.randrange(6)
        label = int(random.random() < RATES[place] * (1 + slope * views))
        found.append(Example(FORMAT, "cart", "shop", str(number), place, 0, 0, SPEC.hash, (views, place), label))
    return found


def taught(head: HeadSpec, known: list[Example]) -> HeadLearner:
    learner = HeadLearner(head)
    for example in known:
        learner.learn(example)
    return learner


def test_a_rare_bin_and_a_frequent_one_are_each_told_their_rate_after_few_examples() -> None:
    known = examples(600)
    learner = taught(HEAD, known)
    for place in range(3):
        seen = [example.label for example in known if example.bin == place]
        assert sigmoid(learner.logit((2.0, place), "shop")) == pytest.approx(sum(seen) / len(seen), abs=0.05, rel=0.5)


@pytest.mark.parametrize("count", [0, 300, 900])
def test_a_snapshot_says_what_the_learner_would(count: int) -> None:
    learner = taught(HEAD, examples(count, slope=0.2))
    scorer = Scorer(SPEC, learner.snapshot(1))
    for place in range(3):
        for views in range(6):
            expected = learner.logit((views, place), "shop")
            assert scorer.logit((views, place), scorer.shop("shop")) == pytest.approx(expected, abs=2e-6)


def test_what_lifts_the_rate_within_a_bin_is_learned_on_top() -> None:
    learner = taught(HEAD, examples(3_000, slope=0.25))
    assert learner.logit((5.0, 2.0), "shop") > learner.logit((0.0, 2.0), "shop") + 0.3


def test_a_learner_that_was_stopped_goes_on_byte_for_byte() -> None:
    known = examples(800, slope=0.2)
    through, first = taught(HEAD, known), taught(HEAD, known[:300])
    resumed = HeadLearner.resumed(HEAD, decode_state(encode_state(first.state())))
    for example in known[300:]:
        resumed.learn(example)
    assert encode_snapshot(resumed.snapshot(1)) == encode_snapshot(through.snapshot(1))
    assert encode_state(resumed.state()) == encode_state(through.state())


def test_a_state_of_other_base_rates_is_refused() -> None:
    with pytest.raises(StateError, match="learns anew"):
        HeadLearner.resumed(replace(HEAD, base=""), taught(HEAD, examples(10)).state())
