"""A cart's silence is asked about bin by bin; what came of a bin is told at its end, whatever it was."""

from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.heads import cart
from pipeline.heads.cart import ENOUGH_LABELS, LEAST_CHANCE, MAX_WAITING, SPEC, Memory, Timing, timing
from pipeline.heads.labelled import Labelled, example_of
from pipeline.learning.head import HeadLearner
from pipeline.learning.heads import HEADS
from pipeline.scoring.hazard import CART_EDGES, DAY, HOUR, MINUTE
from pipeline.scoring.scorer import Scorer

T = 1_700_000_000_000
END = T + 30 * DAY

Happening = tuple[str, int]
DO: dict[str, Callable[[Memory, int], Memory]] = {
    "view": cart.viewed,
    "look": lambda memory, at: cart.viewed(memory, at, "carted"),
    "touch": lambda memory, at: cart.carted(memory, at, str(at), "carted"),
    "empty": cart.emptied,
    "order": cart.ordered,
    "message": cart.censored,
}
happenings = st.lists(
    st.tuples(
        st.sampled_from(["view", "look", "touch", "touch", "empty", "order", "order", "message"]),
        st.integers(0, 5 * DAY),
    ),
    max_size=25,
    unique_by=lambda row: row[1],  # a prediction is named by its time here
).map(lambda rows: sorted(rows, key=lambda row: row[1]))


def lived(rows: list[Happening], clocks: list[int] | None = None) -> tuple[Memory, list[Labelled]]:
    """What is left, and all labels, where the clock stops at each happening and at `clocks`, then at the end."""
    memory = Memory()
    found: list[Labelled] = []
    steps = [(T + at, 1, name) for name, at in rows]
    steps += [(T + at, 0, "") for at in [*[at for _, at in rows], *(clocks or ())]]
    for at, kind, name in sorted(steps, key=lambda step: step[:2]):
        if kind:
            memory = DO[name](memory, at)
        else:
            memory, labels = cart.settle(memory, at)
            found += labels
    memory, labels = cart.settle(memory, END)
    return memory, sorted([*found, *labels], key=lambda one: (one.at, one.made_at))


def told(rows: list[Happening]) -> list[tuple[int, int]]:
    """Bin and label of each that was told in the end."""
    return [(one.bin, one.label) for one in lived(rows)[1]]


def test_a_silence_that_nothing_ends_survives_each_of_its_bins() -> None:
    assert told([("touch", 0)]) == [(number, 0) for number in range(len(CART_EDGES))]


def test_an_order_is_the_outcome_of_the_bin_that_it_falls_into() -> None:
    assert told([("touch", 0), ("order", 5 * MINUTE)]) == [(0, 0), (1, 0), (2, 1)]


def test_an_order_at_a_bins_end_belongs_to_the_next() -> None:
    assert told([("touch", 0), ("order", MINUTE)]) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("name", ["touch", "empty", "message"])
def test_a_bin_that_is_cut_short_says_nothing(name: str) -> None:
    rows = [("touch", 0), (name, 5 * MINUTE)]
    assert [label for label in lived(rows)[1] if label.made_at < T + 5 * MINUTE] == lived([("touch", 0)])[1][:2]


@pytest.mark.parametrize("name", ["empty", "message"])
def test_after_it_was_emptied_or_written_to_only_a_touch_starts_anew(name: str) -> None:
    rows = [("touch", 0), (name, 5 * MINUTE), ("view", HOUR), ("order", 2 * HOUR)]
    assert told(rows) == [(0, 0), (1, 0)]
    assert told([*rows, ("touch", 3 * HOUR), ("order", 3 * HOUR + 1)]) == [(0, 0), (1, 0), (0, 1)]


def test_an_order_without_a_cart_is_no_label() -> None:
    memory, labels = lived([("order", 0)])
    assert (labels, memory.orders, memory.bought) == ([], 1, 0)


def test_a_label_of_either_kind_can_be_learned_at_its_bins_end_and_not_before() -> None:
    memory = cart.ordered(cart.carted(Memory(), T, "a"), T + 7 * HOUR)
    memory, labels = cart.settle(memory, T + DAY - 1)
    assert [one.bin for one in labels] == [0, 1, 2, 3, 4, 5, 6]
    assert cart.next_label(memory) == T + DAY
    memory, labels = cart.settle(memory, T + DAY)
    assert [(one.bin, one.label, one.at) for one in labels] == [(7, 1, T + DAY)]
    assert cart.next_label(memory) == 0


