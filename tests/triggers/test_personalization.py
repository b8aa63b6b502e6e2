"""Live personalization, one sentence a test. Times of its helper `sec` are seconds."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.config.durations import DAY, MINUTE, SECOND, Millis
from pipeline.config.policy import PermissionPolicy, PersonalizationPolicy, SitePolicy
from pipeline.events.customer import Basis, Purpose
from pipeline.log import consent
from pipeline.log.rows import CartRow, Click, ClickKind, ConsentRow, IdentifyRow, OrderNews, Report
from pipeline.state.codec import encode_customer
from pipeline.state.customer import NEVER
from pipeline.triggers import personalization
from pipeline.triggers.contract import Kind
from tests.engine.shop import (
    ANN,
    T0,
    Shop,
    add,
    at,
    clear,
    click,
    identity,
    line,
    order,
    product,
    remove,
    report,
    site_policy,
    word,
)

ANON = "s|a|v"
YES, NO = consent.pack((None, "granted")), consent.pack((None, "denied"))
NOTHING_AT_ALL = consent.pack(("denied", "denied"))


def sec(seconds: float) -> float:
    return seconds / 60


def view(minute: float, sku: str = "a", category: str = "", brand: str = "", **more: Any) -> Click:
    lines = (line(sku, 1, 1_000, category, brand),)
    return click(minute, more.pop("event_id", None), kind=int(ClickKind.VIEW_ITEM), lines=lines, **more)


def search(minute: float) -> Click:
    return click(minute, kind=int(ClickKind.SEARCH), subject="boots")


def login(minute: float) -> IdentifyRow:
    """Something that a person does and that changes nothing."""
    return IdentifyRow(identity(None), at(minute), "login")


def leave(minute: float, **more: Any) -> Click:
    return click(minute, kind=int(ClickKind.EXIT_INTENT), **more)


def onsite(minute: float, granted: bool = True, **more: Any) -> ConsentRow:
    return replace(word(minute, granted), purpose=Purpose.ONSITE_PERSONALIZATION.value, **more)


def shop_of(policy: SitePolicy | None = None, *, permitted: bool = True, live: bool = True) -> Shop:
    """A shop that Ann has been in an hour ago."""
    shop = Shop(policy, live=live, kind=Kind.PERSONALIZATION)
    if permitted:
        shop.tell(onsite(-61))
    shop.tell(click(-60))
    return shop


def emitted(shop: Shop) -> list[dict[str, Any]]:
    """The data of what was emitted since this was asked last."""
    found = [trigger["data"] for trigger in shop.triggers() if trigger["type"].endswith(".emitted.v1")]
    shop.outputs.clear()
    return found


def said(shop: Shop) -> list[tuple[str, str]]:
    return [(s.outcome, s.reason) for s in shop.said()]


def items(data: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in data.get("items", ())]


# --- what is said


def test_a_trigger_says_where_a_person_stands_and_what_to_show() -> None:
    shop = shop_of()
    shop.broadcast(replace(product("boots", price=900), category="shoes", brand="Alpina"))
    shop.tell(view(0, "boots", "shoes", "Alpina", event_id="cause", device="mobile", locale="de"))
    (data,) = emitted(shop)
    assert (data["episode"], data["step"], data["reason"], data["channel"]) == ("cause", 1, "changed", "onsite")
    assert data["moment"] == {"stage": "consideration", "cart": "empty", "category": "shoes", "brand": "Alpina"}
    assert data["items"] == [
        {"item_id": "boots", "quantity": 1, "currency": "EUR", "price_now": 900}
        | {"category": "shoes", "brand": "Alpina"}
    ]
    assert (data["action"], data["customer_id"], data["device"]) == ("recommend", "ann", "mobile")
    assert (data["due_at"], data["expires_at"]) == ("2023-11-14T22:13:20.000Z", "2023-11-14T22:43:20.000Z")
    assert data["causing_events"] == ["cause"]


def test_the_first_event_of_a_person_says_nothing_and_the_second_does() -> None:
    for person, first in ((ANN, onsite(-1)), (ANON, onsite(-1))):
        shop = Shop(kind=Kind.PERSONALIZATION)
        shop.tell(first, view(0), person=person)
        assert said(shop) == []
        shop.tell(view(1), person=person)
        assert said(shop) == [("emitted", "changed")]


def test_an_anonymous_visitor_is_shown_what_the_page_has_consent_for() -> None:
    shop = Shop(kind=Kind.PERSONALIZATION)
    shop.tell(view(0, consent=YES), view(1, consent=YES), person=ANON)
    (data,) = emitted(shop)
    assert (data["anonymous_id"], items(data)) == ("v", ["a"])


def test_nothing_is_said_again_while_a_person_stands_where_he_stood() -> None:
    shop = shop_of()
    shop.tell(view(0), view(1), click(2), view(20), click(100))
    assert len(emitted(shop)) == 1


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (view(1, "a", category="hats"), {"category": "hats"}),
        (view(1, "a", brand="Meindl"), {"brand": "Meindl"}),
        (add(1, "a"), {"cart": "filled", "stage": "decision"}),
        (order(1, "other"), {"stage": "customer"}),
    ],
    ids=["category", "brand", "cart", "order"],
)
def test_each_part_of_the_tuple_is_said_when_it_changes(event: Any, what: dict[str, str]) -> None:
    shop = shop_of()
    shop.tell(view(0))
    emitted(shop)
    shop.tell(event)
    (data,) = emitted(shop)
    assert data["moment"].items() >= what.items()


def test_a_cart_is_said_as_the_person_left_it_though_the_clock_has_not_come_so_far() -> None:
    shop = shop_of()
    shop.tell(view(-1, "a"), view(0, "b"), add(1, "a", quantity=2), add(2, "b"), remove(3, "a", quantity=2))
    assert [data["moment"]["cart"] for data in emitted(shop)][1:] == ["empty", "filled"]
    shop.tell(remove(4, "b"))
    assert [data["moment"]["cart"] for data in emitted(shop)] == ["empty"]
    shop.tell(add(5, "b"), clear(6), add(7, "b"), order(8))
    assert [data["moment"]["cart"] for data in emitted(shop)] == ["filled", "empty", "filled", "empty"]


def test_what_was_bought_is_shown_no_more() -> None:
    shop = shop_of()
    shop.tell(view(0, "a"), view(1, "b"), order(2, "a"))
    assert [items(data) for data in emitted(shop)] == [["a"], ["a", "b"], ["b"]]


def test_what_is_out_of_stock_or_restricted_is_not_shown_and_the_next_takes_its_place() -> None:
    shop = shop_of()
    shop.broadcast(product("gone", stock=0))
    shop.broadcast(product("pills", restricted=True))
    shop.tell(view(0, "gone"), view(1, "gone"), view(2, "pills"), view(3, "pills"), view(4, "a"), view(5, "b"))
    assert [items(data) for data in emitted(shop)] == [[], ["a"], ["a", "b"]]
    shop.broadcast(product("a", stock=0))
    shop.tell(login(6))
    assert [items(data) for data in emitted(shop)] == [["b"]]


def test_only_what_the_person_does_is_looked_at() -> None:
    shop = shop_of()
    shop.tell(view(0), order(1, "x", event_id="o"))
    emitted(shop)
    shop.broadcast(product("a", stock=0))
    shop.tell(
        order(2, event_id="n", news=OrderNews.SHIPPED, order_id="order-o"),
        report(3, Report.DELIVERED, "email"),
        onsite(4),
    )
    shop.clock(60 * 24 * 500)
    assert said(shop) == []
    shop.tell(login(60 * 24 * 500 + 1))
    assert said(shop) == [("emitted", "changed")]


def test_a_page_is_judged_only_where_nothing_may_be_shown_any_more() -> None:
    shop = shop_of()
    shop.tell(view(0, "a"))
    shop.broadcast(product("a", stock=0))
    shop.tell(*(click(29, kind=int(kind)) for kind in (ClickKind.PAGE_VIEW, ClickKind.VIEW_CONTENT)))
    assert len(emitted(shop)) == 1
    shop.tell(click(30))
    assert len(emitted(shop)) == 1


def test_an_event_of_long_ago_is_not_judged() -> None:
    shop = shop_of()
    shop.clock(60)
    shop.tell(view(30))
    assert said(shop) == []
    shop.tell(view(30.001, "b"))
    assert said(shop) == [("emitted", "changed")]


# --- ranks


def affinity(shop: Shop, **scores: dict[str, int]) -> None:
    """Set Ann's affinities to the letter."""
    customer = shop.customer()
    assert customer.tastes is not None
    customer.tastes = replace(customer.tastes, **scores)
    shop.store[ANN.encode()] = encode_customer(customer)
    shop.reopen()


