"""Winning customers back, one sentence a test. Times are days after the shop's epoch."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from pipeline.config.durations import DAY, HOUR, Millis
from pipeline.config.errors import ConfigError
from pipeline.config.policy import (
    OrderPolicy,
    PermissionPolicy,
    RampPolicy,
    SitePolicy,
    WinBackPolicy,
    decode_policy,
    encode_policy,
    load_policy,
)
from pipeline.engine.outputs import rfc3339
from pipeline.events.customer import Channel
from pipeline.log.rows import CartOp, Click, ConsentRow, IdentifyRow, MessageRow, OrderNews, OrderRow, Report
from pipeline.policy.pacing import spread
from pipeline.state.customer import Customer
from pipeline.state.win_back import MAX_RUNS
from pipeline.triggers import win_back
from pipeline.triggers.contract import Kind
from pipeline.triggers.win_back_memory import last_visit, noted, visited
from tests.engine import shop
from tests.engine.learned import LearningShop, constant, row
from tests.engine.shop import ANN, T0, Shop, line, site_policy

MINUTES = 1440
ANON = "s|a|v"
EPOCH = datetime.fromtimestamp(T0 / 1000, UTC)


class Said(NamedTuple):
    """A decision, in short; the day is that of the decision."""

    what: str
    outcome: str
    reason: str
    day: float


def policy(win_back: WinBackPolicy | None = None, **more: Any) -> SitePolicy:
    return replace(site_policy(), win_back=win_back or WinBackPolicy(), **more)


def visit(day: float, **more: Any) -> Click:
    return shop.click(day * MINUTES, **more)


def add(day: float, **more: Any) -> Any:
    return shop.add(day * MINUTES, **more)


def order(day: float, name: str = "o1", category: str = "", **more: Any) -> OrderRow:
    row = shop.order(day * MINUTES, order_id=name, **more)
    return replace(row, lines=(line("a", 1, 900, category),)) if category else row


def news(day: float, what: OrderNews, name: str = "o1") -> OrderRow:
    return shop.order(day * MINUTES, news=what, order_id=name)


def word(day: float, granted: bool, channel: str = "", **more: Any) -> ConsentRow:
    return shop.word(day * MINUTES, granted, channel, **more)


def clicked(day: float, channel: str = "email") -> MessageRow:
    return shop.report(day * MINUTES, Report.CLICKED, channel)


def until(day: float, *events: Any, policy: SitePolicy | None = None, person: str = ANN, **more: Any) -> Shop:
    made = Shop(policy or globals()["policy"](), kind=Kind.WIN_BACK, **more)
    made.tell(*events, person=person)
    made.clock(day * MINUTES)
    return made


def heard(made: Shop) -> list[Said]:
    """What has been said since this was asked last; a visitor's episode without the name."""
    found = []
    for decision in made.decisions():
        at = datetime.fromisoformat(decision["at"]) - EPOCH
        what = decision["episode"]
        if not what.startswith("o"):
            what = what.partition(":")[2]
        found.append(Said(what, decision["outcome"], decision["reason"], round(at / timedelta(days=1), 6)))
    made.outputs.clear()
    return found


def said(day: float, *events: Any, **more: Any) -> list[Said]:
    return heard(until(day, *events, **more))


def test_the_epoch_of_these_tests_is_no_midnight() -> None:
    assert T0 % DAY == 22 * HOUR + 800_000


# --- when


def test_a_second_order_is_due_after_one_and_a_half_usual_gaps() -> None:
    assert said(89.999, order(0)) == []
    assert said(90, order(0)) == [Said("o1:second_order", "emitted", "second_order", 90)]


def test_two_gaps_of_ones_own_weigh_as_much_as_the_prior() -> None:
    """(2 * 60 + 10 + 20) / (2 + 2) = 37.5 days are expected; it is due twice that after the last order."""
    events = order(0, "o1"), order(10, "o2"), order(30, "o3")
    assert said(30 + 74.999, *events) == []
    assert said(30 + 75, *events) == [Said("o3:cadence", "emitted", "cadence", 105)]


def test_orders_of_one_day_are_one_purchase() -> None:
    assert said(91, order(0, "o1"), order(0.05, "o2")) == [Said("o2:second_order", "emitted", "second_order", 90.05)]


