"""Abandoned carts, one sentence a test."""

from typing import Any

import pytest

from pipeline.config.durations import HOUR, MINUTE, Millis
from pipeline.config.policy import CartOverride, OrderPolicy, PermissionPolicy, SitePolicy
from pipeline.events.customer import Basis, Channel, Purpose
from pipeline.log import consent
from pipeline.log.rows import CartOp, CartRow, OrderNews, Report
from pipeline.state.cart import MAX_PENDING
from tests.engine.shop import (
    ANN,
    Said,
    Shop,
    add,
    cart,
    clear,
    click,
    line,
    order,
    product,
    remove,
    report,
    site_policy,
    snapshot,
    word,
)

DAY = 1440
ANON = "s|a|v"
KEEP_REST = site_policy(order=OrderPolicy(partial_order="keep_rest", silent_after=Millis(10**12)))
ONE_STEP = site_policy(steps=(30,))


def said(*events: Any, policy: Any = None, until: float = 31, person: str = ANN, **shop: Any) -> list[Said]:
    made = Shop(policy, **shop)
    made.tell(*events, person=person)
    made.clock(until)
    return made.said()


# --- silence


def test_each_step_is_emitted_after_its_silence() -> None:
    got = said(add(0), until=3 * DAY)
    assert got == [(1, "emitted", "silent", 30), (2, "emitted", "silent", 240), (3, "emitted", "silent", DAY)]


def test_a_step_is_due_at_its_very_time_and_not_before() -> None:
    assert said(add(0), until=29.999) == []
    assert said(add(0), until=30) == [(1, "emitted", "silent", 30)]


def test_activity_before_it_is_due_moves_a_step_and_activity_at_that_time_does_not() -> None:
    assert said(add(0), click(29.9), until=59) == []
    assert said(add(0), click(30), until=59) == [(1, "emitted", "silent", 30)]


def test_the_oldest_change_that_filled_the_cart_names_the_episode() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(5, event_id="second"), add(0, event_id="first"), add(5, event_id="third"))
    shop.clock(60)
    assert [decision["episode"] for decision in shop.decisions()] == ["first"]


def test_an_order_that_is_read_before_what_it_answers_closes_it_as_the_clock_passes_it() -> None:
    assert said(order(10), add(5), add(6), until=11) == [(1, "suppressed", "ordered", 10)]


def test_a_message_shows_what_is_in_the_cart() -> None:
    shop = Shop(site_policy(steps=(30,), min_value=1), live=True)
    shop.tell(add(0, "a", 700, 2, category="shoes", device="mobile", locale="de"), add(0, "b", -1))
    shop.clock(30)
    data = shop.triggers()[0]["data"]
    assert [(i["item_id"], i["quantity"], i.get("price_at_add")) for i in data["items"]] == [
        ("a", 2, 700),
        ("b", 1, None),
    ]
    assert (data["value"], data["currency"], data["channel"], data["customer_id"]) == (1_400, "EUR", "email", "ann")
    assert (data["device"], data["locale"]) == ("mobile", "de")
    assert data["due_at"] == "2023-11-14T22:43:20.000Z"
    assert data["expires_at"] == "2023-11-17T22:43:20.000Z"


# --- what the cart is


def test_of_changes_of_one_moment_the_version_decides_and_then_the_id() -> None:
    assert said(clear(0, version=2), add(0, version=1))[0].reason == "emptied"
    assert said(clear(0, version=1), add(0, version=2))[0].reason == "silent"
    assert said(clear(0, event_id="b"), add(0, event_id="a"))[0].reason == "emptied"
    assert said(clear(0, event_id="a"), add(0, event_id="b"))[0].reason == "silent"


def test_a_delta_older_than_a_snapshot_is_ignored() -> None:
    shop = Shop(site_policy(steps=(30,), min_value=1))
    shop.tell(snapshot(5, "a"), add(0, "old"), remove(4, "a"))
    shop.clock(40)
    assert [item["item_id"] for item in shop.triggers()[0]["data"]["items"]] == ["a"]


def test_a_delta_older_than_a_settled_snapshot_is_ignored_too() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(snapshot(5, "a"))
    shop.clock(35)
    shop.said()
    shop.tell(add(4, "late"), remove(3, "a"))
    assert [one.sku for one in shop.customer().cart.lines] == ["a"]  # type: ignore[union-attr]


def test_taking_the_last_line_out_empties() -> None:
    assert said(add(0), remove(10))[0] == (1, "suppressed", "emptied", 10)