@pytest.mark.parametrize(("score", "leads"), [(1_099, "old"), (1_100, "old"), (1_101, "new")])
@pytest.mark.parametrize("dimension", ["categories", "brands"])
def test_a_top_rank_changes_by_more_than_a_tenth(dimension: str, score: int, leads: str) -> None:
    shop = shop_of()
    shop.tell(view(0))
    affinity(shop, **{dimension: {"old": 1_000}})
    shop.tell(login(1))
    affinity(shop, **{dimension: {"new": score, "old": 1_000}})
    shop.tell(login(2))
    last = emitted(shop)[-1]["moment"]
    assert last[{"categories": "category", "brands": "brand"}[dimension]] == leads


def test_a_login_that_is_told_twice_is_judged_once() -> None:
    shop, twice = shop_of(), login(1)
    shop.tell(view(0))
    affinity(shop, categories={"shoes": 5_000})
    shop.tell(twice, login(2))
    assert emitted(shop)[-1]["episode"] == twice.id
    affinity(shop, categories={"boots": 50_000})
    shop.tell(twice)
    assert emitted(shop) == []
    assert shop.discarded["duplicate"] == 1


@pytest.mark.parametrize(
    ("scores", "shown"),
    [
        ({"a": 1_000, "b": 800, "c": 600, "x": 660}, "abc"),
        ({"a": 1_000, "b": 800, "c": 600, "x": 661}, "abx"),
        ({"a": 1_000, "b": 800, "c": 600, "x": 880}, "abx"),
        ({"a": 1_000, "b": 800, "c": 600, "x": 881}, "axb"),
        ({"a": 1_000, "b": 1_100, "c": 600}, "abc"),
        ({"a": 1_000, "b": 1_101, "c": 600}, "bac"),
        ({"a": 1_000, "b": 800, "x": 100}, "abx"),
        ({"b": 800, "c": 600, "x": 640}, "bxc"),
        ({"a": 1_000, "b": 800, "c": 600, "y": 2_000, "x": 2_000}, "xya"),
    ],
)
def test_each_place_of_an_item_changes_by_more_than_a_tenth(scores: dict[str, int], shown: str) -> None:
    shop = shop_of()
    shop.tell(view(0))
    affinity(shop, items={"a": 1_000, "b": 800, "c": 600})
    shop.tell(login(1))
    assert items(emitted(shop)[-1]) == ["a", "b", "c"]
    affinity(shop, items=scores)
    shop.tell(login(2))
    told = emitted(shop)
    assert (items(told[-1]) if told else ["a", "b", "c"]) == list(shown)


