"""Intent: what a visit leaves in the memory, and when the label of a prediction comes out."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.heads import intent
from pipeline.heads.intent import GAP, KEPT_AFTER, MAX_PENDING, SPEC, Memory, pending_of
from pipeline.heads.labelled import Labelled, example_of
from pipeline.learning.head import HeadLearner
from pipeline.learning.heads import HEADS
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import Quality

MINUTE = 60_000
START = 1_700_000_000_000

Event = tuple[int, str, str]
"""Milliseconds since START, what was done, and to which item."""


def told(memory: Memory, event: Event) -> Memory:
    at, kind, item = START + event[0], event[1], event[2]
    if kind == "view":
        return intent.viewed(memory, at, item, f"category {item}")
    if kind == "cart":
        return intent.carted(memory, at, item)
    if kind == "search":
        return intent.searched(memory, at)
    return intent.ordered(memory, at)


def followed(events: list[Event], clocks: list[int] | None = None) -> tuple[Memory, list[Labelled]]:
    """All that was labelled; the clock stands at each event, and at the times of `clocks` as well."""
    memory, labels = Memory(), []
    steps: list[tuple[int, int, Event | None]] = [(event[0], 1, event) for event in events]
    steps += [(clock, 0, None) for clock in clocks or []]
    for at, _, event in sorted(steps, key=lambda step: step[:2]):
        memory, found = intent.settle(memory, START + at)
        labels += found
        if event is not None:
            memory = told(memory, event)
            if event[1] != "order" and intent.kept_now(memory):
                memory = intent.predicted(memory, f"e{at}", START + at, None, 0)
    return memory, labels


def views(count: int, since: int = 0, every: int = MINUTE) -> list[Event]:
    return [(since + number * every, "view", f"item {number}") for number in range(count)]


def input_of(memory: Memory, name: str, at: int) -> float:
    return intent.inputs(memory, START + at)[SPEC.places[name]]


def test_a_visit_is_asked_after_two_five_and_ten_steps() -> None:
    _, labels = followed(views(12), [10 * GAP])
    assert [one.inputs[SPEC.places["steps"]] for one in labels] == list(KEPT_AFTER)


def test_the_label_is_known_half_an_hour_after_the_last_event_and_not_before() -> None:
    memory, _ = followed(views(3))
    end = START + 2 * MINUTE + GAP
    assert intent.session_label(memory) == end
    assert intent.settle(memory, end - 1) == (memory, ())
    settled, labels = intent.settle(memory, end)
    assert [(one.label, one.at) for one in labels] == [(0, end)]
    assert intent.next_label(settled) == intent.session_label(settled) == 0


def test_an_order_makes_the_label_1_but_releases_it_no_sooner() -> None:
    memory, labels = followed([*views(2), (5 * MINUTE, "order", "")], [6 * MINUTE])
    assert labels == []
    _, labels = intent.settle(memory, START + 5 * MINUTE + GAP)
    assert [(one.label, one.at) for one in labels] == [(1, START + 5 * MINUTE + GAP)]


def test_an_order_ends_the_question() -> None:
    memory, _ = followed([*views(2), (5 * MINUTE, "order", ""), *views(9, 6 * MINUTE)])
    assert len(pending_of(memory)) == 1


def test_an_order_of_the_next_visit_does_not_change_the_label_of_this_one() -> None:
    _, labels = followed([*views(2), (3 * GAP, "order", "")], [9 * GAP])
    assert [one.label for one in labels] == [0]


def test_a_visit_that_bought_keeps_its_label_where_the_clock_has_not_passed_its_end_before_the_next() -> None:
    memory, _ = followed(views(2))
    memory = intent.ordered(memory, START + 2 * MINUTE)
    memory = intent.viewed(memory, START + 3 * GAP, "item")
    _, labels = intent.settle(memory, START + 3 * GAP)
    assert [(one.label, one.at) for one in labels] == [(1, START + 2 * MINUTE + GAP)]


def test_an_order_that_is_read_late_changes_the_label_of_the_visit_that_it_belongs_to() -> None:
    memory, _ = followed(views(2))
    memory = intent.viewed(memory, START + 3 * GAP, "item")
    memory = intent.ordered(memory, START + 2 * MINUTE)
    _, labels = intent.settle(memory, START + 9 * GAP)
    assert [one.label for one in labels] == [1]
    assert memory.session is not None
    assert not memory.session.bought


def test_a_silence_of_half_an_hour_begins_a_new_visit_and_adds_up_the_old_one() -> None:
    memory, _ = followed([*views(3), (3 * MINUTE, "order", ""), (3 * MINUTE + GAP, "view", "item 2")])
    at = 3 * MINUTE + GAP
    assert (memory.habits.sessions, memory.habits.buying, input_of(memory, "steps", at)) == (1, 1, 1)
    assert input_of(memory, "silence", at) == GAP
    assert input_of(memory, "recalled", at) == 1
    assert input_of(memory, "known", at) == 1
    assert input_of(memory, "since_order", at) == GAP


def test_the_steps_of_a_visit_are_counted_by_what_they_are() -> None:
    memory, _ = followed(
        [
            (0, "view", "a"),
            (MINUTE, "view", "a"),
            (2 * MINUTE, "cart", "a"),
            (3 * MINUTE, "search", ""),
            (5 * MINUTE, "view", "b"),
        ]
    )
    names = ("steps", "categories", "run", "again", "carts", "searches", "lasted", "gap", "sessions")
    found = {name: input_of(memory, name, 5 * MINUTE) for name in names}
    assert found == {
        "steps": 5,
        "categories": 2,
        "run": 0,
        "again": 1,
        "carts": 1,
        "searches": 1,
        "lasted": 5 * MINUTE,
        "gap": 2 * MINUTE,
        "sessions": 0,
    }


def test_the_own_rate_is_shrunk_to_that_of_the_shop() -> None:
    memory, _ = followed([(0, "order", ""), (2 * GAP, "view", "a")])
    shop = {"rate": 0.1}
    assert SPEC.value_of("rate", intent.inputs(memory, START), shop) == pytest.approx((1 + 5 * 0.1) / (1 + 5))


events = st.lists(
    st.tuples(
        st.integers(0, 20 * GAP // MINUTE).map(lambda minute: minute * MINUTE),
        st.sampled_from(["view", "view", "view", "cart", "search", "order"]),
        st.sampled_from("abc"),
    ),
    max_size=40,
)


@given(events.map(sorted), st.lists(st.integers(0, 22 * GAP), max_size=20))
def test_labels_are_the_same_however_often_they_are_asked_for(happened: list[Event], clocks: list[int]) -> None:
    _, once = followed(happened, [23 * GAP])
    _, often = followed(happened, [*clocks, 23 * GAP])
    assert often == once


@given(events.map(sorted), st.lists(st.integers(0, 40 * GAP), max_size=8))
def test_a_clock_that_lags_and_then_leaps_releases_the_same_labels(happened: list[Event], clocks: list[int]) -> None:
    memory = Memory()
    for event in happened:
        memory = told(memory, event)
        if event[1] != "order" and intent.kept_now(memory):
            memory = intent.predicted(memory, "e", START + event[0], None, 0)
    _, at_once = intent.settle(memory, START + 40 * GAP)
    in_steps: list[Labelled] = []
    for clock in [*sorted(clocks), 40 * GAP]:
        memory, found = intent.settle(memory, START + clock)
        assert all(one.at <= START + clock for one in found)
        assert all(at == 0 or at > START + clock for at in (intent.next_label(memory), intent.session_label(memory)))
        in_steps += found
    assert tuple(in_steps) == at_once


@given(events.map(sorted))
def test_each_label_is_that_of_its_visit(happened: list[Event]) -> None:
    _, labels = followed(happened, [23 * GAP])
    for one in labels:
        rest = [event for event in happened if START + event[0] >= one.made_at]
        breaks = (place for place, (a, b) in enumerate(pairwise(rest), start=1) if b[0] - a[0] >= GAP)
        visit = rest[: next(breaks, len(rest))]
        assert one.label == any(kind == "order" for _, kind, _ in visit)
        assert one.at == START + visit[-1][0] + GAP


@given(events.map(sorted), st.lists(st.integers(0, 22 * GAP), max_size=20))
def test_what_a_score_looks_at_is_the_same_however_often_the_clock_looked_in_before(
    happened: list[Event], clocks: list[int]
) -> None:
    often, never = Memory(), Memory()
    for event in happened:
        for clock in [clock for clock in clocks if clock <= event[0]]:
            often, _ = intent.settle(often, START + clock)
        often, never = told(often, event), told(never, event)
        assert intent.inputs(often, START + event[0]) == intent.inputs(never, START + event[0])


def test_of_a_visit_whose_end_the_clock_has_passed_only_habits_stay() -> None:
    memory, _ = followed(views(4))
    before, _ = intent.settle(memory, START + 3 * MINUTE + GAP - 1)
    after, _ = intent.settle(memory, START + 3 * MINUTE + GAP)
    assert before.session == memory.session
    assert (after.session, after.habits.sessions) == (None, 1)
    late = intent.viewed(after, START + 2 * MINUTE, "item 9")
    assert [input_of(late, name, 2 * MINUTE) for name in ("sessions", "steps", "silence")] == [1, 1, 0]


def test_an_order_of_a_visit_of_which_only_habits_are_left_is_the_last_order_and_begins_nothing() -> None:
    memory, _ = followed([*views(4), (9 * GAP, "view", "item")])
    memory, _ = intent.settle(memory, START + 11 * GAP)
    after = intent.ordered(memory, START + MINUTE)
    assert after == msgspec.structs.replace(
        memory, habits=msgspec.structs.replace(memory.habits, ordered_at=START + MINUTE)
    )


@given(events)
def test_events_out_of_order_leave_a_sound_memory_that_survives_storage(happened: list[Event]) -> None:
    memory = Memory()
    for event in happened:
        memory = told(memory, event)
        if intent.kept_now(memory):
            memory = intent.predicted(memory, "e", START + event[0], -1.5, 3)
        assert all(value >= 0 for value in intent.inputs(memory, START + event[0]))
        assert len(pending_of(memory)) <= MAX_PENDING
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=Memory) == memory


def test_a_typical_memory_is_small() -> None:
    memory, _ = followed([*views(6), (10 * MINUTE, "order", ""), *views(8, 5 * GAP)], [6 * GAP])
    memory, _ = intent.settle(memory, START + 20 * GAP)
    assert len(msgspec.msgpack.encode(memory)) <= 40


def test_the_snapshot_says_what_the_learner_says() -> None:
    head = HEADS["intent"]
    learner = HeadLearner(head)
    rows = []
    for person in range(60):
        happened = [*views(3 + person % 9, person * MINUTE), *([(40 * MINUTE, "order", "")] if person % 3 == 0 else [])]
        happened += views(2 + person % 5, 9 * GAP)
        _, labels = followed(happened, [30 * GAP])
        rows += labels
    for one in rows:
        assert learner.learn(example_of(one, "intent", "shop", SPEC.hash))
    scorer = Scorer(SPEC, msgspec.structs.replace(learner.snapshot(START), quality=Quality(), trained=SPEC.least))
    for one in rows:
        assert scorer.logit(one.inputs, scorer.shop("shop")) == pytest.approx(
            learner.logit(one.inputs, "shop"), abs=1e-5
        )