def test_the_days_of_purchases_are_those_of_the_sites_zone() -> None:
    events = (
        order(0, "o1"),
        order(0.05, "o2"),
    )  # 22:13 and 23:25 in UTC, with a midnight between them an hour further east
    east = policy(timezone="Etc/GMT-1")
    assert [s.day for s in said(91, *events)] == [90.05]
    assert said(0.05 + 2 * 121 / 3, *events, policy=east) == [
        Said("o2:cadence", "emitted", "cadence", round(0.05 + 2 * 121 / 3, 6))
    ]


@pytest.mark.parametrize(("prior", "due"), [(2, 14), (10, 15), (243, 364.5), (300, 365)])
def test_nobody_is_won_back_before_two_weeks_or_after_a_year(prior: int, due: float) -> None:
    rules = policy(WinBackPolicy(prior_gap=Millis(prior * DAY), dormant_after=Millis(3000 * DAY)))
    assert said(due - 0.001, order(0), policy=rules) == []
    assert [(s.what, s.day) for s in said(due, order(0), policy=rules)] == [("o1:second_order", due)]


def test_a_category_has_a_gap_of_its_own() -> None:
    rules = policy(WinBackPolicy(categories={"pet": Millis(20 * DAY)}))
    assert [s.day for s in said(100, order(0, category="pet"), policy=rules)] == [30]
    assert [s.day for s in said(100, order(0, category="toy"), policy=rules)] == [90]


def test_a_cancelled_order_is_none_and_the_one_before_counts_again() -> None:
    events = order(0, "o1"), order(80, "o2"), news(81, OrderNews.CANCELLED, "o2")
    assert said(94.9, *events) == []
    assert said(95, *events) == [Said("o1:second_order", "emitted", "second_order", 95)]


def test_an_order_that_was_decided_is_not_again_where_the_one_after_it_is_cancelled() -> None:
    made = until(91, order(0, "o1"))
    made.tell(order(92, "o2"), news(93, OrderNews.CANCELLED, "o2"))
    made.clock(200 * MINUTES)
    assert [s.outcome for s in heard(made)] == ["emitted", "cancelled"]


def test_a_resent_order_changes_nothing() -> None:
    assert [s.day for s in said(95, order(0), order(0), order(0, revision=1))] == [90]


def test_a_visitor_who_never_fills_a_cart_is_due_after_three_months() -> None:
    events = visit(0), visit(3), visit(40)
    first_day = -(T0 % DAY) / DAY
    assert said(first_day + 89.999, *events) == []
    assert said(first_day + 90.001, *events) == [
        Said("never_carted", "emitted", "never_carted", round(first_day + 90, 6))
    ]


def test_who_came_on_the_first_days_only_is_not_a_visitor_who_never_fills_a_cart() -> None:
    assert said(200, visit(0), visit(0.5), visit(1)) == []


def test_who_came_back_only_after_three_months_is_not_either() -> None:
    assert said(200, visit(0), visit(95)) == []


@pytest.mark.parametrize("event", [add(50), order(50)])
def test_a_cart_or_an_order_before_it_is_due_ends_it(event: Any) -> None:
    assert [s for s in said(100, visit(0), visit(3), event) if s.what == "never_carted"] == []


def test_an_empty_snapshot_fills_no_cart() -> None:
    empty = shop.cart(50 * MINUTES, CartOp.SNAPSHOT)
    assert [s.what for s in said(100, visit(0), visit(3), empty)] == ["never_carted"]


def test_nobody_is_a_candidate_of_whom_no_word_on_messages_was_heard() -> None:
    assert said(700, visit(0), visit(3), granted=False) == []


def test_a_word_that_comes_after_it_was_due_makes_no_candidate() -> None:
    assert said(250, visit(0), visit(3), word(100, True), granted=False) == []


def test_silence_is_dormant_after_300_days() -> None:
    day = -(T0 % DAY) / DAY + 5 + 1
    assert said(day + 299.99, visit(5.5)) == []
    assert said(day + 300.01, visit(5.5)) == [Said("dormant", "emitted", "dormant", round(day + 300, 6))]


def test_each_return_may_be_followed_by_another_dormancy() -> None:
    assert [s.what for s in said(1000, visit(5), visit(400))] == ["dormant", "dormant"]


def test_a_newsletter_sign_up_is_a_sign_of_life() -> None:
    sign_up = IdentifyRow("e", T0 + 200 * DAY, "newsletter")
    assert said(400, visit(5), sign_up) == []