# --- the throttle


def test_what_comes_within_five_seconds_follows_by_the_clock() -> None:
    shop = shop_of()
    shop.tell(view(0, "a", event_id="one"), view(sec(4.999), "b", event_id="two"))
    assert [data["episode"] for data in emitted(shop)] == ["one"]
    shop.clock(sec(4.999))
    assert emitted(shop) == []
    shop.clock(sec(5))
    (data,) = emitted(shop)
    assert (data["episode"], items(data)) == ("two", ["a", "b"])
    assert (data["due_at"], data["expires_at"]) == ("2023-11-14T22:13:25.000Z", "2023-11-14T22:43:25.000Z")
    shop.clock(60)
    assert said(shop) == []


def test_what_comes_after_five_seconds_is_judged_at_once() -> None:
    shop = shop_of()
    shop.tell(view(0, "a", event_id="one"), view(sec(5), "b", event_id="two"))
    assert [data["episode"] for data in emitted(shop)] == ["one", "two"]


def test_two_changes_within_the_throttle_give_one_trigger_with_the_latest() -> None:
    shop = shop_of()
    shop.tell(view(0, "a"), view(sec(1), "b", event_id="b"), view(sec(3), "d", event_id="d"), view(sec(2), "c"))
    shop.outputs.clear()
    shop.clock(1)
    (data,) = emitted(shop)
    assert (data["episode"], sorted(items(data))) == ("d", ["a", "b", "c"])