def test_removing_more_than_there_is_empties_and_no_more() -> None:
    assert said(add(0, quantity=2), remove(10, quantity=5), until=60) == [(1, "suppressed", "emptied", 10)]


# --- orders


@pytest.mark.parametrize("how", [{"offline": False}, {"offline": True}, {"renewal": True}], ids=str)
def test_any_purchase_closes_the_cart(how: dict[str, bool]) -> None:
    assert said(add(0), order(10, **how), until=DAY) == [(1, "suppressed", "ordered", 10)]


@pytest.mark.parametrize("news", [n for n in OrderNews if n is not OrderNews.PURCHASE], ids=lambda n: n.name)
def test_other_news_of_an_order_close_nothing(news: OrderNews) -> None:
    assert said(add(0), order(10, news=news)) == [(1, "emitted", "silent", 30)]


def test_an_order_closes_in_whatever_currency_it_is() -> None:
    for policy in (ONE_STEP, KEEP_REST):
        shop = Shop(policy)
        shop.tell(add(0), order(10, "a", currency="JPY", value=5_000))
        shop.clock(DAY)
        assert shop.said() == [(1, "suppressed", "ordered", 10)]
        assert shop.rejects == []


def test_an_order_in_the_store_is_kept_apart() -> None:
    shop = Shop()
    shop.tell(order(10, offline=True), order(20))
    customer = shop.customer()
    assert customer.ordered - customer.ordered_offline == 10 * MINUTE
    assert "store" in customer.channels


def test_an_order_cancels_what_was_emitted_the_moment_it_is_read() -> None:
    shop = Shop()
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(order(50))
    assert shop.said() == [(1, "cancelled", "ordered", 50)]
    shop.clock(60)
    assert shop.said() == [(2, "suppressed", "ordered", 50)]


def test_an_order_read_before_an_older_emptying_does_not_hide_it() -> None:
    shop = Shop(site_policy(steps=(30,), expires_after=Millis(2 * HOUR)))
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(order(500), clear(60))
    shop.clock(600)
    assert shop.said() == [(1, "cancelled", "emptied", 60)]


def test_a_cart_counts_as_emptied_only_when_the_clock_has_passed_it() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0, "a"))
    shop.clock(40)
    shop.said()
    shop.tell(remove(60, "a"), add(50, "b"))
    shop.clock(DAY)
    assert shop.said() == []


def test_a_step_is_not_kept_back_by_an_emptying_that_may_turn_out_to_be_none() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0, "a"), remove(60, "a"))
    shop.clock(40)
    shop.tell(add(50, "b"))
    shop.clock(DAY)
    assert shop.said() == [(1, "emitted", "silent", 30)]


def test_an_emptied_cart_cancels_as_the_clock_reaches_it() -> None:
    shop = Shop()
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(clear(60))
    shop.clock(60)
    assert shop.said() == [(1, "cancelled", "emptied", 60), (2, "suppressed", "emptied", 60)]


def test_a_cancellation_says_whether_the_message_was_sent() -> None:
    shop = Shop()
    shop.tell(add(0))
    shop.clock(40)
    trigger = shop.decisions()[0]["trigger_id"]
    shop.tell(report(41, Report.SENT, "email", trigger), order(50))
    assert [d["after_send"] for d in shop.decisions() if d["outcome"] == "cancelled"] == [True]
    assert [t["data"]["after_send"] for t in shop.triggers()[1:]] == [True]


def test_what_has_expired_is_not_cancelled() -> None:
    shop = Shop(site_policy(steps=(30,), expires_after=Millis(HOUR)))
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(order(90))
    shop.clock(200)
    assert shop.said() == []


@pytest.mark.parametrize(("revision", "duplicates"), [(0, 1), (1, 0)])
def test_an_order_sent_again_or_revised_closes_no_second_cart(revision: int, duplicates: int) -> None:
    shop = Shop(ONE_STEP)
    again = order(25, event_id="o2", order_id="order-o1", revision=revision)
    shop.tell(add(0), order(10, event_id="o1"), add(20), again)
    shop.clock(60)
    assert shop.said() == [(1, "suppressed", "ordered", 10), (1, "emitted", "silent", 50)]
    assert shop.discarded["duplicate"] == duplicates