def test_a_buyer_falls_dormant_after_his_second_order_was_decided_once_and_never_again() -> None:
    made = until(1000, order(0), visit(500))
    assert [(s.what, s.outcome) for s in heard(made)] == [("o1:second_order", "emitted"), ("o1:dormant", "emitted")]


def test_a_buyers_dormancy_is_due_at_the_decision_of_his_next_order_at_the_soonest() -> None:
    rules = policy(WinBackPolicy(prior_gap=Millis(300 * DAY)))
    second, dormant = until(400, order(0), policy=rules, granted=False).decisions()
    assert (second["reason"], dormant["reason"]) == ("no_permission", "no_permission")
    assert dormant["due_at"] == second["due_at"] == rfc3339(T0 + 365 * DAY)


def test_one_is_open_at_a_time() -> None:
    rules = policy(WinBackPolicy(dormant_after=Millis(60 * DAY)))
    assert [(s.what, s.day) for s in said(200, order(0), policy=rules)] == [
        ("o1:second_order", 90),
        ("o1:dormant", 104),
    ]


def test_an_answer_lets_the_next_one_come() -> None:
    rules = policy(WinBackPolicy(prior_gap=Millis(10 * DAY)))
    got = said(45, order(0, "o1"), order(16, "o2"), policy=rules)
    assert [(s.what, s.outcome) for s in got][-1] == ("o2:cadence", "emitted")


# --- whether


def test_disabled_says_so() -> None:
    assert [s.reason for s in said(91, order(0), policy=policy(WinBackPolicy(enabled=False)))] == ["disabled"]


def test_a_bot_is_not_won_back() -> None:
    hits = [visit(89.5, event_id=f"hit-{i}") for i in range(65)]
    assert [s.reason for s in said(91, order(0), *hits)] == ["bot"]


@pytest.mark.parametrize(("age", "outcome"), [(119.99, "subscriber"), (120.01, "second_order")])
def test_a_subscriber_is_not_won_back(age: float, outcome: str) -> None:
    events = order(60 - age + 30, "r", renewal=True), order(0, "o1")
    assert [s.reason for s in said(91, *events)] == [outcome]


def test_a_cancelled_renewal_makes_no_subscriber() -> None:
    events = order(0, "o1"), order(5, "r", renewal=True), news(6, OrderNews.CANCELLED, "r")
    assert [s.reason for s in said(91, *events)] == ["second_order"]


def test_no_permission_at_the_due_time() -> None:
    assert [s.reason for s in said(91, order(0), word(89, False))] == ["no_permission"]
    assert [s.reason for s in said(91, order(0), granted=False)] == ["no_permission"]


def test_a_buyer_without_a_word_is_decided_too() -> None:
    assert said(91, order(0), granted=False) == [Said("o1:second_order", "suppressed", "no_permission", 90)]


def test_the_trigger_names_the_best_channel_the_variant_and_the_cause() -> None:
    made = until(91, order(0), word(1, False, "email"))
    data = made.triggers()[0]["data"]
    assert (data["variant"], data["cause"], data["channel"]) == ("second_order", "forgot", "app_push")
    assert data.get("items", []) == []


ONLY_EMAIL = PermissionPolicy(channels=(Channel.EMAIL,))
MAIL_OR_SMS = PermissionPolicy(channels=(Channel.EMAIL, Channel.SMS))
YEARLY = WinBackPolicy(prior_gap=Millis(200 * DAY))


def test_a_channel_is_given_up_that_was_silent_for_a_year_and_on_which_a_win_back_was_not_answered() -> None:
    got = said(1000, order(0, "o1"), order(500, "o2"), policy=policy(YEARLY, permission=ONLY_EMAIL))
    assert [(s.what, s.reason) for s in got] == [
        ("o1:second_order", "second_order"),
        ("o1:dormant", "dormant"),
        ("o2:cadence", "channel_sunset"),
        ("o2:dormant", "channel_sunset"),
    ]


def test_another_channel_is_taken_instead() -> None:
    made = until(1000, order(0, "o1"), order(500, "o2"), policy=policy(YEARLY, permission=MAIL_OR_SMS))
    assert [t["data"]["channel"] for t in made.triggers()] == ["email", "email", "sms", "sms"]