def test_a_change_that_is_taken_back_within_the_throttle_is_never_said() -> None:
    shop = shop_of()
    shop.tell(view(0, "a"), add(sec(1), "a", event_id="one"), click(10))
    shop.outputs.clear()
    shop.tell(clear(10.01), add(10.02), clear(10.03))
    shop.clock(11)
    assert [data["moment"]["cart"] for data in emitted(shop)] == ["empty"]


def test_what_was_decided_at_a_time_is_not_decided_again() -> None:
    shop = shop_of()
    shop.tell(view(0, "a"), view(sec(1), "b"))
    customer, site = shop.customer(), shop.engine._site("s")
    site.clock = at(1)
    assert len(personalization.settle(customer, ANN, site)) == 1
    assert personalization.settle(customer, ANN, site) == []
    assert personalization.wake(customer, site) == NEVER


def test_what_waits_is_overtaken_by_what_comes_later() -> None:
    shop = shop_of()
    shop.tell(view(0, "a", event_id="one"), view(sec(1), "b", event_id="two"), view(sec(6), event_id="three"))
    assert [data["episode"] for data in emitted(shop)] == ["one", "three"]
    shop.clock(10)
    assert said(shop) == []


def test_an_event_from_before_the_last_trigger_waits_as_well() -> None:
    shop = shop_of()
    shop.tell(view(1, "a"), view(0.5, "b", event_id="late"))
    assert len(emitted(shop)) == 1
    shop.clock(2)
    assert [data["episode"] for data in emitted(shop)] == ["late"]


def test_what_follows_does_not_wait_for_a_cart_that_is_held() -> None:
    policy = site_policy(steps=(1,))
    shop = shop_of(replace(policy, order=replace(policy.order, silent_after=Millis(MINUTE))))
    shop.tell(add(-30, "a"))
    shop.beat(activity=-30)
    shop.beat(activity=0.1)
    shop.clock(0)
    assert shop.engine.held_sites == ["s"]
    shop.tell(view(1, "b"), view(1 + sec(1), "c"))
    shop.outputs.clear()
    shop.clock(1 + sec(2))
    assert said(shop) == []
    shop.clock(1 + sec(5.001))
    assert said(shop) == [("emitted", "changed")]


def test_what_waited_too_long_for_the_clock_expires() -> None:
    for live in (False, True):
        shop = shop_of(live=live)
        shop.tell(view(0, "a"), view(sec(1), "b"))
        shop.outputs.clear()
        shop.clock(sec(5) + 30)
        assert said(shop) == [("expired", "expired")]
        shop.tell(click(40))
        assert said(shop) == [("emitted", "changed")]


def test_the_throttle_and_the_expiry_are_the_policys() -> None:
    rules = PersonalizationPolicy(throttle=Millis(MINUTE), expires_after=Millis(2 * MINUTE))
    shop = shop_of(replace(site_policy(), personalization=rules))
    shop.tell(view(0, "a"), view(0.9, "b"))
    assert [data["expires_at"] for data in emitted(shop)] == ["2023-11-14T22:15:20.000Z"]
    shop.clock(1)
    assert len(emitted(shop)) == 1


# --- permission


def test_who_has_not_permitted_it_is_told_nothing_and_it_is_said_once() -> None:
    shop = shop_of(permitted=False)
    shop.tell(view(0), view(1, "b"), view(2, "c"), add(3))
    assert said(shop) == [("suppressed", "no_permission")]
    shop.tell(onsite(4), click(5))
    assert said(shop) == [("emitted", "changed")]
    shop.tell(onsite(6, False), view(50), view(51))
    assert said(shop) == [("cancelled", "withdrawn"), ("suppressed", "no_permission")]