def test_with_keep_rest_only_what_is_touched_again_counts() -> None:
    shop = Shop(KEEP_REST)
    shop.tell(add(0, "a"), add(0, "b"), add(0, "c"), order(10, "a"))
    shop.clock(2 * DAY)
    assert shop.said() == [(1, "suppressed", "ordered", 10)]
    shop.tell(add(2 * DAY + 1, "b", event_id="again"))
    shop.clock(2 * DAY + 40)
    decision = shop.decisions()[0]
    assert (decision["episode"], decision["outcome"]) == ("again", "emitted")
    items = shop.triggers()[0]["data"]["items"]
    assert [(item["item_id"], item["quantity"]) for item in items] == [("b", 2)]


def test_with_keep_rest_a_cart_of_leftovers_alone_is_as_good_as_empty() -> None:
    shop = Shop(KEEP_REST)
    shop.tell(add(0, "a"), add(0, "b"), order(10, "a"), add(20, "c"), remove(25, "c"))
    shop.clock(DAY)
    assert [(s.outcome, s.reason) for s in shop.said()] == [("suppressed", "ordered"), ("suppressed", "emptied")]


def test_a_late_order_cancels_with_its_reason() -> None:
    shop = Shop()
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(order(20))
    assert shop.said() == [(1, "cancelled", "ordered", 20), (2, "suppressed", "ordered", 20)]
    shop.clock(3 * DAY)
    assert shop.said() == []


def test_what_was_touched_after_a_late_order_goes_on_and_nobody_is_told_twice() -> None:
    shop = Shop()
    shop.tell(add(0, "a"), add(20, "b"))
    shop.clock(60)
    assert shop.said() == [(1, "emitted", "silent", 50)]
    shop.tell(order(10, event_id="late"))
    assert shop.said() == [(1, "cancelled", "ordered", 10), (2, "suppressed", "ordered", 10)]
    shop.clock(3 * DAY)
    decisions = shop.decisions()
    assert {decision["episode"] for decision in decisions} == {"late"}
    assert [s.step for s in shop.said()] == [2, 3]


def test_a_cart_from_before_an_order_that_the_clock_has_passed_opens_nothing() -> None:
    shop = Shop()
    shop.tell(order(20))
    shop.clock(40)
    shop.tell(click(41), clear(42))
    shop.clock(50)
    shop.tell(add(10))
    shop.clock(DAY)
    assert shop.said() == []


def test_no_step_is_due_before_tills_have_reported() -> None:
    policy = site_policy(offline_lag=Millis(6 * HOUR))
    assert said(add(0), policy=policy, until=3 * DAY) == [
        (1, "emitted", "silent", 360),
        (3, "emitted", "silent", DAY),
    ]
    assert said(add(0), order(200, offline=True), policy=policy, until=DAY) == [(1, "suppressed", "ordered", 200)]


# --- categories and worth

BY_CATEGORY = site_policy(
    steps=(60,),
    min_value=500,
    categories={
        "food": CartOverride(steps=(Millis(10 * MINUTE), Millis(20 * MINUTE))),
        "drugs": CartOverride(enabled=False),
        "gold": CartOverride(min_value=10_000),
    },
)


def test_a_category_has_steps_of_its_own() -> None:
    assert [s.minute for s in said(add(0, category="food"), policy=BY_CATEGORY, until=DAY)] == [10, 20]
    assert [s.minute for s in said(add(0, category="toys"), policy=BY_CATEGORY, until=DAY)] == [60]


def test_a_category_with_shorter_steps_is_looked_at_in_time() -> None:
    shop = Shop(BY_CATEGORY, live=True)
    shop.tell(add(0, category="food"))
    shop.clock(10)
    assert shop.said() == [(1, "emitted", "silent", 10)]
    shop = Shop(BY_CATEGORY, live=True)
    shop.tell(add(0, "t", category="toys"), add(5, "f", 9_000, category="food"))
    shop.clock(15)
    assert shop.said() == [(1, "emitted", "silent", 15)]


def test_a_category_that_comes_later_does_not_reach_back() -> None:
    events = (add(0, "t", category="toys"), add(50, "f", 9_000, category="food"))
    assert [s.minute for s in said(*events, policy=BY_CATEGORY, until=DAY)] == [60, 70]


def test_a_step_that_is_due_as_a_category_comes_is_judged_on_the_cart_as_it_is_then() -> None:
    events = (add(0, "t", category="toys"), add(60, "f", 9_000, category="food"))
    got = said(*events, policy=BY_CATEGORY, until=DAY)
    assert [(s.step, s.minute) for s in got] == [(1, 60), (2, 80)]


