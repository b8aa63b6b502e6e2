"""Reorder and count: what orders leave in the memories, and when the labels of their predictions come out."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.heads import count, reorder
from pipeline.heads.labelled import Labelled, example_of
from pipeline.heads.reorder import BINS, MAX_PENDING, SPEC, Memory
from pipeline.learning.head import HeadLearner
from pipeline.learning.heads import HEADS
from pipeline.scoring.hazard import DAY, REORDER_EDGES
from pipeline.scoring.scorer import Scorer

START = 19_000 * DAY
HOUR = DAY // 24

Order = tuple[int, int]
"""Hours since START, and value in minor units."""

orders = st.lists(st.tuples(st.integers(0, 900 * 24), st.integers(0, 10_000)), max_size=25).map(sorted)
clocks = st.lists(st.integers(0, 1_500 * 24), max_size=30)


def bought(memory: Memory, order: Order) -> Memory:
    at = START + order[0] * HOUR
    return reorder.ordered(memory, f"o{order[0]}", at, at - at % DAY + DAY, order[1], 1)


class Customer:
    """One customer, told to both heads; the clock stands at each order, and wherever `pass_time` is called."""

    def __init__(self) -> None:
        self.reorder, self.count = Memory(), count.Memory()
        self.bins: list[Labelled] = []
        self.windows: list[Labelled] = []

    def order(self, order: Order) -> None:
        before = self.reorder
        self.reorder = bought(before, order)
        self.count = count.ordered(self.count, before, self.reorder, START + order[0] * HOUR)

    def pass_time(self, hours: int) -> None:
        clock = START + hours * HOUR
        self.reorder, bins = reorder.settle(self.reorder, clock)
        self.count, windows = count.settle(self.count, self.reorder, clock)
        for label in (*bins, *windows):
            assert label.at <= clock
        self.bins += bins
        self.windows += windows


def followed(known: list[Order], stops: list[int] | None = None) -> Customer:
    customer = Customer()
    steps: list[tuple[int, int, Order | None]] = [(order[0], 1, order) for order in known]
    steps += [(stop, 0, None) for stop in stops or []]
    for hours, _, order in sorted(steps, key=lambda step: step[:2]):
        customer.pass_time(hours)
        if order is not None:
            customer.order(order)
    customer.pass_time(4_000 * 24)
    return customer


def day(number: int, value: int = 1_000) -> Order:
    return number * 24 + 12, value


def labels_of(customer: Customer, name: str) -> list[tuple[int, int]]:
    return [(label.bin, label.label) for label in customer.bins if label.id == name]


@pytest.mark.parametrize(("gap", "place"), [(1, 0), (2, 1), (3, 1), (4, 2), (90, 8), (91, 9), (365, 10)])
def test_an_order_counts_in_the_bin_of_its_day(gap: int, place: int) -> None:
    customer = followed([day(0), day(gap)])
    assert labels_of(customer, "o12") == [(number, int(number == place)) for number in range(place + 1)]


def test_a_customer_who_stays_away_survives_every_bin() -> None:
    assert labels_of(followed([day(0)]), "o12") == [(place, 0) for place in range(BINS)]


def test_orders_of_one_day_are_one_purchase() -> None:
    customer = followed([(10, 300), (20, 400), day(5)])
    assert [label.id for label in customer.bins if label.bin == 0] == ["o10", "o132"]
    first = customer.bins[0]
    assert first.inputs[SPEC.places["value"]] == 700
    assert first.inputs[SPEC.places["days"]] == 1


def test_a_purchase_is_no_label_before_its_bin_has_ended() -> None:
    customer = Customer()
    customer.order(day(0))
    customer.pass_time(24 * 60)
    customer.order(day(60))
    customer.pass_time(24 * 60 + 23)
    assert labels_of(customer, "o12")[-1] == (6, 0)
    customer.pass_time(24 * 61)
    assert labels_of(customer, "o12")[-1] == (7, 1)


@settings(max_examples=40)
@given(orders, clocks)
def test_it_does_not_matter_how_often_the_clock_is_looked_at(known: list[Order], stops: list[int]) -> None:
    once, often = followed(known), followed(known, stops)
    assert often.bins == once.bins
    assert often.windows == once.windows


@settings(max_examples=40)
@given(orders, clocks)
def test_each_label_comes_at_the_end_of_its_bin_and_says_what_followed(known: list[Order], stops: list[int]) -> None:
    days = sorted({hours // 24 for hours, _ in known})
    follows = dict(pairwise(days))
    for label in followed(known, stops).bins:
        purchase = (label.made_at - START) // DAY
        assert label.at == START + (purchase + 1) * DAY + REORDER_EDGES[label.bin]
        gap = (follows[purchase] - purchase) * DAY if purchase in follows else None
        begin = REORDER_EDGES[label.bin - 1] if label.bin else 0
        assert label.label == (gap is not None and begin < gap <= REORDER_EDGES[label.bin])


@settings(max_examples=40)
@given(orders, clocks)
def test_each_window_counts_its_purchase_days(known: list[Order], stops: list[int]) -> None:
    customer = followed(known, stops)
    firsts: dict[int, int] = {}
    for hours, _ in known:
        firsts.setdefault(hours // 24, START + hours * HOUR)
    for label in customer.windows:
        assert label.at == label.made_at + count.HORIZONS[label.bin]
        assert label.label == sum(label.made_at <= at < label.at for at in firsts.values())


@settings(max_examples=40)
@given(orders, clocks)
def test_windows_of_a_horizon_do_not_overlap(known: list[Order], stops: list[int]) -> None:
    customer = followed(known, stops)
    for place in range(len(count.HORIZONS)):
        spans = [(label.made_at, label.at) for label in customer.windows if label.bin == place]
        assert all(one[1] <= other[0] for one, other in pairwise(spans))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 900 * 24), st.integers(0, 10_000)), max_size=40), clocks)
def test_orders_in_any_order_leave_sane_memories(known: list[Order], stops: list[int]) -> None:
    customer = Customer()
    for order in known:
        customer.order(order)
        assert len(customer.reorder.pending) <= MAX_PENDING
        assert len(customer.count.starts) <= count.MAX_STARTS
        assert min(msgspec.structs.astuple(customer.reorder.facts)) >= 0
        for stored in (customer.reorder, customer.count):
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=type(stored)) == stored
    for stop in sorted(stops):
        customer.pass_time(stop)
    assert all(min(label.inputs) >= 0 for label in (*customer.bins, *customer.windows))


def test_more_purchases_than_may_wait_are_not_predicted() -> None:
    customer = Customer()
    for number in range(12):
        customer.order(day(number))
    assert len(customer.reorder.pending) == MAX_PENDING
    customer.pass_time(24 * 400)
    assert not [label for label in customer.bins if label.id == f"o{day(11)[0]}"]


def test_a_customer_of_few_orders_takes_few_bytes() -> None:
    memory = bought(bought(Memory(), day(0)), day(40))
    assert len(msgspec.msgpack.encode(msgspec.structs.replace(memory, pending=()))) <= 60


def test_a_long_silence_ends_the_windows_and_an_order_begins_them_anew() -> None:
    customer = Customer()
    customer.order(day(0))
    customer.pass_time(2_000 * 24)
    assert not customer.count.starts
    customer.order(day(2_000))
    assert [horizon for start in customer.count.starts for horizon, _ in start.running()] == [0, 1, 2, 3]


def cancelled(customer: Customer, order: Order) -> None:
    """No order is left of the day of this one."""
    day_end, before = START + (order[0] // 24 + 1) * DAY, customer.reorder
    customer.reorder = reorder.taken_back(before, day_end, order[1])
    customer.count = count.taken_back(customer.count, before, customer.reorder, day_end)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 900 * 24), st.integers(0, 10_000)), max_size=6).map(sorted), st.integers(1, 364)
)
def test_a_purchase_that_is_cancelled_before_its_bin_has_ended_was_never_made(known: list[Order], gap: int) -> None:
    extra = day((known[-1][0] // 24 if known else 0) + gap)
    kept, twice = Customer(), Customer()
    for order in known:
        for customer in (kept, twice):
            customer.pass_time(order[0])
            customer.order(order)
    kept.pass_time(extra[0])
    twice.pass_time(extra[0])
    twice.order(extra)
    cancelled(twice, extra)
    for customer in (kept, twice):
        customer.order((extra[0] + 48, 1_000))
        customer.pass_time(4_000 * 24)
    assert twice.bins == kept.bins
    assert twice.windows == kept.windows


def test_a_purchase_that_is_cancelled_after_its_bin_has_ended_is_taken_out_of_the_facts() -> None:
    customer = Customer()
    for number in (0, 30, 70, 75):
        customer.order(day(number, 1_000 + number))
    customer.pass_time(90 * 24)
    before = customer.reorder
    cancelled(customer, day(75))
    facts, known = customer.reorder.facts, before.facts
    assert (facts.days, facts.span, facts.spent) == (3, 70, 3_100)
    assert facts.pace == pytest.approx(35, abs=1)
    assert customer.reorder.day_end == before.day_end - known.gap * DAY == START + 71 * DAY
    told = len(customer.bins)
    customer.pass_time(4_000 * 24)
    assert {label.id for label in customer.bins[told:]} <= {"o732", "o12"}


def test_of_an_earlier_purchase_that_is_cancelled_neither_silence_teaches_anything_more() -> None:
    customer = Customer()
    for number in (0, 100, 101):
        customer.order(day(number))
    cancelled(customer, day(100))
    customer.pass_time(4_000 * 24)
    assert {label.id for label in customer.bins} == {f"o{day(101)[0]}"}
    assert [label.label for label in customer.windows if label.bin == 1][:2] == [0, 1]


def test_windows_go_with_the_purchase_that_they_began_with_and_with_no_other() -> None:
    customer = Customer()
    customer.order(day(0))
    customer.pass_time(2_000 * 24)
    customer.order(day(2_000))
    begun = customer.count.starts
    cancelled(customer, day(0))
    assert [start.second for start in customer.count.starts] == [start.second for start in begun]
    customer.order(day(2_001))
    cancelled(customer, day(2_000))
    assert not customer.count.starts


def test_the_only_purchase_cancelled_leaves_nothing() -> None:
    customer = Customer()
    customer.order(day(0))
    cancelled(customer, day(0))
    assert (customer.reorder, customer.count) == (Memory(), count.Memory())


def test_a_refund_takes_money_out_of_the_facts_and_nothing_else() -> None:
    memory = bought(bought(Memory(), day(0, 700)), day(40, 300))
    first, last = (START + number * DAY for number in (1, 41))
    assert reorder.revalued(memory, last, -100).facts == msgspec.structs.replace(memory.facts, value=200, spent=900)
    assert reorder.revalued(memory, first, -500).facts == msgspec.structs.replace(memory.facts, spent=500)
    assert reorder.revalued(memory, last, -9_000).facts.spent == 0
    assert reorder.revalued(memory, last, -100).pending == memory.pending


def test_windows_that_begin_together_share_what_was_known_and_take_few_bytes() -> None:
    customer = Customer()
    customer.order(day(0))
    assert len(msgspec.msgpack.encode(customer.count)) <= 20
    customer.pass_time(24 * 800)
    assert len(msgspec.msgpack.encode(customer.count)) <= 60


HAZARDS = [0.02, 0.03, 0.05, 0.06, 0.05, 0.05, 0.08, 0.1, 0.15, 0.25, 0.3]


def test_the_chance_of_an_order_grows_with_the_horizon_and_is_told_beyond_the_last_bin() -> None:
    chances = [reorder.within(HAZARDS, 10 * DAY, days * DAY) for days in (0, 1, 30, 90, 365, 700)]
    assert chances[0] == 0
    assert all(one < other for one, other in pairwise(chances))
    assert reorder.within(HAZARDS, 500 * DAY, 185 * DAY) == pytest.approx(0.3)


def test_an_order_is_due_when_half_of_such_customers_have_come() -> None:
    memory = bought(Memory(), day(0))
    due = reorder.due(memory, HAZARDS, memory.day_end)
    assert due is not None
    assert reorder.within(HAZARDS, 0, due - memory.day_end) == pytest.approx(0.5, abs=1e-6)
    assert reorder.due(memory, [0.01] * BINS, memory.day_end) is None


def test_a_customer_is_lost_once_overdue_and_less_likely_to_come_than_not() -> None:
    memory = bought(Memory(), day(0))
    due = reorder.due(memory, HAZARDS, memory.day_end)
    assert due is not None
    for tail, least in ((0.6, 90 * DAY), (0.25, 0)):
        hazards = [*HAZARDS[:9], tail, 0.3]
        lost = reorder.lost(memory, hazards, memory.day_end)
        assert lost is not None
        assert lost >= max(due, memory.day_end + least)
        assert reorder.within(hazards, lost - memory.day_end, reorder.GONE) < 0.5
        if lost > due:
            assert reorder.within(hazards, due - memory.day_end, reorder.GONE) >= 0.5


def test_of_whom_no_order_was_expected_nobody_is_lost_and_who_always_comes_is_after_a_year() -> None:
    memory = bought(Memory(), day(0))
    assert reorder.lost(memory, [0.01] * BINS, memory.day_end) is None
    assert reorder.lost(memory, [0.3] * 9 + [0.99, 0.99], memory.day_end) == memory.day_end + 365 * DAY


def test_expected_orders_lie_between_those_of_the_horizons() -> None:
    means = (0.3, 0.9, 1.5, 2.6)
    assert count.expected(means, 15 * DAY) == pytest.approx(0.15)
    assert count.expected(means, 90 * DAY) == pytest.approx(0.9)
    assert count.expected(means, 730 * DAY) == pytest.approx(5.2)
    assert count.expected((0.3, 0.2, 0.5, 50.0), 90 * DAY) == pytest.approx(0.3), "no fewer than in the first month"


def test_the_rows_of_all_bins_are_those_of_each() -> None:
    facts = bought(bought(Memory(), day(0)), day(12)).facts
    assert reorder.rows(facts) == [reorder.inputs(facts, place) for place in range(BINS)]


def test_a_snapshot_says_what_the_learner_would() -> None:
    learner = HeadLearner(HEADS["reorder"])
    for gap in (3, 9, 20, 33, 70, 150):
        for label in followed([day(0), day(gap), day(2 * gap, 5_000)]).bins:
            learner.learn(example_of(label, "reorder", "shop", SPEC.hash))
    snapshot = learner.snapshot(1)
    scorer = Scorer(SPEC, msgspec.structs.replace(snapshot, trained=SPEC.least, quality=type(snapshot.quality)()))
    facts = bought(bought(Memory(), day(0)), day(12)).facts
    for place in range(BINS):
        row = reorder.inputs(facts, place)
        assert scorer.logit(row, scorer.shop("shop")) == pytest.approx(learner.logit(row, "shop"), abs=2e-6)