def test_a_withdrawal_cancels_at_once_and_a_new_permission_says_it_again() -> None:
    shop = shop_of()
    shop.tell(view(0, event_id="one"), onsite(10, False))
    messages = shop.triggers()
    assert [m["type"].split(".")[1] for m in messages] == ["emitted", "cancelled"]
    assert messages[0]["data"]["trigger_id"] == messages[1]["data"]["trigger_id"]
    assert messages[1]["data"]["expires_at"] == messages[0]["data"]["expires_at"]
    shop.outputs.clear()
    shop.tell(onsite(11, False), onsite(12), click(13))
    assert said(shop) == [("emitted", "changed")]


def test_what_has_expired_is_not_cancelled() -> None:
    shop = shop_of()
    shop.tell(view(0), onsite(30, False))
    assert said(shop) == [("emitted", "changed")]


def test_a_page_that_refuses_cancels_within_the_throttle_too() -> None:
    for refusing in (NO, NOTHING_AT_ALL):
        shop = Shop(kind=Kind.PERSONALIZATION)
        shop.tell(click(-1, consent=YES), view(0, consent=YES), click(sec(1), consent=refusing), person=ANON)
        assert said(shop) == [("emitted", "changed"), ("cancelled", "withdrawn")]


def test_who_objects_to_a_profile_on_a_page_has_no_affinities_any_more() -> None:
    shop = Shop(kind=Kind.PERSONALIZATION)
    shop.tell(view(0, consent=YES), person=ANON)
    assert shop.customer(ANON).tastes is not None
    shop.tell(view(1, "b", consent=NOTHING_AT_ALL), person=ANON)
    assert shop.customer(ANON).tastes is None
    assert shop.discarded["no_consent"] == 1


def test_a_late_refusal_cancels_what_should_not_have_been_said() -> None:
    shop = shop_of()
    shop.tell(view(0), onsite(-10, False))
    assert said(shop)[1:] == [("cancelled", "withdrawn")]


def test_a_refusal_that_is_known_already_counts_for_earlier_events() -> None:
    shop = shop_of()
    shop.tell(onsite(10, False), view(5))
    assert said(shop) == [("suppressed", "no_permission")]


def test_a_refusal_for_the_channel_counts() -> None:
    shop = shop_of()
    shop.tell(onsite(-1, False, channel="onsite"), view(0))
    assert said(shop) == [("suppressed", "no_permission")]
    shop.tell(onsite(1, channel="onsite"), view(2))
    assert said(shop) == [("emitted", "changed")]


def test_who_objects_to_a_profile_is_shown_nothing() -> None:
    shop = shop_of()
    shop.tell(view(0), replace(onsite(1, False), purpose=Purpose.PROFILE.value), view(2))
    assert said(shop) == [("emitted", "changed"), ("cancelled", "withdrawn"), ("suppressed", "no_permission")]


def test_another_basis_permits_where_the_policy_accepts_it() -> None:
    basis = Basis.LEGITIMATE_INTEREST
    rules = PermissionPolicy(
        without_record={Purpose.ONSITE_PERSONALIZATION: basis, **PermissionPolicy().without_record}
    )
    shop = shop_of(replace(site_policy(), permission=rules), permitted=False)
    shop.tell(view(0))
    assert said(shop) == [("emitted", "changed")]


# --- other gates


def test_nothing_is_shown_where_the_policy_says_so() -> None:
    shop = shop_of(replace(site_policy(), personalization=PersonalizationPolicy(enabled=False)))
    shop.tell(view(0), view(1, "b"))
    assert said(shop) == [("suppressed", "disabled")]
    shop.set_policy(site_policy())
    shop.tell(click(2))
    assert said(shop) == [("emitted", "changed")]


def test_after_a_refusal_any_event_says_it_again() -> None:
    shop = shop_of()
    shop.tell(view(0))
    shop.set_policy(replace(site_policy(), personalization=PersonalizationPolicy(enabled=False)))
    shop.tell(view(1), view(2))
    shop.set_policy(site_policy())
    shop.tell(click(3))
    assert said(shop) == [("emitted", "changed"), ("suppressed", "disabled"), ("emitted", "changed")]


def test_nothing_is_shown_before_the_site_goes_live() -> None:
    live_at = datetime.fromtimestamp((T0 + MINUTE) / 1000, UTC)
    shop = shop_of(replace(site_policy(), go_live_at=live_at))
    shop.tell(view(0), view(0.999))
    assert said(shop) == [("suppressed", "not_live")]
    shop.tell(view(1))
    assert said(shop) == [("emitted", "changed")]