@pytest.mark.parametrize("sign", [clicked(650), clicked(650, ""), word(650, True, "email")])
def test_a_click_in_a_message_or_a_word_keeps_a_channel(sign: Any) -> None:
    events = order(0, "o1"), order(500, "o2"), sign
    got = said(900, *events, policy=policy(YEARLY, permission=ONLY_EMAIL))
    assert ("o2:cadence", "cadence") in [(s.what, s.reason) for s in got]


def test_an_opened_message_is_no_sign_of_life() -> None:
    opened = shop.report(650 * MINUTES, Report.OPENED, "email")
    events = order(0, "o1"), order(500, "o2"), opened
    got = said(900, *events, policy=policy(YEARLY, permission=ONLY_EMAIL))
    assert ("o2:cadence", "channel_sunset") in [(s.what, s.reason) for s in got]


def test_a_silent_channel_is_used_once_more() -> None:
    assert [s.outcome for s in said(600, order(450, "o1"), policy=policy(permission=ONLY_EMAIL))] == ["emitted"]


SOON = WinBackPolicy(prior_gap=Millis(10 * DAY))


def test_a_parcel_under_way_is_waited_for() -> None:
    made = until(16, order(0), news(1, OrderNews.SHIPPED), policy=policy(SOON))
    assert heard(made) == [Said("o1:second_order", "deferred", "undelivered", 15)]
    made.tell(news(20, OrderNews.DELIVERED))
    made.clock(21 * MINUTES)
    assert heard(made) == [Said("o1:second_order", "emitted", "second_order", 20)]


def test_a_delivery_that_was_read_ahead_of_the_clock_is_waited_for_alike() -> None:
    events = order(0), news(1, OrderNews.SHIPPED), news(20, OrderNews.DELIVERED)
    assert said(21, *events, policy=policy(SOON)) == [
        Said("o1:second_order", "deferred", "undelivered", 15),
        Said("o1:second_order", "emitted", "second_order", 20),
    ]


def test_a_late_delivery_is_news_as_well() -> None:
    made = until(18, order(0), news(1, OrderNews.SHIPPED), policy=policy(SOON))
    made.tell(news(17, OrderNews.DELIVERED))
    made.clock(19 * MINUTES)
    assert [(s.outcome, s.day) for s in heard(made)] == [("deferred", 15), ("emitted", 18)]


def test_that_it_waits_is_said_once() -> None:
    made = until(16, order(0), news(1, OrderNews.SHIPPED), policy=policy(SOON))
    made.tell(news(17, OrderNews.REFUNDED))
    made.clock(18 * MINUTES)
    assert [s.outcome for s in heard(made)] == ["deferred"]


def test_a_parcel_that_does_not_come_in_time_lets_it_expire() -> None:
    got = said(60, order(0), news(1, OrderNews.SHIPPED), policy=policy(SOON))
    assert got == [
        Said("o1:second_order", "deferred", "undelivered", 15),
        Said("o1:second_order", "expired", "expired", 29),
    ]


def test_a_parcel_is_waited_for_60_days_at_most() -> None:
    rules = policy(WinBackPolicy(prior_gap=Millis(36 * DAY)))
    got = said(70, order(0), news(1, OrderNews.SHIPPED), policy=rules)
    assert [(s.outcome, s.day) for s in got] == [("deferred", 54), ("emitted", 60)]


def test_where_deliveries_are_reported_an_order_is_under_way_until_then() -> None:
    orders = OrderPolicy(silent_after=Millis(3650 * DAY), delivery_reported=True)
    rules = policy(SOON, order=orders)
    assert [s.reason for s in said(16, order(0), policy=rules)] == ["undelivered"]
    assert [s.reason for s in said(16, order(0), news(3, OrderNews.DELIVERED), policy=rules)] == ["second_order"]
    assert [s.reason for s in said(16, order(0, offline=True), policy=rules)] == ["second_order"]


def test_an_open_return_is_waited_for_until_the_money_is_back() -> None:
    made = until(16, order(0), news(3, OrderNews.RETURN_OPENED), policy=policy(SOON))
    made.tell(news(18, OrderNews.REFUNDED))
    made.clock(19 * MINUTES)
    assert [(s.outcome, s.reason, s.day) for s in heard(made)] == [
        ("deferred", "return_open", 15),
        ("emitted", "second_order", 18),
    ]
    assert made.customer().win_back.waiting is None  # type: ignore[union-attr]