def test_a_prediction_knows_what_was_known_at_its_bins_begin() -> None:
    _, labels = lived([("touch", 0), ("view", 30_000), ("look", 90_000), ("touch", DAY)])
    known = [dict(zip((one.name for one in SPEC.inputs), label.inputs, strict=True)) for label in labels[:3]]
    assert [one["views"] for one in known] == [0, 1, 2]
    assert [one["looks"] for one in known] == [0, 0, 1]
    assert [one["idle"] for one in known] == [0, 30_000, 90_000]
    assert [one["age"] for one in known] == [0, MINUTE, 3 * MINUTE]


def test_a_prediction_knows_the_cart_as_the_last_touch_left_it() -> None:
    memory = cart.carted(Memory(), T, "a", "lamp", cart.Facts(4_000, 1, mobile=1, account=0))
    memory = cart.viewed(cart.carted(memory, T + 10, "b", "tent", cart.Facts(9_000, 2, 1, 1)), T + 20, "tent")
    assert cart.inputs(memory, T + MINUTE, 1)[-4:] == (9_000, 2, 1, 1)
    assert [one.name for one in SPEC.inputs[-4:]] == ["value", "lines", "mobile", "account"]
    assert cart.inputs(cart.emptied(memory, T + 30), T + MINUTE, 1)[-4:] == (0, 0, 0, 0)
    assert cart.inputs(cart.ordered(memory, T + 30), T + MINUTE, 1)[-4:] == (0, 0, 0, 0)


def test_a_memory_from_before_the_facts_of_the_cart_were_kept_knows_none() -> None:
    before = msgspec.to_builtins(cart.carted(Memory(), T, "a", "lamp", cart.Facts(4_000, 1)))
    memory = msgspec.convert(before[: Memory.__struct_fields__.index("facts")], Memory)
    assert (memory.facts, memory.opened) == (cart.NOTHING_KNOWN, T)


def test_the_past_is_kept_of_carts_orders_and_visits() -> None:
    memory, _ = lived(
        [("touch", 0), ("touch", 1), ("order", MINUTE), ("view", HOUR), ("order", 2 * HOUR), ("touch", DAY)]
    )
    assert (memory.touches, memory.bought, memory.orders, memory.visits) == (3, 1, 2, 4)


@given(happenings, st.lists(st.integers(0, 6 * DAY), max_size=20))
def test_labels_are_the_same_in_whatever_steps_the_clock_goes(rows: list[Happening], clocks: list[int]) -> None:
    assert lived(rows, clocks) == lived(rows)


@given(happenings)
def test_no_label_is_told_before_its_bins_end_and_every_bin_once(rows: list[Happening]) -> None:
    memory, seen = Memory(), set()
    for name, at in [*rows, ("view", 29 * DAY)]:
        memory, labels = cart.settle(memory, T + at)
        for one in labels:
            assert one.at <= T + at
            begin = CART_EDGES[one.bin - 1] if one.bin else 0
            assert one.at - one.made_at == CART_EDGES[one.bin] - begin
            assert (one.id, one.bin, one.made_at) not in seen
            seen.add((one.id, one.bin, one.made_at))
        memory = DO[name](memory, T + at)


@given(st.lists(st.tuples(st.sampled_from(sorted(DO)), st.integers(0, 5 * DAY)), max_size=25))
def test_out_of_order_nothing_breaks_and_no_input_is_below_zero(rows: list[Happening]) -> None:
    memory = Memory()
    for name, at in rows:
        memory = DO[name](memory, T + at)
        memory, labels = cart.settle(memory, T + at)
        assert all(value >= 0 for one in labels for value in one.inputs)
    if (one := cart.open_of(memory)) is not None:
        assert min(one.inputs) >= 0


def test_a_person_whose_labels_are_not_fetched_is_bounded() -> None:
    memory = Memory()
    for number in range(100):
        memory = cart.carted(memory, T + number * DAY, str(number))
    assert MAX_WAITING <= len(cart.waiting_of(memory)) <= MAX_WAITING + 1
    memory, _ = cart.settle(memory, END + 100 * DAY)
    memory = cart.carted(memory, END + 101 * DAY, "again")
    assert (cart.waiting_of(memory), cart.open_of(memory) is None) == ((), False)


@given(happenings)
def test_the_memory_comes_back_as_it_was_written(rows: list[Happening]) -> None:
    memory = Memory()
    for name, at in rows:
        memory = cart.served(DO[name](memory, T + at), -3.25, 7)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=Memory) == memory


