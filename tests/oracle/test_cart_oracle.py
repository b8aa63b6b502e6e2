"""Checks the cart oracle itself, on histories that are small enough to work out by hand."""

import random
from typing import Any

import pytest

from pipeline.triggers.contract import Kind, trigger_id
from tests.oracle.cart_oracle import Expected, Input, Rules, expect, judge

MINUTE = 60_000
HOUR = 60 * MINUTE
RULES = Rules(steps=(30 * MINUTE, 4 * HOUR, 24 * HOUR), min_value=1_000, expires_after=72 * HOUR)
LATER = 1_000 * HOUR


def event(topic: str, kind: str, minute: float, event_id: str, /, **fields: Any) -> Input:
    at = int(minute * MINUTE)
    body = {"event_id": event_id, "type": kind, "site_id": "s", "occurred_at": at, "customer_id": "c"}
    return f"shop.{topic}", body | fields, at


def cart(kind: str, minute: float, event_id: str, *items: tuple[str, int, int | None], **fields: Any) -> Input:
    lines = [
        {"item_id": sku, "quantity": quantity} | ({} if price is None else {"price": price})
        for sku, quantity, price in items
    ]
    return event("carts", kind, minute, event_id, **({"items": lines} if lines else {}), **fields)


def add(minute: float, event_id: str, *, price: int = 2_000, **fields: Any) -> Input:
    return cart("add_to_cart", minute, event_id, ("a", 1, price), **fields)


def click(minute: float, event_id: str) -> Input:
    return event("clicks", "page_view", minute, event_id)


def purchase(minute: float, event_id: str, **fields: Any) -> Input:
    return event("orders", "purchase", minute, event_id, order_id=event_id, value=1, currency="EUR", **fields)


def consent(minute: float, event_id: str, status: str = "granted", **fields: Any) -> Input:
    fields = {"purpose": "marketing_message", "status": status} | fields
    return event("customers", "consent_update", minute, event_id, **fields)


YES = consent(-10, "yes")


def verdicts(*history: Input, rules: Rules = RULES, horizon: int = LATER) -> list[tuple[str, int, float, str]]:
    found = expect(history, rules, horizon).values()
    return sorted((e.episode, e.step, e.due_ms / MINUTE, e.verdict) for e in found)


def first(*history: Input, rules: Rules = RULES) -> str:
    return verdicts(*history, rules=rules)[0][3]


# --- when a step is due


def test_all_steps_follow_one_silence() -> None:
    assert verdicts(YES, add(0, "e")) == [
        ("e", 1, 30, "reached"),
        ("e", 2, 240, "reached"),
        ("e", 3, 1440, "reached"),
    ]


def test_triggers_are_named_by_the_contract() -> None:
    found = expect([YES, add(0, "e")], RULES, HOUR)
    assert found == {trigger_id("s", Kind.CART_ABANDONED, "e", 1): Expected(1, "e", 30 * MINUTE, "reached")}


def test_activity_moves_only_the_steps_that_are_not_due_yet() -> None:
    due = [(step, minute) for _, step, minute, _ in verdicts(YES, add(0, "e"), click(20, "k1"), click(60, "k2"))]
    assert due == [(1, 50), (2, 300), (3, 1500)]


def test_a_silence_of_just_the_delay_is_enough() -> None:
    assert verdicts(YES, add(0, "e"), click(30, "k"), horizon=HOUR) == [("e", 1, 30, "reached")]


def test_what_is_due_at_the_horizon_is_decided_and_nothing_after() -> None:
    assert [step for _, step, _, _ in verdicts(YES, add(0, "e"), horizon=240 * MINUTE)] == [1, 2]
    assert [step for _, step, _, _ in verdicts(YES, add(0, "e"), horizon=240 * MINUTE - 1)] == [1]


def test_offline_lag_pushes_early_steps_together() -> None:
    rules = RULES._replace(offline_lag=6 * HOUR)
    due = [(step, minute) for _, step, minute, _ in verdicts(YES, add(0, "e"), rules=rules)]
    assert due == [(1, 360), (3, 1440)]