def test_an_order_ends_what_waits() -> None:
    made = until(16, order(0), news(1, OrderNews.SHIPPED), policy=policy(SOON))
    made.tell(order(20, "o2"))
    made.clock(21 * MINUTES)
    assert heard(made)[1:] == [Said("o1:second_order", "suppressed", "ordered", 20)]


def test_a_late_order_from_before_it_was_due_ends_what_waits_at_once() -> None:
    made = until(16, order(0), news(1, OrderNews.SHIPPED), policy=policy(SOON))
    heard(made)
    made.tell(order(-3, "o0", offline=True))
    assert [(s.what, s.reason) for s in heard(made)] == [("o1:second_order", "ordered")]
    made.clock(30 * MINUTES)
    assert heard(made) == []


# --- what ends it


def test_an_order_cancels_what_was_emitted_and_says_whether_the_message_was_sent() -> None:
    made = until(91, order(0))
    emitted = made.triggers()[0]["data"]
    made.tell(shop.report(91 * MINUTES, Report.SENT, "email", emitted["trigger_id"]), order(92, "o2"))
    cancelled = made.triggers()[-1]["data"]
    assert (cancelled["reason"], cancelled["after_send"], cancelled["variant"]) == ("ordered", True, "second_order")
    assert cancelled["trigger_id"] == emitted["trigger_id"]


def test_a_report_of_another_message_says_nothing_of_this_one() -> None:
    made = until(91, order(0))
    made.tell(shop.report(91 * MINUTES, Report.SENT, "email", "another"), order(92, "o2"))
    assert not made.triggers()[-1]["data"].get("after_send", False)


def test_a_late_order_from_before_the_emission_cancels_too() -> None:
    made = until(91, order(0))
    made.tell(order(80, "o2"))
    assert [s.outcome for s in heard(made)] == ["emitted", "cancelled"]


def test_what_has_expired_is_not_cancelled() -> None:
    made = until(105, order(0))
    made.tell(order(105, "o2"))
    assert [s.outcome for s in heard(made)] == ["emitted"]


@pytest.mark.parametrize("day", [90.001, 91, 103.9])
def test_an_order_soon_after_it_was_due_suppresses_where_it_is_known(day: float) -> None:
    assert said(104, order(0, "o1"), order(day, "o2")) == [Said("o1:second_order", "suppressed", "ordered", 90)]


def test_a_late_order_cancels_nothing_that_has_expired() -> None:
    made = until(110, order(0))
    made.tell(order(95, "o2"))
    assert [s.outcome for s in heard(made)] == ["emitted"]


def test_a_known_order_suppresses_and_one_after_the_expiry_does_not() -> None:
    assert said(120, order(0, "o1"), order(103.9, "o2")) == [Said("o1:second_order", "suppressed", "ordered", 90)]
    assert [s.outcome for s in said(110, order(0, "o1"), order(104, "o2"))] == ["emitted"]


def test_a_withdrawal_of_its_channel_cancels_and_of_another_does_not() -> None:
    made = until(91, order(0))
    made.tell(word(92, False, "sms"))
    assert [s.outcome for s in heard(made)] == ["emitted"]
    made.tell(shop.report(93 * MINUTES, Report.COMPLAINED, "email"))
    assert [(s.outcome, s.reason) for s in heard(made)] == [("cancelled", "withdrawn")]


def test_an_old_word_that_is_read_late_takes_back_only_what_it_still_ruled() -> None:
    made = until(91, order(0))
    assert [s.outcome for s in heard(made)] == ["emitted"]
    made.tell(word(-2, False), word(-1, True), shop.report(-3 * MINUTES, Report.COMPLAINED, "email"))
    assert heard(made) == []
    made.tell(word(80, False))
    assert [(s.outcome, s.reason) for s in heard(made)] == [("cancelled", "withdrawn")]


def test_a_withdrawal_lets_the_next_one_come_on_another_channel() -> None:
    made = until(91, order(0), policy=policy(WinBackPolicy(dormant_after=Millis(60 * DAY))))
    made.tell(word(92, False, "email"))
    made.clock(93 * MINUTES)
    assert [(s.what, s.outcome, s.day) for s in heard(made)[1:]] == [
        ("o1:second_order", "cancelled", 92),
        ("o1:dormant", "emitted", 92),
    ]


def test_a_known_withdrawal_suppresses() -> None:
    assert [s.reason for s in said(95, order(0), word(92, False))] == ["withdrawn"]


