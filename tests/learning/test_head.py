"""A head learns from examples in their order, resumes exactly, and says how well it does."""

from random import Random

import pytest

from pipeline.learning.head import HeadLearner
from pipeline.learning.head_spec import HeadSpec
from pipeline.learning.state import StateError, decode_state, encode_state
from pipeline.scoring.example import FORMAT, Example, ExampleError, decode_example, encode_example
from pipeline.scoring.features import Input, Prior, Shrunk, Spec
from pipeline.scoring.snapshot import encode_snapshot

SPEC = Spec(
    "intent",
    1,
    inputs=(
        Input("views", "{} looked at", edges=(2, 5)),
        Input("hits", "{} bought", scaled=False),
        Input("tries", "{} visits", scaled=False),
    ),
    shrunk=(Shrunk("rate", "buys in {}", "hits", "tries", 5.0, "base", share=True),),
    crosses=(("views", "views"),),
    priors=(Prior("base", "", 0.1),),
)
HEAD = HeadSpec(SPEC)


def examples(count: int, seed: int = 1, slope: float = 0.08) -> list[Example]:
    random = Random(seed)
    found = []
    for number in range(count):
        views, tries = random.randrange(10), random.randrange(6)
        label = int(random.random() < min(max(0.05 + slope * views, 0.0), 1.0))
        values = views, random.randrange(tries + 1), tries
        found.append(Example(FORMAT, "intent", random.choice("ab"), str(number), 0, 0, 0, SPEC.hash, values, label))
    return found


def taught(learner: HeadLearner, known: list[Example]) -> list[bytes]:
    """Its snapshots, one after every hundred examples."""
    snapshots = []
    for number, example in enumerate(known, start=1):
        learner.learn(example)
        if number % 100 == 0:
            snapshots.append(encode_snapshot(learner.snapshot(number)))
    return snapshots


@pytest.mark.parametrize("cut", [0, 100, 700, 1_500])
def test_a_learner_that_was_stopped_goes_on_byte_for_byte(cut: int) -> None:
    known = examples(2_000)
    through = taught(HeadLearner(HEAD), known)
    first = HeadLearner(HEAD)
    before = taught(first, known[:cut])
    resumed = HeadLearner.resumed(HEAD, decode_state(encode_state(first.state())))
    after = [
        encode_snapshot(resumed.snapshot(number))
        for number, example in enumerate(known[cut:], start=cut + 1)
        if resumed.learn(example) and number % 100 == 0
    ]
    assert before + after == through


def test_drift_survives_a_stop() -> None:
    known = examples(1_500) + examples(1_500, seed=2, slope=-0.005)
    through, first = HeadLearner(HEAD), HeadLearner(HEAD)
    taught(through, known)
    taught(first, known[:1_700])
    resumed = HeadLearner.resumed(HEAD, decode_state(encode_state(first.state())))
    taught(resumed, known[1_700:])
    assert encode_state(resumed.state()) == encode_state(through.state())


def test_it_predicts_better_than_the_base_rate_and_knows_by_how_much() -> None:
    learner = HeadLearner(HEAD)
    taught(learner, examples(3_000))
    quality = learner.snapshot(0).quality
    assert quality.loss < quality.base_loss - 0.03
    assert quality.auc is not None
    assert quality.auc > 0.65
    assert quality.ece is not None
    assert quality.ece < 0.05


def test_it_is_no_worse_than_the_base_rate_where_there_is_nothing_to_learn() -> None:
    learner = HeadLearner(HEAD)
    taught(learner, examples(3_000, slope=0.0))
    quality = learner.snapshot(0).quality
    assert quality.loss < quality.base_loss + 0.005


def test_a_change_of_the_world_raises_the_alarm_and_a_steady_one_does_not() -> None:
    steady, changed = HeadLearner(HEAD), HeadLearner(HEAD)
    taught(steady, examples(3_000))
    taught(changed, examples(2_000) + examples(600, seed=2, slope=0.3))
    assert not steady.snapshot(0).quality.drifting
    assert changed.snapshot(0).quality.drifting


def test_what_cannot_be_learned_is_counted() -> None:
    learner, good = HeadLearner(HEAD), examples(1)[0]
    for wrong in (
        Example(FORMAT, "intent", "a", "1", 0, 0, 0, "other", good.inputs, 1),
        Example(FORMAT, "intent", "a", "1", 0, 0, 0, SPEC.hash, (1.0,), 1),
        Example(FORMAT, "intent", "a", "1", 0, 0, 0, SPEC.hash, (float("nan"), 0.0, 0.0), 1),
        Example(FORMAT, "intent", "a", "1", 0, 0, 0, SPEC.hash, good.inputs, 1, weight=0.0),
    ):
        assert not learner.learn(wrong)
    assert (learner.refused, learner.trained) == (4, 0)


def test_each_shop_has_its_own_base_rate() -> None:
    learner = HeadLearner(HEAD)
    for number in range(400):
        site = "ab"[number % 2]
        label = int(site == "a" and number % 4 == 0)
        learner.learn(Example(FORMAT, "intent", site, str(number), 0, 0, 0, SPEC.hash, (1, 0, 0), label))
    shops = learner.snapshot(0).shops
    assert shops["a"]["base"] > 0.4 > shops[""]["base"] > shops["b"]["base"]


def test_a_state_of_other_features_is_refused() -> None:
    other = HeadSpec(Spec("intent", 2, SPEC.inputs))
    with pytest.raises(StateError, match="learns anew"):
        HeadLearner.resumed(other, HeadLearner(HEAD).state())
    with pytest.raises(StateError, match="not the state"):
        decode_state(b"\xc1")


def test_an_example_comes_back_as_it_was_written() -> None:
    example = examples(1)[0]
    assert decode_example(encode_example(example)) == example
    with pytest.raises(ExampleError, match="not an example"):
        decode_example(b"\xc1")
