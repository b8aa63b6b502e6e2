"""What the heads learn and say in the engine, one sentence a test. Times are minutes."""

import math
from datetime import UTC, datetime
from random import Random

import pytest
from msgspec.structs import replace

from pipeline.config.durations import DAY, HOUR, MINUTE
from pipeline.config.policy import PermissionPolicy, SitePolicy
from pipeline.events.customer import Basis, Purpose
from pipeline.heads.reorder import Facts
from pipeline.log.rows import CartOp, Click, ClickKind, ConsentRow, OrderNews, OrderRow, Report
from pipeline.scoring.example import Example
from pipeline.state.codec import decode_customer, encode_customer
from pipeline.state.heads import of_orders
from pipeline.state.orders import OrderState
from pipeline.state.wake import due_of
from pipeline.triggers.contract import Kind
from tests.engine.learned import LearningShop, constant, row
from tests.engine.shop import (
    ANN,
    T0,
    add,
    at,
    cart,
    clear,
    click,
    identity,
    line,
    order,
    remove,
    report,
    site_policy,
    snapshot,
)

ONSITE = PermissionPolicy(without_record=dict.fromkeys(Purpose, Basis.LEGITIMATE_INTEREST))
DAYS = DAY // MINUTE


def view(minute: float, sku: str = "a") -> Click:
    return click(minute, kind=int(ClickKind.VIEW_ITEM), lines=(line(sku, 1, 1_000, "shoes", "acme"),))


def objection(minute: float) -> ConsentRow:
    return ConsentRow(identity(None), at(minute), "profile", "", granted=False, basis="consent")


def cancellation(minute: float, name: str) -> OrderRow:
    return replace(order(minute), news=int(OrderNews.CANCELLED), order_id=f"order-{name}")


def refund(minute: float, name: str, value: int) -> OrderRow:
    return replace(order(minute), news=int(OrderNews.REFUNDED), order_id=f"order-{name}", value=value)


def revision(minute: float, name: str, value: int) -> OrderRow:
    return replace(order(minute), order_id=f"order-{name}", revision=2, value=value)


def approval(minute: float) -> ConsentRow:
    return replace(objection(minute), granted=True)


def of(shop: LearningShop, head: str) -> list[Example]:
    return [example for example in shop.examples if example.head == head]


def facts(shop: LearningShop) -> Facts:
    """What is known of the orders of the customer."""
    of = of_orders(shop.customer().heads)
    assert of is not None
    return of.reorder.facts


# -- labels


def test_a_visit_without_an_order_is_a_0_half_an_hour_after_its_end() -> None:
    shop = LearningShop()
    shop.tell(view(0), view(1), view(2))
    shop.clock(31.9)
    assert of(shop, "intent") == []
    shop.clock(32)
    (example,) = of(shop, "intent")
    assert (example.label, example.made_at, example.at) == (0, at(1), at(32))
    assert (example.site, example.served, example.version) == ("s", None, 0)


def test_the_clock_looks_at_a_visit_when_it_has_ended_and_not_when_it_might_have() -> None:
    shop = LearningShop()
    shop.tell(view(0), view(1), view(20), view(40))
    assert due_of(shop.customer()) == at(70)
    shop.clock(50)
    assert due_of(shop.customer()) == at(70)
    shop.tell(view(75))  # another visit: the clock has not passed the end of the first
    assert due_of(shop.customer()) == at(70)
    shop.clock(70)
    assert [example.at for example in of(shop, "intent")] == [at(70)]
    shop.tell(view(76))
    assert due_of(shop.customer()) == at(106)


def test_a_visit_with_an_order_is_a_1_and_no_sooner() -> None:
    shop = LearningShop()
    shop.tell(view(0), view(1), order(3))
    shop.clock(32.9)
    assert of(shop, "intent") == []
    shop.clock(33)
    assert [example.label for example in of(shop, "intent")] == [1]


def test_an_example_does_not_name_the_person() -> None:
    shop = LearningShop()
    shop.tell(view(0), view(1))
    shop.clock(60)
    assert ANN.encode() not in repr(shop.examples).encode()