def test_a_memory_without_predictions_is_small() -> None:
    memory, _ = lived([("touch", 0), ("touch", 10), ("view", 20), ("order", MINUTE), ("touch", HOUR)])
    memory = msgspec.structs.replace(memory, facts=cart.Facts(12_345, 3, 1, 1))
    assert len(msgspec.msgpack.encode(memory)) <= 60


def test_what_was_served_is_told_with_the_label() -> None:
    memory = cart.served(cart.carted(Memory(), T, "a"), -4.5, 12)
    _, labels = cart.settle(memory, T + MINUTE)
    assert [(one.served, one.version) for one in labels] == [(-4.5, 12)]


def test_a_cart_that_is_left_alone_by_chance_stands_for_those_that_were_not_until_it_is_touched() -> None:
    memory = cart.left_alone(cart.carted(Memory(), T, "a"), 3 * MINUTE, 0.1)
    _, labels = cart.settle(memory, T + 15 * MINUTE)
    assert [one.weight for one in labels] == [1, 1, 10.0, 10.0]
    _, labels = cart.settle(cart.carted(memory, T + 2 * MINUTE, "b"), T + 10 * MINUTE)
    assert [one.weight for one in labels] == [1, 1, 1, 1]


def test_no_example_weighs_more_than_the_floor_of_the_chance_allows() -> None:
    memory = cart.left_alone(cart.carted(Memory(), T, "a"), MINUTE, 0.001)
    _, labels = cart.settle(memory, T + 3 * MINUTE)
    assert [one.weight for one in labels] == [1, 1 / LEAST_CHANCE]


@pytest.mark.parametrize(
    ("number", "chance", "expected"),
    [
        (0, 0.0, Timing.WAIT),
        (3, 0.0, Timing.WAIT),
        (4, 0.021, Timing.WAIT),
        (4, 0.02, Timing.FIRE),
        (6, 0.3, Timing.WAIT),
        (6, 0.01, Timing.FIRE),
        (7, 0.3, Timing.WAIT),
        (8, 0.9, Timing.FIRE),
    ],
)
def test_it_fires_where_waiting_is_not_worth_it_from_fifteen_minutes_to_a_day(
    number: int, chance: float, expected: Timing
) -> None:
    assert timing(number, chance, ENOUGH_LABELS, 0.02) is expected


def test_without_a_model_or_with_few_labels_the_fixed_steps_hold() -> None:
    assert timing(4, None, 10**6, 0.02) is Timing.FIXED_STEPS
    assert timing(4, 0.0, ENOUGH_LABELS - 1, 0.02) is Timing.FIXED_STEPS


def test_a_higher_theta_speaks_sooner() -> None:
    assert timing(5, 0.04, ENOUGH_LABELS, theta=0.03) is Timing.WAIT
    assert timing(5, 0.04, ENOUGH_LABELS, theta=0.05) is Timing.FIRE


def test_the_snapshot_and_the_learner_agree() -> None:
    random, learner, seen = Random(4), HeadLearner(HEADS["cart"]), []
    for _ in range(120):
        rows = [(random.choice(["view", "look", "touch", "order"]), random.randrange(2 * DAY)) for _ in range(9)]
        for one in lived(sorted(rows, key=lambda row: row[1]))[1]:
            learner.learn(example_of(one, "cart", "shop", SPEC.hash))
            seen.append(one.inputs)
    assert learner.trained > 1_000
    scorer = Scorer(SPEC, learner.snapshot(END))
    for inputs in seen[-200:]:
        assert scorer.logit(inputs, scorer.shop("shop")) == pytest.approx(learner.logit(inputs, "shop"), abs=2e-6)


def test_the_looks_at_a_cart_are_what_is_known_if_nothing_is_done_until_then() -> None:
    memory, _ = lived([("touch", 0), ("view", MINUTE), ("touch", 5 * MINUTE)])
    begins = {4: 15 * MINUTE, 5: 30 * MINUTE, 6: 2 * HOUR, 7: 6 * HOUR}
    expected = [cart.inputs(memory, memory.touched + begin, number) for number, begin in begins.items()]
    assert cart.looks(memory) == expected


def test_the_patience_for_a_bin_is_that_for_a_day_in_proportion_to_its_length() -> None:
    assert [round(cart.patience(number, 0.024) * 1e6) for number in range(len(CART_EDGES))] == [
        *(17, 33, 67, 133, 250, 1_500, 4_000, 18_000, 48_000)
    ]