def test_a_clock_that_runs_ahead_counts_as_the_record_time() -> None:
    topic, body, _ = add(90, "e")
    assert verdicts(YES, (topic, body, 10 * MINUTE), horizon=HOUR) == [("e", 1, 40, "reached")]


def test_occurred_at_may_be_a_text() -> None:
    topic, body, at = add(0, "e")
    body = dict(body) | {"occurred_at": "1970-01-01T02:05:00+02:00"}
    assert verdicts(YES, (topic, body, at + HOUR), horizon=HOUR)[0][2] == 35


# --- how an episode ends


def test_an_order_before_the_first_step_leaves_one_verdict() -> None:
    assert verdicts(YES, add(0, "e"), purchase(10, "o")) == [("e", 1, 10, "never:ordered")]


def test_an_order_between_steps_closes_the_emitted_and_the_next() -> None:
    assert verdicts(YES, add(0, "e"), purchase(60, "o")) == [
        ("e", 1, 30, "closed:ordered"),
        ("e", 2, 60, "never:ordered"),
    ]


@pytest.mark.parametrize(
    "fields", [{"channel": "offline"}, {"kind": "renewal"}, {"items": [{"item_id": "other"}]}], ids=str
)
def test_any_purchase_closes(fields: dict[str, Any]) -> None:
    assert first(YES, add(0, "e"), purchase(10, "o", **fields)) == "never:ordered"


def test_a_cancelled_order_closes_nothing() -> None:
    assert first(YES, add(0, "e"), event("orders", "order_cancelled", 10, "o", order_id="o")) == "reached"


def test_a_close_at_the_due_time_is_in_time() -> None:
    assert first(YES, add(0, "e"), purchase(30, "o")) == "never:ordered"
    assert first(YES, add(0, "e"), purchase(30.001, "o")) == "closed:ordered"


def test_an_order_at_the_expiry_comes_too_late() -> None:
    last = 30 + 72 * 60
    assert first(YES, add(0, "e"), purchase(last, "o")) == "reached"
    assert first(YES, add(0, "e"), purchase(last - 0.001, "o")) == "closed:ordered"


def test_a_close_after_the_horizon_is_not_told_before() -> None:
    assert verdicts(YES, add(0, "e"), purchase(10, "o"), horizon=5 * MINUTE) == []


def test_taking_the_last_item_out_empties() -> None:
    remove = cart("remove_from_cart", 10, "r", ("a", 5, None))
    assert verdicts(YES, add(0, "e"), remove) == [("e", 1, 10, "never:emptied")]


@pytest.mark.parametrize(
    "emptying",
    [
        cart("clear_cart", 10, "x"),
        cart("update_cart", 10, "x", ("a", 0, None)),
        event("carts", "cart_snapshot", 10, "x", items=[]),
        cart("cart_snapshot", 10, "x", ("a", 0, 5)),
    ],
    ids=lambda made: made[1]["type"],
)
def test_each_way_to_empty_a_cart(emptying: Input) -> None:
    assert first(YES, add(0, "e"), emptying) == "never:emptied"


def test_a_cart_filled_again_is_a_new_episode() -> None:
    assert verdicts(YES, add(0, "e1"), purchase(10, "o"), add(20, "e2"), horizon=HOUR) == [
        ("e1", 1, 10, "never:ordered"),
        ("e2", 1, 50, "reached"),
    ]


def test_nothing_in_the_cart_opens_nothing() -> None:
    assert verdicts(YES, cart("add_to_cart", 0, "e", ("a", 0, 9_000)), event("carts", "begin_checkout", 1, "b")) == []


def test_at_one_moment_the_cart_comes_before_the_order() -> None:
    assert verdicts(YES, purchase(0, "o"), add(0, "e")) == [("e", 1, 0, "never:ordered")]


def test_at_one_moment_the_cart_version_decides_and_then_the_id() -> None:
    clear, fill = cart("clear_cart", 0, "x", cart_version=1), add(0, "y", cart_version=2)
    assert first(YES, fill, clear) == "reached"
    assert verdicts(YES, cart("clear_cart", 0, "z"), add(0, "y")) == [("y", 1, 0, "never:emptied")]