# --- why


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ((), "forgot"),
        ((visit(13),), "forgot"),
        ((visit(60),), "offer_misfit"),
        ((visit(60), news(5, OrderNews.REFUNDED)), "accident"),
        ((order(10, "o2"), news(12, OrderNews.CANCELLED, "o2")), "accident"),
    ],
)
def test_the_likely_cause(events: tuple[Any, ...], cause: str) -> None:
    made = until(91, order(0), *events)
    assert made.triggers()[0]["data"]["cause"] == cause


def test_a_visitor_who_never_fills_a_cart_does_not_like_the_offer() -> None:
    assert until(91, visit(0), visit(3)).triggers()[0]["data"]["cause"] == "offer_misfit"


# --- going live, held, paced


def test_what_was_due_before_going_live_is_spread_over_the_time_after_it() -> None:
    rules = policy(go_live_at=EPOCH + timedelta(days=200), ramp=RampPolicy(spread=Millis(10 * DAY)))
    offset = round(spread("o1:second_order", 10 * DAY) / DAY, 6)
    made = until(200, order(0), policy=rules)
    assert heard(made) == []
    made.clock(300 * MINUTES)
    assert heard(made)[0] == Said("o1:second_order", "emitted", "second_order", 200 + offset)


def test_what_comes_due_after_going_live_is_not_put_off() -> None:
    rules = policy(go_live_at=EPOCH + timedelta(days=90))
    assert [s.day for s in said(91, order(0), policy=rules)] == [90]


def test_an_order_before_its_turn_takes_it_off_the_list() -> None:
    rules = policy(go_live_at=EPOCH + timedelta(days=200))
    assert said(215, order(0, "o1"), order(200, "o2"), policy=rules) == []


def test_while_orders_are_silent_it_is_held_and_then_judged_again() -> None:
    orders = OrderPolicy(silent_after=Millis(HOUR))
    made = Shop(policy(order=orders), kind=Kind.WIN_BACK)
    made.tell(order(0))
    made.beat(activity=89 * MINUTES, order=1, orders=1)
    made.clock(90 * MINUTES)
    made.clock(91 * MINUTES)
    assert heard(made) == [Said("o1:second_order", "held", "orders_silent", 90)]
    made.beat(activity=91 * MINUTES, order=91 * MINUTES, orders=1)
    made.clock(92 * MINUTES)
    assert heard(made) == [Said("o1:second_order", "emitted", "second_order", 92)]


def test_a_restart_changes_nothing_of_what_is_held() -> None:
    def held() -> tuple[LearningShop, int]:
        made = LearningShop(policy(order=OrderPolicy(silent_after=Millis(HOUR))), kind=Kind.WIN_BACK)
        made.broadcast(row(constant("reorder", -1.0)))
        made.tell(order(0, "o1", event_id="e1"), order(20, "o2", event_id="e2"))
        made.beat(activity=MINUTES, order=1, orders=1)
        day, said = 20, heard(made)
        while not said:
            day += 1
            made.beat(activity=day * MINUTES)  # visitors, and no orders
            made.clock(day * MINUTES)
            said = heard(made)
        assert [one.outcome for one in said] == ["held"]
        return made, day

    def told(made: LearningShop, day: int) -> tuple[Customer, list[dict[str, Any]]]:
        made.clock((day + 3) * MINUTES)
        waiting, back = made.customer(), (day + 4) * MINUTES
        made.beat(activity=back, order=back, orders=1)
        made.clock(back)
        return waiting, made.triggers()

    (kept, day), (reopened, _) = held(), held()
    reopened.reopen()
    waiting, triggers = told(kept, day)
    assert triggers[0]["data"]["scores"][0]["head"] == "reorder"
    assert told(reopened, day) == (waiting, triggers)


def test_what_is_held_for_too_long_expires() -> None:
    made = Shop(policy(order=OrderPolicy(silent_after=Millis(HOUR))), kind=Kind.WIN_BACK)
    made.tell(order(0))
    made.beat(activity=89 * MINUTES, order=1, orders=1)
    made.clock(90 * MINUTES)
    made.clock(103.9 * MINUTES)
    assert [s.outcome for s in heard(made)] == ["held"]
    made.clock(104 * MINUTES)
    assert heard(made)[0] == Said("o1:second_order", "expired", "expired", 104)