def test_a_category_may_be_switched_off_or_need_more_worth() -> None:
    assert said(add(0, category="drugs"), policy=BY_CATEGORY, until=DAY)[0].reason == "disabled"
    assert said(add(0, category="gold"), policy=BY_CATEGORY, until=DAY)[0].reason == "below_min_value"


def test_a_cart_below_the_least_value_is_suppressed_and_one_at_it_is_not() -> None:
    policy = site_policy(min_value=1_000)
    assert said(add(0, price=999), policy=policy)[0].reason == "below_min_value"
    assert said(add(0, price=1_000), policy=policy)[0].reason == "silent"


def test_worth_is_in_the_sites_currency() -> None:
    policy = site_policy(min_value=1_000, rates={"PLN": 0.25})
    assert said(add(0, price=3_999, currency="PLN"), policy=policy)[0].reason == "silent"  # 999.75 is 1000
    assert said(add(0, price=3_997, currency="PLN"), policy=policy)[0].reason == "below_min_value"


def test_a_cart_in_a_currency_without_a_rate_is_refused_and_a_price_of_nothing_needs_none() -> None:
    shop = Shop()
    shop.tell(add(0, price=5, currency="PLN"), add(0, "free", 0, currency="PLN"), add(0, "unknown", -1, currency="PLN"))
    assert [reject.reason for reject in shop.rejects] == ["unknown_currency"]
    shop.clock(1)
    assert shop.customer().cart.pending or shop.customer().cart.lines  # type: ignore[union-attr]


def test_a_policy_that_is_off_suppresses() -> None:
    assert said(add(0), policy=site_policy(enabled=False))[0].reason == "disabled"


# --- live: late clocks, and orders that are silent


def test_in_a_live_log_what_is_due_too_long_has_expired() -> None:
    policy = site_policy(steps=(30,), expires_after=Millis(HOUR))
    assert said(add(0), policy=policy, live=True, until=89) == [(1, "emitted", "silent", 89)]
    assert said(add(0), policy=policy, live=True, until=90) == [(1, "expired", "expired", 90)]
    assert said(add(0), policy=policy, until=DAY) == [(1, "emitted", "silent", 30)]


def silent(steps: tuple[int, ...] = (30, 240), expires_after: int = HOUR) -> SitePolicy:
    order_policy = OrderPolicy(silent_after=Millis(30 * MINUTE))
    return site_policy(steps=steps, order=order_policy, expires_after=Millis(expires_after))


def held(steps: tuple[int, ...] = (30, 240)) -> Shop:
    shop = Shop(silent(steps), live=True)
    shop.beat(activity=1, order=1)
    shop.beat(activity=31)
    shop.tell(add(0))
    shop.clock(31)
    assert shop.said() == [(1, "held", "orders_silent", 31)]
    assert shop.engine.held_sites == ["s"]
    return shop


def test_while_orders_are_silent_steps_are_held_once_and_judged_again_after() -> None:
    shop = held()
    shop.clock(35)
    assert shop.said() == []
    shop.beat(activity=36, order=36, orders=1)
    shop.clock(37)
    assert shop.said() == [(1, "emitted", "silent", 37)]
    assert shop.engine.held_sites == []


def test_what_is_held_survives_a_restart() -> None:
    shop = held()
    shop.reopen()
    shop.clock(35)
    assert shop.said() == []
    assert shop.engine.held_sites == ["s"]
    shop.beat(activity=36, order=36, orders=1)
    shop.clock(37)
    assert shop.said() == [(1, "emitted", "silent", 37)]


def test_an_order_that_comes_while_a_step_is_held_suppresses_it() -> None:
    shop = held()
    shop.tell(order(33))
    shop.clock(34)
    assert shop.said() == [(1, "suppressed", "ordered", 34), (2, "suppressed", "ordered", 33)]


def test_a_cart_emptied_while_a_step_is_held_cancels_the_step_before() -> None:
    shop = Shop(silent(expires_after=10 * HOUR), live=True)
    shop.tell(add(0))
    shop.beat(activity=10, order=10)
    shop.clock(30)
    shop.beat(activity=240)
    shop.clock(240)
    assert [(s.step, s.outcome) for s in shop.said()] == [(1, "emitted"), (2, "held")]
    shop.tell(clear(250))
    shop.clock(251)
    assert [(s.step, s.outcome, s.reason) for s in shop.said()] == [
        (2, "suppressed", "emptied"),
        (1, "cancelled", "emptied"),
    ]


