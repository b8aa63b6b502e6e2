"""Order facts, one sentence a test. Times are days after an epoch."""

from typing import Any

import pytest

from pipeline.config.durations import DAY
from pipeline.log.rows import Line, OrderNews, OrderRow
from pipeline.profile import orders as facts
from pipeline.profile.orders import Arrived, completed_gaps, expected_gap, last_order, last_order_at, sums, take
from pipeline.state.orders import MAX_EARLY, MAX_NEWS, MAX_ORDERS, Order, Orders, OrderState
from pipeline.state.recent import digest


def row(day: float, order: str = "o", news: OrderNews = OrderNews.PURCHASE, **fields: Any) -> OrderRow:
    known = {
        "id": f"{order}-{news}-{day}",
        "revision": 0,
        "offline": False,
        "renewal": False,
        "value": 1_000,
        "lines": (),
    }
    given = known | fields
    return OrderRow(
        given["id"],
        int(day * DAY),
        news,
        order,
        given["revision"],
        given["offline"],
        given["renewal"],
        given["value"],
        "EUR",
        "",
        given["lines"],
    )


def arrived(event: OrderRow, clock: float = 0) -> Arrived:
    marks = digest(event.order_id), digest(event.id)
    return Arrived(event, event.at // DAY, event.value, *marks, int(clock * DAY))


def known(*events: OrderRow, clock: float = 0) -> Orders:
    """The facts after events, each of which has to be news."""
    orders = Orders()
    for event in events:
        taken = take(orders, arrived(event, clock))
        assert not isinstance(taken, str), taken
        orders = taken.orders
    return orders


def refused(orders: Orders, event: OrderRow, clock: float = 0) -> str:
    taken = take(orders, arrived(event, clock))
    assert isinstance(taken, str)
    return taken


def cancelled(day: float, order: str = "o") -> OrderRow:
    return row(day, order, OrderNews.CANCELLED)


def refunded(day: float, order: str = "o", value: int = 300, **fields: Any) -> OrderRow:
    return row(day, order, OrderNews.REFUNDED, value=value, **fields)


# --- frequency and money


def test_an_order_counts_once_however_often_it_is_sent() -> None:
    orders = known(row(1))
    assert refused(orders, row(1)) == "duplicate"
    assert refused(orders, row(5, id="another")) == "duplicate"


def test_a_higher_revision_changes_the_money_and_nothing_else() -> None:
    line = Line("a", 1, 900, "toy", "")
    orders = known(row(1, lines=(line,)), row(2, revision=1, value=700, lines=(Line("b", 1, 900, "pet", ""),)))
    assert (orders.count, orders.money) == (1, 700)
    assert (orders.recent[0].at, orders.recent[0].category) == (DAY, "toy")
    assert refused(orders, row(3, revision=1, value=5)) == "duplicate"


def test_a_cancelled_order_counts_nowhere() -> None:
    orders = known(row(1, "a"), row(2, "b"), cancelled(3, "b"))
    assert (orders.count, orders.money, orders.days) == (1, 1_000, (1, 1, 1_000))
    assert refused(orders, cancelled(4, "b")) == "duplicate"


def test_a_renewal_counts_in_the_money_only() -> None:
    orders = known(row(1, "a"), row(2, "r", renewal=True))
    assert (orders.count, orders.money) == (1, 2_000)
    assert last_order(orders).id == "a"  # type: ignore[union-attr]


def test_a_refund_is_booked_on_the_day_of_its_order() -> None:
    orders = known(row(1), refunded(50))
    assert (orders.count, orders.money, orders.days) == (1, 700, (1, 1, 700))


def test_refunds_do_not_take_more_than_the_order_was_worth_whatever_comes_first() -> None:
    assert known(row(1), refunded(2, value=800), refunded(3, value=800)).money == 0
    assert known(row(1), refunded(2, value=800), row(1, revision=1, value=500)).money == 0
    assert known(row(1, value=500), refunded(2, value=800), row(1, revision=1, value=1_000)).money == 200


def test_a_refund_told_twice_counts_once_by_event_or_by_its_revision() -> None:
    orders = known(row(1), refunded(2))
    assert refused(orders, refunded(2)) == "duplicate"
    numbered = known(row(1), refunded(2, revision=1))
    assert refused(numbered, refunded(4, revision=1, id="resent")) == "duplicate"
    assert known(row(1), refunded(2, revision=1), refunded(4, revision=2)).money == 400


def test_a_refund_of_a_cancelled_order_changes_no_sum() -> None:
    assert known(row(1), cancelled(2), refunded(3)).money == 0


def test_a_refund_waits_seven_days_for_its_order() -> None:
    early = known(refunded(1), clock=1)
    assert (early.count, early.money) == (0, 0)
    assert refused(early, refunded(1), clock=2) == "duplicate"
    in_time, too_late = take(early, arrived(row(1), 7.9)), take(early, arrived(row(1), 8))
    assert not isinstance(in_time, str)
    assert not isinstance(too_late, str)
    assert (in_time.orders.money, in_time.orders.early) == (700, ())
    assert (too_late.orders.money, too_late.orders.early) == (1_000, ())


def test_refunds_of_two_orders_may_have_one_number_while_they_wait() -> None:
    early = known(refunded(1, "a", revision=1), refunded(1, "b", revision=1))
    assert len(early.early) == 2


def test_few_refunds_wait_at_a_time() -> None:
    assert len(known(*(refunded(1, f"o{i}") for i in range(MAX_EARLY + 3))).early) == MAX_EARLY


def test_other_news_of_an_unknown_order_are_refused() -> None:
    assert refused(Orders(), cancelled(1)) == "unknown_order"


def test_an_order_known_by_its_digest_only_is_a_duplicate() -> None:
    assert refused(Orders(marks=digest("x") + digest("o")), row(1)) == "duplicate"


# --- windows


def test_sums_roll_and_fall_on_the_day() -> None:
    orders = known(row(10, "a"), row(30, "b"))
    assert sums(orders, 30) == (2, 2_000)
    assert facts.next_fall(orders) == 40
    fallen = facts.roll(orders, 41)
    assert (sums(fallen, 30), sums(fallen, 90)) == ((1, 1_000), (2, 2_000))
    assert facts.roll(orders, 39) == orders


def test_it_does_not_matter_how_often_they_roll() -> None:
    orders = known(row(10, "a"), row(30, "b"), row(200, "c"))
    daily = orders
    for today in range(200, 700):
        daily = facts.roll(daily, today)
    assert daily == facts.roll(orders, 699)
    assert (daily.days, daily.count, daily.money) == ((), 3, 3_000)


def test_a_day_older_than_a_year_leaves_the_sums_and_not_the_totals() -> None:
    orders = known(row(10, "a"), row(500, "b"))
    assert (orders.days, orders.count, orders.money) == ((500, 1, 1_000), 2, 2_000)
    after = take(orders, arrived(cancelled(501, "a")))
    assert not isinstance(after, str)
    assert (after.orders.days, after.orders.count, after.orders.money) == ((500, 1, 1_000), 1, 1_000)


# --- recency


def test_the_newest_orders_are_kept_one_by_one() -> None:
    orders = known(*(row(day, f"o{day}") for day in range(1, MAX_ORDERS + 3)))
    assert [order.id for order in orders.recent] == [f"o{day}" for day in range(3, MAX_ORDERS + 3)]
    assert refused(orders, row(1.5, "late")) == "too_late"
    assert (orders.count, orders.past_days, orders.past_first, orders.past_last) == (MAX_ORDERS + 2, 2, 1, 2)


def test_the_last_one_off_order_outlasts_any_number_of_renewals() -> None:
    renewals = [row(30 * i, f"r{i}", renewal=True) for i in range(1, 30)]
    orders = known(row(1, "a"), row(2, "b"), *renewals)
    assert last_order(orders).id == "b"  # type: ignore[union-attr]
    assert len(orders.recent) == MAX_ORDERS
    assert completed_gaps(orders, 10_000 * DAY) == (1, 1)
    later = take(orders, arrived(row(1_000, "c")))
    assert not isinstance(later, str)
    assert "b" not in [order.id for order in later.orders.recent]
    assert completed_gaps(later.orders, 10_000 * DAY) == (2, 999)


# --- gaps


@pytest.mark.parametrize(
    ("days", "gaps", "expected"),
    [((5,), (0, 0), 60), ((5, 35), (1, 30), 50), ((5, 15, 35), (2, 30), 37.5), ((5, 5.5), (0, 0), 60)],
)
def test_the_expected_gap_is_drawn_to_the_prior(
    days: tuple[float, ...], gaps: tuple[int, int], expected: float
) -> None:
    orders = known(*(row(day, f"o{day}") for day in days))
    assert completed_gaps(orders, 100 * DAY) == gaps
    assert expected_gap(orders, 60 * DAY, 100 * DAY) == expected * DAY


def test_the_gap_is_rounded_down_to_the_millisecond() -> None:
    orders = known(row(1, "a"), row(2, "b"))
    assert expected_gap(orders, 60 * DAY, 9 * DAY) == 121 * DAY // 3


def test_gaps_reach_back_beyond_the_orders_that_are_kept() -> None:
    orders = known(*(row(10 * i, f"o{i}") for i in range(1, 101)))
    assert completed_gaps(orders, 10_000 * DAY) == (99, 990)


def test_orders_of_a_day_of_which_some_were_dropped_are_one_purchase() -> None:
    events = [row(1 + i / 20, f"o{i}") for i in range(MAX_ORDERS + 4)]
    assert completed_gaps(known(*events, row(11, "b")), 100 * DAY) == (1, 10)


def test_a_cancelled_order_and_a_renewal_make_no_gap() -> None:
    orders = known(row(1, "a"), row(11, "b"), row(20, "r", renewal=True), row(31, "c"), cancelled(32, "b"))
    assert completed_gaps(orders, 100 * DAY) == (1, 30)


# --- as of a time


def test_what_happened_later_is_left_out() -> None:
    orders = known(row(1, "a"), row(11, "b"), cancelled(20, "b"), row(31, "c"))
    assert [last_order_at(orders, day * DAY).id for day in (1, 11, 19, 20, 31)] == ["a", "b", "b", "a", "c"]  # type: ignore[union-attr]
    assert last_order_at(orders, DAY - 1) is None
    assert [completed_gaps(orders, day * DAY) for day in (10, 19, 20, 31)] == [(0, 0), (1, 10), (0, 0), (1, 30)]


def test_the_state_of_an_order_is_that_of_the_time() -> None:
    shipped, delivered = row(2, news=OrderNews.SHIPPED), row(4, news=OrderNews.DELIVERED)
    opened, back = row(6, news=OrderNews.RETURN_OPENED), refunded(8)
    orders = known(row(1), shipped, delivered, opened, back)
    order = orders.recent[0]
    states = [OrderState(facts.state_at(orders, order, day * DAY)) for day in (1, 2, 4, 6, 8)]
    on_its_way, there = OrderState.SHIPPED, OrderState.SHIPPED | OrderState.DELIVERED
    assert states == [OrderState(0), on_its_way, there, there | OrderState.RETURNING, there]
    assert [facts.refunded_at(orders, order, day * DAY) for day in (7, 8)] == [False, True]


def test_news_that_the_clock_had_passed_hold_for_all_times() -> None:
    orders = known(row(1), cancelled(20), clock=30)
    assert orders.news == ()
    assert last_order_at(orders, 5 * DAY) is None


def test_news_that_the_clock_has_passed_are_dropped_with_the_next() -> None:
    orders = known(row(1), row(2, news=OrderNews.SHIPPED))
    later = take(orders, arrived(row(9, news=OrderNews.DELIVERED), 5))
    assert not isinstance(later, str)
    assert [news.at for news in later.orders.news] == [9 * DAY]


def test_news_are_bounded() -> None:
    orders = known(row(1), *(refunded(2 + i, value=1) for i in range(MAX_NEWS + 5)))
    assert len(orders.news) == MAX_NEWS


# --- the category


def test_the_category_is_that_of_the_line_that_costs_most() -> None:
    cheap, dear = Line("a", 3, 300, "toy", ""), Line("b", 1, 901, "pet", "")
    assert facts.dearest_category(row(1, lines=(cheap, dear))) == "pet"
    assert facts.dearest_category(row(1, lines=(cheap, Line("c", 1, 900, "pet", "")))) == "toy"
    assert facts.dearest_category(row(1, lines=(Line("d", 1, -1, "toy", ""),))) == "toy"
    assert facts.dearest_category(row(1)) == ""


def test_an_order_keeps_what_was_said_of_it() -> None:
    assert known(row(1, offline=True)).recent == (Order("o", DAY, 1, 0, 1_000, "", int(OrderState.OFFLINE)),)
