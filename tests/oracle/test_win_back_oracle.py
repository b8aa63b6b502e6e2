"""The oracle of win-backs, checked by hand on lives that fit on a line."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.oracle.cart_oracle import Input
from tests.oracle.win_back_oracle import DAY, Expected, Rules, expect, judge

MIDNIGHT = 19_000 * DAY
_numbers: Iterator[int] = count()


def told(day: float, topic: str, what: str, /, **fields: Any) -> Input:
    at = MIDNIGHT + int(day * DAY)
    event = {"event_id": f"e{next(_numbers)}", "site_id": "s", "customer_id": "c", "occurred_at": at, "type": what}
    return f"shop.{topic}", event | fields, at


def purchase(day: float, order: str, **fields: Any) -> Input:
    return told(day, "orders", "purchase", order_id=order, value=1, currency="EUR", **fields)


def yes(day: float = -1, **fields: Any) -> Input:
    return told(day, "customers", "consent_update", purpose="marketing_message", status="granted", **fields)


def no(day: float, **fields: Any) -> Input:
    return told(day, "customers", "unsubscribe", **fields)


def view(day: float) -> Input:
    return told(day, "clicks", "page_view")


def lived(*history: Input, until: float = 1_000, **rules: Any) -> list[tuple[str, float, str]]:
    """What is expected, as `(variant, day that it is due, verdict)`."""
    return [
        (found.episode.rpartition(":")[2], (found.due_ms - MIDNIGHT) / DAY, found.verdict)
        for found in expect(history, Rules(**rules), MIDNIGHT + int(until * DAY)).values()
    ]


def test_a_first_order_then_silence() -> None:
    assert lived(yes(), purchase(0, "a")) == [("second_order", 90, "emitted"), ("dormant", 300, "emitted")]


def test_a_gap_of_ones_own() -> None:
    """(2 * 60 + 30) / 3 = 50."""
    assert lived(yes(), purchase(0, "a"), purchase(30, "b"), until=200) == [("cadence", 130, "emitted")]


def test_a_gap_that_was_overrun_is_another_win_back() -> None:
    got = lived(yes(), purchase(0, "a"), purchase(95, "b"), until=240)
    assert got == [("second_order", 90, "closed:ordered"), ("cadence", 95 + 2 * 215 / 3, "emitted")]


def test_a_visitor() -> None:
    assert lived(yes(), view(0), view(5), until=200) == [("never_carted", 90, "emitted")]
    assert lived(yes(), view(0), view(1), until=200) == []


def test_a_visitor_who_returns_after_the_dormancy() -> None:
    assert lived(yes(), view(0), view(310)) == [("dormant", 300, "emitted"), ("dormant", 610, "emitted")]


def test_a_withdrawal_before_and_after() -> None:
    assert lived(yes(), purchase(0, "a"), no(80), until=100) == [("second_order", 90, "blocked:no_permission")]
    assert lived(yes(), purchase(0, "a"), no(95), until=100) == [("second_order", 90, "closed:withdrawn")]


def test_a_parcel_and_a_return_that_are_waited_for() -> None:
    sent = told(1, "orders", "order_shipped", order_id="a")
    came = told(20, "orders", "order_delivered", order_id="a")
    opened = told(21, "orders", "return_opened", order_id="a")
    found = list(expect([yes(), purchase(0, "a"), sent, came], Rules(prior=10 * DAY), MIDNIGHT + 50 * DAY).values())
    assert [(f.verdict, f.deferred) for f in found] == [("emitted", "undelivered")]
    history = [yes(), purchase(0, "a"), opened]
    found = list(expect(history, Rules(prior=16 * DAY), MIDNIGHT + 50 * DAY).values())
    assert [(f.verdict, f.deferred) for f in found] == [("expired", "return_open")]


def test_a_subscriber() -> None:
    history = yes(), purchase(0, "a"), purchase(50, "r", kind="renewal")
    assert lived(*history, until=100) == [("second_order", 90, "blocked:subscriber")]


def test_a_channel_that_is_given_up() -> None:
    got = lived(yes(channel="email"), purchase(0, "a"), purchase(500, "b"), until=2_000, prior=200 * DAY)
    assert [verdict for _, _, verdict in got] == [
        "emitted",
        "emitted",
        "blocked:channel_sunset",
        "blocked:channel_sunset",
    ]


def test_going_live() -> None:
    got = lived(yes(), purchase(0, "a"), until=299, live_from=MIDNIGHT + 200 * DAY)
    assert [(variant, verdict) for variant, _, verdict in got] == [("second_order", "emitted")]
    assert 200 <= got[0][1] < 214


def decided(identity: str, outcome: str, reason: str) -> dict[str, str]:
    return {"trigger_id": identity, "episode": "o:cadence", "outcome": outcome, "reason": reason, "due_at": ""}


@pytest.mark.parametrize(
    ("verdict", "deferred", "got", "agrees"),
    [
        ("emitted", "", [("emitted", "cadence")], True),
        ("emitted", "", [], False),
        ("emitted", "", [("suppressed", "bot")], False),
        ("emitted", "undelivered", [("deferred", "undelivered"), ("emitted", "cadence")], True),
        ("emitted", "undelivered", [("emitted", "cadence")], False),
        ("emitted", "", [("deferred", "undelivered"), ("emitted", "cadence")], False),
        ("expired", "undelivered", [("deferred", "undelivered"), ("expired", "expired")], True),
        ("blocked:subscriber", "", [("suppressed", "subscriber")], True),
        ("blocked:subscriber", "", [("suppressed", "no_permission")], False),
        ("closed:ordered", "", [("emitted", "cadence"), ("cancelled", "withdrawn")], True),
        ("closed:ordered", "", [("suppressed", "ordered")], True),
        ("closed:ordered", "", [("emitted", "cadence")], False),
        ("closed:ordered", "", [("suppressed", "no_permission")], False),
    ],
)
def test_judge_tells_what_agrees(verdict: str, deferred: str, got: list[tuple[str, str]], agrees: bool) -> None:
    expected = {"t": Expected("o:cadence", 1, verdict, deferred)}
    assert (judge([decided("t", *pair) for pair in got], expected) == []) is agrees


def test_judge_tells_what_nobody_expected() -> None:
    assert len(judge([decided("t", "emitted", "cadence")], {})) == 1