def test_a_held_step_expires() -> None:
    shop = held()
    shop.beat(activity=89)
    shop.clock(89)
    assert shop.said() == []
    shop.clock(90)
    assert shop.said()[0] == (1, "expired", "expired", 90)


def test_withdrawal_while_a_step_is_held_suppresses_it() -> None:
    shop = held()
    shop.tell(word(33, False))
    shop.beat(activity=36, order=36, orders=1)
    shop.clock(37)
    assert shop.said() == [(1, "suppressed", "withdrawn", 37)]


def test_a_permission_at_the_due_time_is_remembered_as_long_as_the_step_is_held() -> None:
    shop = held()
    shop.tell(word(30.5, True))
    shop.beat(activity=37, order=37, orders=1)
    shop.clock(38)
    assert shop.said() == [(1, "emitted", "silent", 38)]


def test_activity_while_a_step_is_held_moves_the_next_one() -> None:
    shop = held((30, 60))
    shop.tell(click(32))
    shop.clock(60)
    shop.tell(click(70))
    shop.beat(activity=80, order=80, orders=1)
    shop.clock(85)
    assert shop.said() == [(1, "emitted", "silent", 85)]
    shop.beat(activity=130, order=130, orders=1)
    shop.clock(129)
    assert shop.said() == []
    shop.clock(130)
    assert shop.said() == [(2, "emitted", "silent", 130)]


def test_a_new_policy_judges_what_is_held_again() -> None:
    shop = held()
    shop.set_policy(site_policy(steps=(30, 240)))
    shop.clock(32)
    assert shop.said() == [(1, "emitted", "silent", 32)]


# --- the catalogue


def test_what_is_out_of_stock_or_restricted_is_dropped() -> None:
    shop = Shop(site_policy(steps=(30,), min_value=1_500))
    for gone in (product("b", stock=0), product("c", restricted=True), product("a", price=800)):
        shop.broadcast(gone)
    shop.tell(add(0, "a", 2_000), add(0, "b", 9_000), add(0, "c", 9_000))
    shop.clock(30)
    data = shop.triggers()[0]["data"]
    assert [(i["item_id"], i["price_at_add"], i["price_now"]) for i in data["items"]] == [("a", 2_000, 800)]
    assert data["value"] == 2_000


@pytest.mark.parametrize(
    ("gone", "reason"), [(product("a", stock=0), "out_of_stock"), (product("a", restricted=True), "restricted")]
)
def test_where_nothing_is_left_the_step_is_suppressed(gone: Any, reason: str) -> None:
    shop = Shop(ONE_STEP)
    shop.broadcast(gone)
    shop.tell(add(0))
    shop.clock(30)
    assert shop.said() == [(1, "suppressed", reason, 30)]


def test_a_product_that_did_not_change_is_not_written() -> None:
    shop = Shop()
    shop.broadcast(product("a"))
    written = shop.store[b"\0product|s|a"]
    shop.broadcast(product("a"))
    assert shop.store[b"\0product|s|a"] == written
    shop.broadcast(product("a", price=1))
    assert shop.store[b"\0product|s|a"] != written


# --- permission


def test_without_a_word_nothing_goes_out() -> None:
    assert said(add(0), granted=False) == [(1, "suppressed", "no_permission", 30)]


@pytest.mark.parametrize("report_", [Report.UNSUBSCRIBED, Report.COMPLAINED], ids=lambda r: r.name)
def test_unsubscribing_and_complaining_cancel_at_once(report_: Report) -> None:
    shop = Shop()
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(report(50, report_, "email"))
    assert shop.said() == [(1, "cancelled", "withdrawn", 50)]


def test_a_withdrawal_cancels_at_once_and_a_word_on_another_channel_does_not() -> None:
    shop = Shop()
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(word(50, False, "sms"), word(51, False, purpose="ads_audience"))
    assert shop.said() == []
    shop.tell(word(52, False))
    assert shop.said() == [(1, "cancelled", "withdrawn", 52)]


def test_an_old_word_that_is_read_late_takes_back_only_what_it_still_ruled() -> None:
    shop = Shop()
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(word(-100, False), word(-90, True))
    assert shop.said() == []
    shop.tell(word(45, True))
    shop.clock(46)
    shop.tell(word(-100, False, "sms"), word(-100, True), word(-100, False, purpose="profile"), word(46, True))
    assert shop.said() == []
    shop.tell(word(20, False))
    assert shop.said() == [(1, "cancelled", "withdrawn", 20)]