def test_a_cart_that_is_left_alone_survives_bin_by_bin_and_one_that_is_ordered_does_not() -> None:
    shop = LearningShop(site_policy(permission=PermissionPolicy(accepted={})))
    shop.tell(add(0))
    shop.clock(40)
    shop.tell(order(50))
    shop.clock(200)
    labels = [(example.bin, example.label) for example in of(shop, "cart")]
    assert labels == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 1)]
    assert all(example.at <= at(200) for example in shop.examples)


def test_the_cart_head_is_told_what_a_change_leaves_in_the_cart_on_what_device_and_whose() -> None:
    shop = LearningShop(site_policy(rates={"USD": 0.5}))
    shop.tell(add(0, "a", 1_000, 2, currency="USD", device="mobile"))
    shop.tell(add(10, "b", 300))
    shop.tell(cart(20, CartOp.SET, line("a", 3, 1_000)))
    shop.tell(remove(30, "b"))
    shop.tell(snapshot(40, "x", "y", device="desktop"))
    shop.tell(add(50, "z", 50), person="s|a|visitor")
    shop.clock(81)
    facts = {(one.made_at - T0) // MINUTE: one.inputs[-4:] for one in of(shop, "cart") if one.bin == 0}
    assert facts == {
        0: (1_000, 1, 1, 1),
        10: (1_300, 2, 1, 1),
        20: (3_300, 2, 1, 1),
        30: (3_000, 1, 1, 1),
        40: (2_000, 2, 0, 1),
        50: (50, 1, 0, 0),
    }


def test_a_change_that_empties_the_cart_is_no_touch_of_it() -> None:
    shop = LearningShop()
    shop.tell(add(0), remove(10), add(20))
    shop.clock(30)
    touches = {(one.made_at - T0) // MINUTE: one.inputs[7] for one in of(shop, "cart") if one.bin == 0}
    assert touches == {0: 1, 20: 2}


def test_a_message_about_the_cart_ends_what_its_silence_says() -> None:
    shop = LearningShop(site_policy(steps=(30,)))
    shop.tell(add(0))
    shop.clock(2 * DAYS)
    assert shop.said()[0].outcome == "emitted"
    assert [example.bin for example in of(shop, "cart")] == [0, 1, 2, 3, 4]


def test_an_emptied_cart_says_nothing_of_the_bin_that_it_was_in() -> None:
    shop = LearningShop()
    shop.tell(add(0), clear(5))
    shop.clock(2 * DAYS)
    assert [example.bin for example in of(shop, "cart")] == [0, 1]


def test_a_purchase_is_asked_about_until_the_next() -> None:
    shop = LearningShop()
    shop.tell(order(0, "a", event_id="o1"), order(10 * DAYS, "a", event_id="o2"))
    shop.clock(40 * DAYS)
    first = [example for example in of(shop, "reorder") if example.made_at == at(0)]
    assert [example.label for example in first] == [0, 0, 0, 1]
    assert all(example.at - example.made_at >= 14 * DAY for example in first if example.label)


def test_purchase_days_of_a_window_are_counted_at_its_end() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1"), order(10 * DAYS, event_id="o2"), order(10 * DAYS + 1, event_id="o3"))
    shop.clock(29 * DAYS)
    assert of(shop, "count") == []
    shop.tell(order(29 * DAYS, event_id="o4"))
    shop.clock(32 * DAYS)
    (example,) = of(shop, "count")
    assert (example.bin, example.label, example.inputs[:3]) == (0, 2, (0, 0, 0))
    shop.clock(62 * DAYS)
    second = of(shop, "count")[1]
    assert (second.label, second.inputs[:3]) == (0, (0, 2, 1))


def test_an_order_that_is_cancelled_is_no_purchase() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1", value=500))
    before = facts(shop)
    shop.tell(order(5 * DAYS, event_id="o2", value=700), cancellation(6 * DAYS, "o2"))
    assert facts(shop) == before
    shop.clock(40 * DAYS)
    assert {example.label for example in of(shop, "reorder")} == {0}
    assert [example.label for example in of(shop, "count")] == [0]


def test_an_order_of_a_day_that_has_another_takes_only_its_money_when_it_is_cancelled() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1", value=500), order(1, event_id="o2", value=700), cancellation(2, "o2"))
    assert (facts(shop).days, facts(shop).value, facts(shop).spent) == (1, 500, 500)


def test_money_that_goes_back_is_not_spent_and_never_more_than_was() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1", value=500), refund(1, "o1", 200))
    shop.tell(refund(2, "o1", 900))
    assert (facts(shop).days, facts(shop).spent) == (1, 0)


def test_money_that_goes_back_after_a_cancellation_is_not_taken_out_twice() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1", value=500), order(5 * DAYS, event_id="o2", value=700))
    shop.tell(cancellation(6 * DAYS, "o2"), refund(6 * DAYS, "o2", 700))
    assert facts(shop).spent == 500


def test_a_refund_that_is_read_before_its_order_is_not_spent_either() -> None:
    shop = LearningShop()
    shop.tell(refund(1, "o1", 200), order(0, event_id="o1", value=500))
    assert (facts(shop).value, facts(shop).spent) == (300, 300)
    shop.tell(cancellation(2, "o1"))
    assert facts(shop) == Facts()


def test_an_order_is_worth_what_its_newest_revision_says() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1", value=500), revision(1, "o1", 800))
    assert (facts(shop).days, facts(shop).value, facts(shop).spent) == (1, 800, 800)
    shop.tell(refund(2, "o1", 300), replace(revision(3, "o1", 400), revision=3))
    assert (facts(shop).value, facts(shop).spent) == (100, 100)


def test_an_order_that_was_made_while_nothing_was_learned_takes_nothing_with_it_when_it_is_cancelled() -> None:
    shop = LearningShop()
    shop.tell(objection(-1), order(0, event_id="o1", value=500), approval(1))
    shop.tell(order(5 * DAYS, event_id="o2", value=700), order(9 * DAYS, event_id="o3", value=900))
    before = shop.customer().heads
    shop.tell(cancellation(9 * DAYS + 1, "o1"), refund(9 * DAYS + 2, "o1", 500))
    assert shop.customer().heads == before


def test_an_order_of_a_bot_takes_nothing_with_it_though_another_was_made_that_day() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1", value=500))
    for number in range(70):
        shop.tell(view(10 + number / 600))
    shop.tell(order(20, event_id="o2", value=700))
    assert (facts(shop).days, facts(shop).spent) == (1, 500)
    shop.tell(cancellation(30, "o2"))
    assert (facts(shop).days, facts(shop).spent) == (1, 500)
    shop.tell(cancellation(40, "o1"))
    assert facts(shop) == Facts()


def test_an_order_from_before_there_were_heads_takes_nothing_with_it_when_it_is_cancelled() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1", value=500))
    customer = shop.customer()
    customer.heads = None
    shop.store[ANN.encode()] = encode_customer(customer)
    shop.reopen()
    shop.tell(order(5 * DAYS, event_id="o2", value=700), cancellation(6 * DAYS, "o1"))
    assert (facts(shop).days, facts(shop).spent) == (1, 700)


def test_an_order_that_was_stored_before_it_was_noted_what_the_heads_know_is_taken_back() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1", value=500), order(5 * DAYS, event_id="o2", value=700))
    orders = shop.customer().orders
    assert orders is not None
    assert [one.state for one in orders.recent] == [0, 0]
    shop.tell(cancellation(6 * DAYS, "o2"))
    assert (facts(shop).days, facts(shop).spent) == (1, 500)


def test_a_day_that_was_read_too_late_to_be_counted_is_not_taken_out_of_the_count() -> None:
    shop = LearningShop()
    shop.tell(order(0, event_id="o1"), order(10 * DAYS, event_id="o3", value=900))
    shop.tell(order(5 * DAYS, event_id="o2", value=700), cancellation(11 * DAYS, "o2"))
    assert (facts(shop).days, facts(shop).spent) == (2, 901)
    shop.clock(40 * DAYS)
    assert [example.label for example in of(shop, "count")] == [1]


def test_the_heads_hold_just_what_the_orders_are_worth_that_they_were_told_of() -> None:
    """Orders and their news in any order, told again, revised, and while nothing may be learned. Days are as read."""
    for seed in range(60):
        random, shop = Random(seed), LearningShop()
        told: set[str] = set()
        profiled = True
        for number in range(30):
            name, minute = f"o{random.randint(1, 6)}", random.randint(0, 40) * DAYS // 4
            kind, value = random.choice("ppppprrrvvc" + "x" * (number % 9 == 8)), random.choice([100, 300, 700])
            known = shop.customer().orders
            new = known is None or all(one.id != f"order-{name}" for one in known.recent)
            if kind == "p":
                shop.tell(order(minute, event_id=name, value=value))
                told |= {f"order-{name}"} if profiled and new else set()
            elif kind == "r":
                shop.tell(refund(minute, name, value))
            elif kind == "v":
                shop.tell(replace(revision(minute, name, value), revision=number))
                told |= {f"order-{name}"} if profiled and new else set()
            elif kind == "c":
                shop.tell(cancellation(minute, name))
            else:
                profiled = not profiled
                shop.tell(approval(-30 + number) if profiled else objection(-30 + number))
            held, orders = of_orders(shop.customer().heads), shop.customer().orders
            if held is None or not held.reorder.day_end:
                told.clear()
                continue
            assert orders is not None
            of = [one for one in orders.recent if one.id in told and not one.state & OrderState.CANCELLED]
            assert held.reorder.facts.spent == sum(max(one.value - one.refunded, 0) for one in of), (seed, number)
            assert held.reorder.facts.value <= held.reorder.facts.spent
            assert 1 <= held.reorder.facts.days <= len(told)


def test_who_objects_to_a_profile_is_forgotten_and_nothing_is_learned_of_him() -> None:
    shop = LearningShop()
    shop.tell(view(0), view(1), add(2), objection(3), view(4), view(5))
    shop.clock(3 * DAYS)
    assert shop.examples == []
    assert shop.customer().heads is None


def test_what_is_read_late_builds_no_profile_of_who_has_objected_since() -> None:
    shop = LearningShop()
    shop.tell(view(0), objection(10), view(5), add(6), order(7, "a"))
    assert (shop.customer().heads, shop.customer().tastes) == (None, None)
    shop.tell(approval(20), view(12))
    assert (shop.customer().heads, shop.customer().tastes) == (None, None)
    shop.tell(objection(30), approval(30), view(40))
    assert (shop.customer().heads, shop.customer().tastes) == (None, None)
    shop.tell(approval(50), view(60))
    assert shop.customer().heads is not None


def test_a_bot_teaches_nothing() -> None:
    shop = LearningShop()
    for number in range(70):
        shop.tell(view(number / 600))
    before = shop.customer().heads
    shop.tell(view(8), view(9))
    assert shop.customer().bot
    assert shop.customer().heads == before


def test_who_was_taken_for_a_bot_is_learned_of_again_after_a_day() -> None:
    shop = LearningShop()
    for number in range(70):
        shop.tell(view(number / 600))
    assert shop.customer().bot
    shop.tell(view(2 * DAYS), view(2 * DAYS + 1))
    shop.clock(3 * DAYS)
    assert at(2 * DAYS + 1) in [example.made_at for example in of(shop, "intent")]


def test_a_restart_in_between_changes_no_example() -> None:
    def examples(*, reopen: bool) -> list[Example]:
        shop = LearningShop()
        for event in (view(0), view(1), add(2), view(3), order(50, "a")):
            shop.tell(replace(event, id=f"e{event.at}"))
            if reopen:
                shop.reopen()
        for minute in (33, 120, 5_000):
            shop.clock(minute)
            if reopen:
                shop.reopen()
        return shop.examples

    assert examples(reopen=True) == examples(reopen=False) != []


def test_a_value_that_was_stored_before_there_were_heads_is_read() -> None:
    shop = LearningShop()
    shop.tell(order(0))
    customer = shop.customer()
    customer.heads = None
    data = encode_customer(customer)
    earlier = bytes([data[0], data[1], data[2], data[3] - 2]) + data[4:-3]  # without the last two fields: nil, and b""
    assert decode_customer(earlier) == customer


# -- orders of before the site went live


def about_to_go_live(day: int) -> LearningShop:
    """A shop that has been collecting for a year and goes live on this day."""
    live_at = datetime.fromtimestamp((T0 + day * DAY) / 1000, UTC)
    shop = LearningShop(replace(site_policy(), go_live_at=live_at))
    shop.clock(365 * DAYS)
    return shop


def test_past_orders_teach_what_came_of_them_once_the_site_goes_live() -> None:
    shop = about_to_go_live(366)
    for day in (0, 20, 200):
        shop.tell(order(day * DAYS))
        shop.clock(365 * DAYS + 1)  # much later than what they say, and before the next is told
    assert not of(shop, "reorder")
    shop.clock(366 * DAYS + HOUR // MINUTE)
    again = [(one.bin, one.label) for one in of(shop, "reorder") if one.made_at == T0]
    assert again == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1)], (
        "the next order came in the fifth bin, after 14 to 21 days"
    )
    months = [one.label for one in of(shop, "count") if one.bin == 0]
    assert (months[0], sum(months)) == (1, 2), "of the windows of thirty days two hold an order"


def test_of_many_past_orders_none_is_left_out() -> None:
    shop = about_to_go_live(366)
    for day in range(0, 330, 11):
        shop.tell(order(day * DAYS))
    shop.clock(366 * DAYS + HOUR // MINUTE)
    assert sum(one.label for one in of(shop, "reorder")) == 29, "each of thirty orders but the first answers one"
    assert sum(one.label for one in of(shop, "count") if one.bin == 0) == 29
    assert not shop.discarded


def test_labels_of_past_orders_are_spread_over_an_hour() -> None:
    shop = about_to_go_live(366)
    for number in range(40):
        shop.tell(order(0, event_id=f"bought {number}"), person=f"s|c|{number}")
    shop.clock(365 * DAYS + 1)
    known = []
    for minute in range(0, 65, 5):
        shop.clock(366 * DAYS + minute)
        known.append(len({one.id for one in of(shop, "reorder")}))
    assert known[-1] == 40
    assert 10 < known[6] < 30


# -- scores


def test_without_a_model_the_rules_hold_and_the_trigger_says_so() -> None:
    shop = LearningShop(site_policy())
    shop.tell(add(0))
    shop.clock(31)
    (trigger,) = shop.triggers()
    assert trigger["data"]["timing"] == "rules"
    assert "scores" not in trigger["data"]


def test_a_cart_that_will_not_be_ordered_is_spoken_of_as_soon_as_may_be() -> None:
    shop = LearningShop(site_policy(explore=0.0))
    shop.broadcast(row(constant("cart", -12.0)))
    shop.tell(add(0))
    shop.clock(20)
    (trigger,) = shop.triggers()
    assert trigger["data"]["timing"] == "learned"
    assert [score["head"] for score in trigger["data"]["scores"]] == ["cart"]
    assert trigger["data"]["scores"][0]["probability"] == pytest.approx(1 / (1 + math.exp(12)), abs=1e-6)
    assert shop.said() == [(1, "emitted", "silent", 15)]


def test_a_cart_is_waited_for_as_long_as_that_is_worth_it() -> None:
    shop = LearningShop(site_policy(explore=0.0))
    shop.broadcast(row(constant("cart", -2.0, bin_6=-12.0)))
    shop.tell(add(0))
    shop.clock(119)
    assert shop.said() == []
    shop.clock(120)
    assert [said.step for said in shop.said()] == [1]


def test_a_cart_that_is_always_likely_to_be_ordered_is_spoken_of_after_a_day() -> None:
    shop = LearningShop(site_policy(explore=0.0))
    shop.broadcast(row(constant("cart", 0.0)))
    shop.tell(add(0))
    shop.clock(24 * 60 - 1)
    assert shop.said() == []
    shop.clock(24 * 60)
    assert [said.step for said in shop.said()] == [1]


@pytest.mark.parametrize(
    ("policy", "trained"), [(site_policy(timing="fixed"), 10_000), (site_policy(), 1_999)], ids=["policy", "labels"]
)
def test_fixed_steps_hold_by_policy_and_while_there_are_few_labels(policy: SitePolicy, trained: int) -> None:
    shop = LearningShop(policy)
    shop.broadcast(row(constant("cart", -12.0, trained=trained)))
    shop.tell(add(0))
    shop.clock(29)
    assert shop.said() == []
    shop.clock(30)
    assert [said.step for said in shop.said()] == [1]


def test_each_touch_has_the_time_that_it_was_given_however_the_log_is_read() -> None:
    """The first touch is given a quarter of an hour, the second a day: the clock passes both at once or one by one."""

    def said(*clocks: float) -> list[tuple[int, str]]:
        shop = LearningShop(site_policy())
        shop.broadcast(row(constant("cart", -12.0)))
        shop.tell(replace(add(0), id="one"))
        shop.broadcast(row(constant("cart", 0.0, version=2)))
        shop.tell(replace(add(60, "b"), id="two"))
        for minute in clocks:
            shop.clock(minute)
        return [(said.step, said.outcome) for said in shop.said()]

    assert said(15, 61, 2 * DAYS)[0] == said(2 * DAYS)[0] == (1, "emitted")


def test_a_win_back_is_due_when_the_next_order_is() -> None:
    shop = LearningShop(kind=Kind.WIN_BACK)
    shop.broadcast(row(constant("reorder", -3.0, bin_5=4.0)))
    shop.tell(order(0))
    shop.clock(23 * DAYS)
    assert shop.said() == []
    shop.clock(31 * DAYS)
    (trigger,) = shop.triggers()
    assert trigger["data"]["timing"] == "learned"
    due = trigger["data"]["due_at"]
    assert "2023-12-06" <= due <= "2023-12-16"  # between three weeks and thirty days after the order of 14 November
    assert trigger["data"]["scores"][0]["head"] == "reorder"


def test_who_objects_to_a_profile_is_won_back_by_the_rules() -> None:
    shop = LearningShop(kind=Kind.WIN_BACK)
    shop.broadcast(row(constant("reorder", -3.0, bin_9=9.0)))
    shop.tell(order(0))
    shop.clock(80 * DAYS)
    shop.tell(objection(80 * DAYS))
    shop.clock(91 * DAYS)
    assert [said.reason for said in shop.said()] == ["second_order"]


def test_a_win_back_says_how_many_orders_are_to_be_expected_and_what_they_are_worth() -> None:
    shop = LearningShop(kind=Kind.WIN_BACK)
    shop.broadcast(row(constant("count", math.log(0.1), horizon_1=math.log(4.0))))
    shop.tell(order(0, value=9_000))
    shop.clock(92 * DAYS)
    (trigger,) = shop.triggers()
    expected = trigger["data"]["expected"]
    assert (expected["head"], expected["version"], expected["days"]) == ("count", 1, 90)
    assert expected["orders"] == pytest.approx(0.4, abs=1e-4)
    worth = (3 * 5_000 + 9_000) / 4  # the shop's usual value counts for three days
    assert (expected["value"], expected["currency"]) == (round(0.4 * worth), "EUR")


def test_without_a_model_of_the_orders_to_come_nothing_is_said_of_them() -> None:
    shop = LearningShop(kind=Kind.WIN_BACK)
    shop.tell(order(0))
    shop.clock(92 * DAYS)
    (trigger,) = shop.triggers()
    assert "expected" not in trigger["data"]


def test_where_no_next_order_is_expected_the_rules_of_the_win_back_hold() -> None:
    shop = LearningShop(kind=Kind.WIN_BACK)
    shop.broadcast(row(constant("reorder", -9.0)))
    shop.tell(order(0))
    shop.clock(89 * DAYS)
    assert shop.said() == []
    shop.clock(92 * DAYS)
    assert [said.reason for said in shop.said()] == ["second_order"]


def test_the_band_of_intent_is_shown_and_a_change_of_it_is_said() -> None:
    shop = LearningShop(site_policy(permission=ONSITE), kind=Kind.PERSONALIZATION)
    shop.broadcast(row(constant("intent", -6.0, steps_2=6.0)))
    shop.tell(view(0), view(1))
    assert [trigger["data"]["moment"]["intent"] for trigger in shop.triggers()] == ["low"]
    for minute in range(2, 8):
        shop.tell(view(minute))
    bands = [trigger["data"]["moment"]["intent"] for trigger in shop.triggers()]
    assert bands == ["low", "high"]
    (score,) = shop.triggers()[-1]["data"]["scores"]
    assert (score["head"], score["version"], score["logit"]) == ("intent", 1, 0.0)
    assert score["factors"][0]["words"] == "steps in this visit: 6"


def test_a_score_that_was_served_comes_back_with_its_label() -> None:
    shop = LearningShop()
    shop.broadcast(row(constant("intent", -1.5, version=7)))
    shop.tell(view(0), view(1))
    shop.clock(60)
    (example,) = of(shop, "intent")
    assert (example.served, example.version) == (-1.5, 7)


def test_a_report_that_a_message_was_sent_ends_the_carts_own_silence() -> None:
    shop = LearningShop(site_policy(steps=(2_000,), timing="fixed"))
    shop.tell(add(0), report(10, Report.SENT))
    shop.clock(3 * DAYS)
    assert [example.bin for example in of(shop, "cart")] == [0, 1, 2]


def test_labels_go_out_though_the_orders_of_the_site_are_silent() -> None:
    shop = LearningShop(replace(site_policy(), order=replace(site_policy().order, silent_after=30 * MINUTE)))
    shop.beat(activity=1, order=1, orders=1)
    shop.tell(add(1))
    shop.beat(activity=90)
    shop.clock(90)
    assert [said.outcome for said in shop.said()] == ["held"]
    shop.clock(5 * 60)
    assert {example.bin for example in of(shop, "cart")} >= {0, 1, 2, 3, 4, 5}


def test_the_epoch_of_these_tests_is_in_the_evening_of_14_november() -> None:
    assert T0 % DAY > 22 * HOUR


def test_a_share_of_the_carts_waits_longer_with_its_propensity_and_stands_for_the_others() -> None:
    def waited(explore: float) -> list[tuple[float, float]]:
        found = []
        for number in range(60):
            shop = LearningShop(site_policy(explore=explore))
            shop.broadcast(row(constant("cart", -12.0)))
            shop.tell(replace(add(0), id=f"cart-{number}"))
            shop.clock(2 * DAYS)
            first = shop.triggers()[0]["data"]
            weights = [example.weight for example in of(shop, "cart") if example.bin >= 4]
            minutes = shop.said()[0].minute
            assert all(weight == pytest.approx(1 / explore) for weight in weights)
            assert bool(weights) == (minutes > 15)
            found.append((minutes, first["propensity"]))
        return found

    chosen = waited(0.3)
    assert {minutes for minutes, _ in chosen} == {15, 30, 120, 360, 1_440}
    assert 5 <= sum(minutes > 15 for minutes, _ in chosen) <= 30
    assert all(p == pytest.approx(0.7 if minutes == 15 else 0.075) for minutes, p in chosen)
    assert {minutes for minutes, _ in waited(1e-9)} == {15}


def test_a_change_for_which_nothing_is_learned_is_not_late_by_the_learned_time_of_the_one_before() -> None:
    shop = LearningShop(site_policy(steps=(20,), explore=0.0))
    shop.broadcast(row(constant("cart", 12.0)))
    shop.tell(add(0))
    shop.clock(31)
    assert shop.customer().cart.delay == DAY
    shop.tell(ConsentRow("e", at(32), Purpose.PROFILE, "", False, Basis.CONSENT), add(40))
    shop.clock(60)
    assert [(said.outcome, said.minute) for said in shop.said()] == [("emitted", 60)]