def test_more_than_a_minute_may_hold_is_deferred_and_follows() -> None:
    rules = policy(ramp=RampPolicy(max_per_minute=1, spread=Millis(HOUR)))
    made = Shop(rules, live=True, kind=Kind.WIN_BACK)
    for i in range(3):
        made.tell(word(-1, True), order(0, f"o{i}"), person=f"s|c|{i}")
    for minute in range(70):
        made.clock(90 * MINUTES + minute)
    got = heard(made)
    assert [(s.outcome, s.reason) for s in got[:3]] == [
        ("emitted", "second_order"),
        ("deferred", "rate"),
        ("deferred", "rate"),
    ]
    assert [s.outcome for s in got[3:]] == ["emitted", "emitted"]
    assert len({s.day for s in got if s.outcome == "emitted"}) == 3


def test_in_a_live_log_what_comes_to_be_known_too_late_has_expired() -> None:
    made = Shop(policy(), live=True, kind=Kind.WIN_BACK)
    made.clock(300 * MINUTES)
    made.tell(order(0))
    made.clock(301 * MINUTES)
    assert heard(made)[0] == Said("o1:second_order", "expired", "expired", 301)


def test_in_a_live_log_it_is_decided_when_the_clock_gets_there() -> None:
    assert [s.day for s in said(95, order(0), live=True)] == [95]


def test_a_new_policy_holds_for_who_waits() -> None:
    made = until(16, order(0), news(1, OrderNews.SHIPPED), policy=policy(SOON))
    made.set_policy(policy(replace(SOON, enabled=False)))
    made.tell(news(17, OrderNews.DELIVERED))
    made.clock(18 * MINUTES)
    assert [s.reason for s in heard(made)] == ["undelivered", "disabled"]


@pytest.mark.parametrize("key", ["never_carted_after", "dormant_after"])
def test_silence_is_measured_in_whole_days(tmp_path: Path, key: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(f'[site."*".win_back]\n{key} = "47h"\n')
    with pytest.raises(ConfigError, match=rf"win_back\.{key}: visits are counted in whole days"):
        load_policy(file)
    file.write_text(f'[site."*".win_back]\n{key} = "2d"\n')
    assert load_policy(file).site("s").win_back


def test_it_is_written_for_one_site_and_category(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[site.pets.win_back]\nprior_gap = "30d"\n[site.pets.win_back.categories]\nfood = "21d"\n')
    rules = decode_policy(encode_policy(load_policy(file)))
    assert rules.site("pets").win_back.categories == {"food": 21 * DAY}
    assert (rules.site("pets").win_back.prior_gap, rules.site("toys").win_back.prior_gap) == (30 * DAY, 60 * DAY)


# --- the price, and the memory


def test_a_single_visit_is_not_remembered_here() -> None:
    made = until(1, visit(0), visit(0.01), person=ANON, granted=False)
    assert made.customer(ANON).win_back is None


def test_settled_twice_nothing_more_is_decided() -> None:
    made = until(91, order(0))
    customer, site = made.customer(), made.engine._site("s")
    before = customer.win_back
    assert win_back.settle(customer, ANN, site) == []
    assert customer.win_back == before
    assert win_back.settle(Customer(), ANN, site) == []


def test_days_join_into_runs_and_of_those_that_passed_the_newest_is_kept() -> None:
    assert visited((5, 6, 9, 9), 7, today=4) == (5, 7, 9, 9)
    assert visited((5, 7, 9, 9), 8, today=4) == (5, 9)
    assert visited((5, 6, 9, 9), 20, today=10) == (9, 9, 20, 20)
    assert visited((9, 9), 3, today=10) == (9, 9)
    assert visited((5, 6, 9, 9), 20, today=20) == (9, 9, 20, 20)
    runs: tuple[int, ...] = ()
    for day in range(1, 400, 2):
        runs = visited(runs, day, today=0)
    assert len(runs) == 2 * MAX_RUNS
    assert (runs[0], runs[-1]) == (1, 399)


def test_the_last_visit_before_a_day() -> None:
    assert [last_visit((5, 7, 9, 9), day) for day in (5, 6, 8, 9, 10)] == [0, 5, 7, 7, 9]


def test_of_moments_the_newest_that_passed_and_all_to_come_are_kept() -> None:
    assert noted((1, 5), 9, clock=6) == (5, 9)
    assert noted((1, 5), 3, clock=0) == (1, 3, 5)
    assert noted((5,), 5, clock=6) == (5,)