def test_a_word_of_a_basis_that_is_not_accepted_withdraws_too() -> None:
    shop = Shop()
    shop.tell(add(0))
    shop.clock(40)
    shop.said()
    shop.tell(word(50, True, basis="legitimate_interest"))
    assert shop.said() == [(1, "cancelled", "withdrawn", 50)]


def test_a_permission_that_stood_between_two_words_is_remembered() -> None:
    words = (word(40, False), word(50, True))
    assert said(add(0), *words, policy=ONE_STEP, until=DAY) == [(1, "suppressed", "withdrawn", 30)]
    assert said(add(0), word(35, True), granted=False, policy=ONE_STEP, until=DAY)[0].reason == "no_permission"


def test_the_preferred_channel_that_is_allowed_is_named() -> None:
    sms_first = PermissionPolicy(channels=(Channel.SMS, Channel.EMAIL))
    for permission, refused, channel in [
        (PermissionPolicy(), "", "email"),
        (PermissionPolicy(), "email", "app_push"),
        (sms_first, "", "sms"),
        (sms_first, "sms", "email"),
    ]:
        shop = Shop(site_policy(permission=permission))
        shop.tell(add(0), *([word(-5, False, refused)] if refused else []))
        shop.clock(30)
        assert [decision["channel"] for decision in shop.decisions()] == [channel]


def test_a_site_may_accept_less_than_soft_opt_in() -> None:
    strict = PermissionPolicy(accepted={Purpose.MARKETING_MESSAGE: (Basis.CONSENT,)})
    soft = (add(0), word(-5, True, basis="soft_opt_in"))
    assert said(*soft, granted=False)[0].outcome == "emitted"
    assert said(*soft, granted=False, policy=site_policy(permission=strict))[0].reason == "no_permission"


DENIED = consent.pack(("denied", None, None, None, None))
GRANTED = consent.pack(("granted", None, None, None, None))


def test_who_refuses_that_anything_is_collected_is_not_seen() -> None:
    shop = Shop()
    shop.tell(word(-5, False, purpose="collect"), click(0), add(0))
    shop.clock(60)
    assert shop.said() == []
    assert shop.discarded["no_consent"] == 2
    assert shop.customer().seen == 0
    shop.tell(word(61, True, purpose="collect"), click(62))
    assert shop.customer().seen > 0


def test_the_pages_consent_mode_speaks_for_anonymous_visitors_only() -> None:
    for person, discarded in ((ANON, 1), (ANN, 0)):
        shop = Shop(granted=False)
        shop.tell(add(0, consent=DENIED), person=person)
        assert shop.discarded["no_consent"] == discarded


def test_consent_mode_holds_until_the_page_says_otherwise() -> None:
    shop = Shop(granted=False)
    shop.tell(click(0, consent=DENIED), click(1), click(2, consent=GRANTED), click(3), person=ANON)
    assert shop.discarded["no_consent"] == 2
    shop.tell(click(1.5), click(1.6, consent=DENIED), person=ANON)
    assert shop.discarded["no_consent"] == 4


def test_what_a_page_says_of_its_own_event_holds_however_much_was_said_since() -> None:
    shop = Shop(granted=False)
    shop.tell(*(click(10 + n, consent=(GRANTED, DENIED)[n % 2]) for n in range(40)), person=ANON)
    before = shop.discarded["no_consent"]
    shop.tell(click(5, consent=DENIED), person=ANON)
    assert shop.discarded["no_consent"] == before + 1


# --- bounds


def test_a_person_with_too_many_changes_at_once_is_bounded_and_goes_on() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(*(add(n / 10, f"sku-{n}") for n in range(3 * MAX_PENDING)))
    cart_ = shop.customer().cart
    assert cart_ is not None
    assert len(cart_.pending) <= MAX_PENDING
    shop.clock(DAY)
    assert [s.outcome for s in shop.said()] == ["emitted"]


def test_a_bot_is_told_nothing_for_a_day() -> None:
    burst = [click(n / 1_000) for n in range(70)]
    assert said(*burst, add(1))[0].reason == "bot"
    assert said(*burst, add(3 * DAY), until=3 * DAY + 31)[0].reason == "silent"
    assert said(*(click(n) for n in range(70)), add(70), until=101)[0].reason == "silent"


def test_checking_out_is_activity_and_changes_nothing_else() -> None:
    checkout: CartRow = cart(10, CartOp.CHECKOUT, line("z"))
    assert said(add(0), checkout, until=DAY)[0] == (1, "emitted", "silent", 40)
