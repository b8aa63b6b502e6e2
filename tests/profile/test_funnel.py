"""The funnel: how far a person has come, and that time alone leads back."""

from typing import Any

import pytest

from pipeline.config.durations import DAY, MINUTE
from pipeline.log.rows import ClickKind, OrderNews
from pipeline.profile.funnel import CONSIDERING_FOR, CUSTOMER_FOR, DECIDING_FOR, Stage, stage_at
from pipeline.state.customer import NEVER, Customer
from pipeline.state.orders import Order, Orders, OrderState
from tests.engine.shop import T0, Shop, add, at, clear, click, line, order, remove, snapshot

DAYS = DAY // MINUTE


def view(minute: float) -> Any:
    return click(minute, kind=int(ClickKind.VIEW_ITEM), lines=(line("a"),))


def stage_of(shop: Shop) -> Stage:
    return Stage(shop.customer().stage)


def after(*events: Any) -> Stage:
    shop = Shop()
    shop.tell(*events)
    return stage_of(shop)


def test_each_stage_has_its_sign() -> None:
    assert after(click(0)) is Stage.AWARENESS
    assert after(click(0), view(1)) is Stage.CONSIDERATION
    assert after(view(0), add(1)) is Stage.DECISION
    assert after(view(0), add(1), order(2)) is Stage.CUSTOMER
    assert after(order(0)) is Stage.CUSTOMER


@pytest.mark.parametrize("emptied", [clear(2), remove(2), snapshot(2)], ids=["clear", "remove", "snapshot"])
def test_who_empties_the_cart_falls_back_at_once(emptied: Any) -> None:
    shop = Shop()
    shop.tell(add(1), emptied)
    assert stage_of(shop) is Stage.CONSIDERATION
    shop.clock(10)
    assert stage_of(shop) is Stage.CONSIDERATION


def test_an_empty_snapshot_adds_nothing_to_a_cart() -> None:
    shop = Shop()
    shop.tell(snapshot(0))
    assert (stage_of(shop), shop.customer().cart_added) == (Stage.AWARENESS, NEVER)


def test_a_change_that_is_read_before_an_earlier_one_has_the_last_word() -> None:
    assert after(clear(5), add(1)) is Stage.CONSIDERATION
    assert after(add(5), clear(1)) is Stage.DECISION


def test_who_cancels_the_only_order_is_no_customer() -> None:
    cancelled = order(2, event_id="news", news=OrderNews.CANCELLED, order_id="order-bought")
    assert after(view(0), order(1, event_id="bought"), cancelled) is Stage.CONSIDERATION
    assert after(order(-5), order(1, event_id="bought"), cancelled) is Stage.CUSTOMER


def test_time_alone_leads_back() -> None:
    shop = Shop()
    shop.tell(view(0), add(1), order(2, "a"), view(3))
    stages = []
    for day in (0, 7, 29, 31, 364, 366):
        shop.clock(day * DAYS + 10)
        stages.append(stage_of(shop))
    assert stages == [Stage.CUSTOMER] * 5 + [Stage.AWARENESS]
    shop = Shop()
    shop.tell(view(0), add(1))
    stages = []
    for day in (0, 6, 7, 29, 30):
        shop.clock(day * DAYS + 10)
        stages.append(stage_of(shop))
    assert stages == [Stage.DECISION, Stage.DECISION, Stage.CONSIDERATION, Stage.CONSIDERATION, Stage.AWARENESS]


def test_it_lapses_at_its_very_time() -> None:
    carted = Customer(cart_added=T0, interested=T0)
    assert stage_at(carted, T0 + DECIDING_FOR - 1, filled=True) == (Stage.DECISION, T0 + DECIDING_FOR)
    assert stage_at(carted, T0 + DECIDING_FOR, filled=True) == (Stage.CONSIDERATION, T0 + CONSIDERING_FOR)
    assert stage_at(carted, T0 + CONSIDERING_FOR, filled=True) == (Stage.AWARENESS, NEVER)
    bought = Customer(orders=Orders(recent=(Order("o", T0, 0, 0, 1),)))
    assert stage_at(bought, T0 + CUSTOMER_FOR - 1, filled=False) == (Stage.CUSTOMER, T0 + CUSTOMER_FOR)
    assert stage_at(bought, T0 + CUSTOMER_FOR, filled=False) == (Stage.AWARENESS, NEVER)


def test_the_newest_order_that_was_not_cancelled_counts() -> None:
    cancelled = Order("late", T0 + DAY, 0, 0, 1, state=int(OrderState.CANCELLED))
    customer = Customer(orders=Orders(recent=(Order("early", T0, 0, 0, 1), cancelled)))
    assert stage_at(customer, T0 + 2 * DAY, filled=False) == (Stage.CUSTOMER, T0 + CUSTOMER_FOR)


def test_the_clock_wakes_whoever_falls_back() -> None:
    shop = Shop()
    shop.tell(view(0))
    assert 0 < shop.customer().next_due <= at(0) + CONSIDERING_FOR