def test_a_bot_is_shown_nothing_for_a_day() -> None:
    shop = shop_of()
    shop.tell(*(click(sec(n / 10)) for n in range(70)))
    shop.tell(view(2), view(3, "b"))
    assert said(shop) == [("emitted", "changed"), ("suppressed", "bot")]
    shop.tell(view(DAY / MINUTE + 1))
    assert said(shop) == [("emitted", "changed")]


# --- what to do


def action(shop: Shop, *events: Any, person: str = ANN) -> str:
    shop.tell(*events, person=person)
    return str(emitted(shop)[-1]["action"])


def test_who_leaves_a_filled_cart_is_made_an_offer_though_nothing_else_changed() -> None:
    shop = shop_of()
    assert action(shop, view(0), add(1)) == "recommend"
    assert action(shop, leave(2)) == "exit_offer"
    shop.tell(click(3), leave(4))
    assert emitted(shop) == []


def test_who_leaves_an_empty_cart_is_not() -> None:
    shop = shop_of()
    shop.tell(view(0), leave(1))
    assert [data["action"] for data in emitted(shop)] == ["recommend"]


def test_an_offer_within_the_throttle_is_made_by_the_clock_unless_the_person_stayed() -> None:
    for then, actions in (([], ["exit_offer"]), ([click(1 + sec(3))], [])):
        shop = shop_of()
        shop.tell(view(0), add(1), leave(1 + sec(2)), *then)
        shop.outputs.clear()
        shop.clock(2)
        assert [data["action"] for data in emitted(shop)] == actions


def test_who_searches_three_times_and_finds_nothing_is_offered_help() -> None:
    shop = shop_of()
    shop.tell(search(0), search(1), view(2), search(3), search(4))
    assert "help" not in [data["action"] for data in emitted(shop)]
    assert action(shop, search(5)) == "help"
    shop.tell(search(6), click(7))
    assert emitted(shop) == []


def test_a_visitor_who_knows_three_products_is_asked_to_sign_up_once_a_day() -> None:
    shop = Shop(kind=Kind.PERSONALIZATION)
    told = [action(shop, click(0, consent=YES), view(1, "a", consent=YES), person=ANON)]
    told += [action(shop, view(n, sku, consent=YES), person=ANON) for n, sku in ((2, "b"), (3, "c"))]
    assert told == ["recommend", "recommend", "signup_prompt"]
    assert action(shop, view(4, "d", "hats", consent=YES), person=ANON) == "recommend"
    assert action(shop, view(3 + DAY / MINUTE, "d", brand="new", consent=YES), person=ANON) == "signup_prompt"


def test_a_customer_in_the_app_is_asked_for_push_messages_unless_they_are_allowed() -> None:
    shop = shop_of()
    shop.tell(word(-1, True, "app_push"))
    assert action(shop, view(0, channel="app")) == "recommend"
    shop.tell(word(1, False, "app_push"))
    assert action(shop, view(2, "b", channel="app")) == "push_optin"
    assert action(shop, view(3, "c", channel="app")) == "recommend"


def test_who_is_drawn_to_nothing_is_shown_nothing() -> None:
    shop = shop_of()
    shop.tell(click(0))
    (data,) = emitted(shop)
    assert (data["action"], data.get("items"), data["moment"]["stage"]) == ("none", None, "awareness")


# --- the record


def test_the_time_of_the_record_goes_with_what_an_event_caused_and_not_with_what_the_clock_did() -> None:
    shop = shop_of()
    shop.tell(view(0), view(sec(1), "b"))
    shop.clock(1)
    marks = [(o.caused_at, o.due) for o in shop.outputs if o.kind is Kind.PERSONALIZATION and "trigger" in o.topic]
    assert marks == [(at(0), at(0)), (0, at(0) + 5 * SECOND)]


def test_a_change_of_the_cart_counts_as_activity() -> None:
    shop = Shop(kind=Kind.PERSONALIZATION)
    shop.tell(onsite(-2))
    first: CartRow = add(-1)
    shop.tell(first, add(0, "b"))
    assert said(shop) == [("emitted", "changed")]