def test_an_older_delta_that_arrives_after_a_snapshot_changes_nothing() -> None:
    rules = RULES._replace(min_value=5_000)
    snapshot = cart("cart_snapshot", 5, "s", ("b", 1, 4_000))
    assert first(YES, snapshot, add(0, "e", price=9_000), rules=rules) == "blocked:below_min_value"


# --- what is allowed, and worth it


def test_without_a_word_nothing_is_allowed() -> None:
    assert [v for *_, v in verdicts(add(0, "e"))] == ["blocked:no_permission"] * 3


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ([consent(-1, "1", basis="soft_opt_in")], "reached"),
        ([consent(-1, "1", basis="legitimate_interest")], "blocked:no_permission"),
        ([consent(-1, "1", purpose="profile")], "blocked:no_permission"),
        ([consent(-1, "1", channel="sms")], "reached"),
        ([consent(-1, "1", channel="voice")], "blocked:no_permission"),
        ([consent(30, "1")], "reached"),
        ([consent(30.001, "1")], "blocked:no_permission"),
        ([consent(-2, "1"), consent(-1, "2", "denied", channel="email")], "reached"),
        ([consent(-2, "1", channel="email"), consent(-1, "2", "denied")], "blocked:no_permission"),
        ([consent(-1, "2", "denied"), consent(-2, "1", channel="email")], "blocked:no_permission"),
        ([consent(-2, "1"), event("customers", "unsubscribe", -1, "2")], "blocked:no_permission"),
        ([consent(-2, "1"), event("customers", "unsubscribe", -1, "2", channel="sms")], "reached"),
        ([consent(-2, "1"), event("messages", "message_complained", 30, "2")], "blocked:no_permission"),
        ([consent(-2, "1"), event("messages", "message_bounced", -1, "2")], "reached"),
    ],
)
def test_permission(words: list[Input], verdict: str) -> None:
    assert first(add(0, "e"), *words) == verdict


def test_withdrawal_between_due_and_expiry_cancels() -> None:
    stop = event("messages", "message_unsubscribed", 60, "stop")
    assert [v for *_, v in verdicts(YES, add(0, "e"), stop)] == ["closed:withdrawn"] + ["blocked:no_permission"] * 2


def test_withdrawal_of_the_channel_that_the_trigger_names_cancels_and_of_another_does_not() -> None:
    def stop(channel: str) -> Input:
        return event("customers", "unsubscribe", 60, "stop", channel=channel)

    assert verdicts(YES, add(0, "e"), stop("email"))[:2] == [
        ("e", 1, 30, "closed:withdrawn"),
        ("e", 2, 240, "reached"),
    ]
    assert first(YES, add(0, "e"), stop("sms")) == "reached"


def test_of_words_of_one_moment_the_channels_own_holds_and_then_a_refusal() -> None:
    email, none = consent(-5, "1", channel="email"), consent(-5, "2", "denied")
    assert first(add(0, "e"), email, none) == first(add(0, "e"), none, email) == "reached"
    refused = event("messages", "message_complained", -5, "3", channel="email")
    assert first(add(0, "e"), email, refused) == first(add(0, "e"), refused, email) == "blocked:no_permission"


def test_an_order_that_is_sent_again_under_another_revision_is_one_order() -> None:
    again = event("orders", "purchase", 40, "o2", order_id="o1", revision=1, value=1, currency="EUR")
    assert verdicts(YES, add(0, "e1"), purchase(10, "o1"), add(20, "e2"), again, horizon=HOUR) == [
        ("e1", 1, 10, "never:ordered"),
        ("e2", 1, 50, "reached"),
    ]


def test_the_earlier_of_order_and_withdrawal_names_the_reason() -> None:
    stop = event("customers", "unsubscribe", 60, "stop")
    assert first(YES, add(0, "e"), stop, purchase(50, "o")) == "closed:ordered"
    assert first(YES, add(0, "e"), stop, purchase(70, "o")) == "closed:withdrawn"


def test_value_is_that_of_the_due_time() -> None:
    more = cart("add_to_cart", 60, "m", ("a", 1, None), ("b", 2, 200))
    assert [v for *_, v in verdicts(YES, add(0, "e", price=400), more)] == [
        "blocked:below_min_value",
        "reached",
        "reached",
    ]


def test_the_last_price_that_was_named_counts() -> None:
    dear = cart("update_cart", 1, "u", ("a", 1, 1_000))
    assert first(YES, add(0, "e", price=10), dear, cart("add_to_cart", 2, "m", ("a", 0, None))) == "reached"
    assert first(YES, add(0, "e"), cart("update_cart", 2, "m", ("a", 1, 999))) == "blocked:below_min_value"


# --- who


def test_people_and_sites_are_kept_apart() -> None:
    def other(**who: Any) -> Input:
        return event("orders", "purchase", 10, "o", order_id="o", value=1, currency="EUR", **who)

    assert first(YES, add(0, "e"), other(customer_id="d")) == "reached"
    assert first(YES, add(0, "e"), other(site_id="t")) == "reached"
    assert first(YES, add(0, "e"), other(customer_id=None, anonymous_id="c")) == "reached"
    assert first(YES, add(0, "e"), other(anonymous_id="v")) == "never:ordered"


def test_what_an_anonymous_visitor_does_not_let_be_collected_does_not_count() -> None:
    def seen(minute: float, event_id: str, state: str, **who: Any) -> Input:
        context = {"consent": {"analytics_storage": state}}
        return add(minute, event_id, context=context, **({"customer_id": None, "anonymous_id": "v"} | who))

    assert verdicts(seen(0, "e", "denied")) == []
    assert first(seen(0, "e", "granted"), seen(20, "f", "denied")) == "blocked:no_permission"
    assert verdicts(seen(0, "e", "granted"), seen(20, "f", "denied"))[0][2] == 30
    assert first(YES, seen(0, "e", "denied", customer_id="c", anonymous_id=None)) == "reached"


def test_a_resend_counts_once_and_the_first_of_them() -> None:
    assert first(YES, add(0, "e", price=600), add(1, "e", price=600)) == "blocked:below_min_value"


def test_tests_do_not_count() -> None:
    assert verdicts(YES, add(0, "e", test=True)) == []


def test_the_order_of_the_input_does_not_matter() -> None:
    history = [YES, add(0, "e1"), click(20, "k1"), purchase(60, "o"), add(90, "e2"), click(100, "k2")]
    history += [consent(200, "no", "denied"), cart("clear_cart", 500, "x"), consent(600, "yes2"), add(601, "e3")]
    expected = verdicts(*history)
    for seed in range(20):
        assert verdicts(*random.Random(seed).sample(history, len(history))) == expected


# --- judging a run

GOT: dict[str, list[tuple[str, str]]] = {
    "emitted": [("emitted", "silent")],
    "cancelled": [("emitted", "silent"), ("cancelled", "ordered")],
    "known": [("suppressed", "withdrawn")],
    "no permission": [("suppressed", "no_permission")],
    "held first": [("held", "orders_silent"), ("emitted", "silent")],
    "twice": [("emitted", "silent"), ("emitted", "silent")],
    "expired": [("expired", "expired")],
    "nothing": [],
}
GOOD = {
    "reached": {"emitted", "held first"},
    "closed:ordered": {"cancelled", "known"},
    "closed:withdrawn": {"cancelled", "known"},
    "blocked:no_permission": {"no permission"},
    "blocked:below_min_value": set(),
    "never:ordered": set(),
}


@pytest.mark.parametrize("verdict", GOOD)
@pytest.mark.parametrize("got", GOT)
def test_judge(verdict: str, got: str) -> None:
    decisions = [{"trigger_id": "t", "outcome": outcome, "reason": reason} for outcome, reason in GOT[got]]
    differences = judge(decisions, {"t": Expected(1, "e", 5, verdict)})
    assert (differences == []) == (got in GOOD[verdict])


def test_judge_takes_a_never_that_was_suppressed() -> None:
    decision = {"trigger_id": "t", "outcome": "suppressed", "reason": "emptied"}
    assert judge([decision], {"t": Expected(1, "e", 5, "never:ordered")}) == []


def test_judge_names_what_differs() -> None:
    wild = {"trigger_id": "wild", "outcome": "emitted", "reason": "silent"}
    assert judge([wild], {"t": Expected(2, "e", 5, "reached")}) == [
        "t: step 2 of e, reached at 5, got no decision",
        "wild: nothing expected, got emitted (silent)",
    ]
