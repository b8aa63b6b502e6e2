"""A checkup tells a shop that publishes well from one that does not, check by check, and never tells who."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.config.durations import DAY, HOUR
from pipeline.config.policy import OrderPolicy, PermissionPolicy, SitePolicy
from pipeline.events.customer import Basis, Purpose
from pipeline.log.rejects import Reject, RejectReason
from pipeline.quality.checkup import EXAMINED, Checkup
from pipeline.quality.finding import Finding, Level, percent

NOW = 1_772_474_400_000
Event = dict[str, Any]
ITEM = {"item_id": "p1", "price": 1_999}


def cart(n: int, **more: Any) -> tuple[str, Event]:
    return "shop.carts", {"type": "add_to_cart", "customer_id": f"c{n}", "currency": "EUR", "items": [ITEM]} | more


def order(n: int, **more: Any) -> tuple[str, Event]:
    body = {"type": "purchase", "customer_id": f"c{n}", "order_id": f"o{n}", "value": 1_999, "currency": "EUR"}
    return "shop.orders", body | more


def consent(n: int, status: str = "granted", **more: Any) -> tuple[str, Event]:
    body = {"type": "consent_update", "customer_id": f"c{n}", "purpose": "marketing_message", "status": status}
    return "shop.customers", body | more


def view(n: int, **more: Any) -> tuple[str, Event]:
    mode = {"consent": {"personalization_storage": "granted"}}
    return "shop.clicks", {"type": "view_item", "anonymous_id": f"v{n}", "items": [ITEM], "context": mode} | more


def shop(people: int = 40) -> list[tuple[str, Event]]:
    """A shop that publishes well: every other customer with a cart allows messages, every fourth orders."""
    told = [view(n) for n in range(people)]
    told += [cart(n) for n in range(people)]
    told += [consent(n) for n in range(0, people, 2)]
    told += [order(n) for n in range(0, people, 4)]
    told.append(("shop.messages", {"type": "message_sent", "customer_id": "c0"}))
    told.append(("shop.catalog", {"type": "product", "item_id": "p1", "price": 1_999, "currency": "EUR"}))
    return told


def examined(*told: tuple[str, Event], policy: SitePolicy | None = None, late: int = 50) -> dict[str, Finding]:
    checkup = Checkup("s")
    for number, (topic, event) in enumerate(told):
        at = NOW + number * 1_000
        envelope = {"event_id": f"e{number}", "site_id": "s", "occurred_at": at}
        checkup.add(topic, json.dumps(envelope | event).encode(), at + late)
    return {finding.check: finding for finding in checkup.findings(policy or SitePolicy())}


def test_a_shop_that_publishes_well_has_nothing_to_mend() -> None:
    found = examined(*shop())
    assert {check: finding.level for check, finding in found.items()} == dict.fromkeys(found, Level.OK)
    assert found.keys() >= {*EXAMINED, "customer_id", "consent", "order_id", "clocks", "rejects"}


def test_a_check_that_has_nothing_to_judge_says_so() -> None:
    found = examined(consent(1))
    assert {found[check].level for check in ("customer_id", "prices", "order_id", "context.consent")} == {Level.NONE}


Change = Callable[[str, Event], Event]


@pytest.mark.parametrize(
    ("check", "level", "change"),
    [
        ("customer_id", Level.FAIL, lambda t, e: e | {"customer_id": None, "anonymous_id": e.get("customer_id")}),
        ("consent", Level.FAIL, lambda t, e: e | {"status": "denied"} if t == "shop.customers" else e),
        ("context.consent", Level.WARN, lambda t, e: e | {"context": {}}),
        ("external ids", Level.FAIL, lambda t, e: e | {"external_ids": {"email_sha256": "ann@shop.example"}}),
        ("prices", Level.FAIL, lambda t, e: e | {"items": [{"item_id": "p1"}]} if "items" in e else e),
        ("prices", Level.WARN, lambda t, e: e | {"items": [{"item_id": "p1", "price": 20}]} if "items" in e else e),
        ("currency", Level.WARN, lambda t, e: e | {"currency": None} if t == "shop.carts" else e),
        ("currency", Level.FAIL, lambda t, e: e | {"currency": "JPY"} if t == "shop.carts" else e),
        ("event_id", Level.FAIL, lambda t, e: e | {"event_id": "e"}),
        ("order_id", Level.FAIL, lambda t, e: e | {"order_id": "o"} if t == "shop.orders" else e),
        ("orders without a cart", Level.FAIL, lambda t, e: e | {"customer_id": f"guest-{e['order_id']}"}),
        ("clocks", Level.FAIL, lambda t, e: e | {"occurred_at": NOW + HOUR}),
        ("clocks", Level.FAIL, lambda t, e: e | {"occurred_at": NOW - HOUR}),
        ("rejects", Level.FAIL, lambda t, e: e | {"items": [{"price": 1}]} if t == "shop.carts" else e),
    ],
)
def test_what_is_wrong_is_found_by_its_check(check: str, level: Level, change: Change) -> None:
    told = shop()
    if check == "orders without a cart":
        late = [
            (topic, change(topic, event) | {"occurred_at": NOW + 2 * HOUR}) for topic, event in told if "value" in event
        ]
        told = [one for one in told if one[0] != "shop.orders"] + late
    else:
        told = [(topic, change(topic, event)) for topic, event in told]
    found = examined(*told)[check]
    assert found.level is level, found
    assert found.why
    assert found.remedy


@pytest.mark.parametrize("topic", EXAMINED)
def test_a_topic_without_a_record_is_told(topic: str) -> None:
    found = examined(*(one for one in shop() if one[0] != topic))
    assert found[topic].level is (Level.FAIL if topic == "shop.carts" else Level.WARN)


def test_orders_that_go_silent_fail_by_the_policy_s_own_measure() -> None:
    told = [*shop(), view(1, occurred_at=NOW + 2 * HOUR)]
    checkup = Checkup("s")
    for number, (topic, event) in enumerate(told):
        at = event.get("occurred_at", NOW + number * 1_000)
        envelope = {"event_id": f"e{number}", "site_id": "s", "occurred_at": at}
        checkup.add(topic, json.dumps(envelope | event).encode(), at)
    patient = SitePolicy(order=OrderPolicy(silent_after=DAY))
    levels = {
        policy.order.silent_after: next(f.level for f in checkup.findings(policy) if f.check == "shop.orders")
        for policy in (SitePolicy(), patient)
    }
    assert list(levels.values()) == [Level.FAIL, Level.OK]


def test_a_policy_that_needs_no_consent_is_followed() -> None:
    soft = PermissionPolicy(without_record={Purpose.MARKETING_MESSAGE: Basis.SOFT_OPT_IN})
    assert examined(cart(1)).get("consent").level is Level.FAIL  # type: ignore[union-attr]
    assert examined(cart(1), policy=SitePolicy(permission=soft))["consent"].level is Level.OK


def test_the_newest_word_on_a_channel_counts() -> None:
    mail = {"channel": "email"}
    stop = ("shop.customers", {"type": "unsubscribe", "customer_id": "c1"})
    assert examined(cart(1), consent(1, **mail))["consent"].level is Level.OK
    assert examined(cart(1), consent(1, **mail), consent(1, "denied", **mail))["consent"].level is Level.FAIL
    assert examined(cart(1), consent(1, **mail), stop)["consent"].level is Level.FAIL
    assert examined(cart(1), consent(1, **mail), consent(1, "denied", channel="sms"))["consent"].level is Level.OK


def test_a_resend_is_no_fault() -> None:
    found = examined(*shop(), *[cart(1, event_id="again", occurred_at=NOW)] * 2, order(4, event_id="x", revision=1))
    assert (found["event_id"].level, found["event_id"].numbers["resent"]) == (Level.OK, pytest.approx(1 / 95, abs=0.01))
    assert found["order_id"].level is Level.OK


def test_rejects_of_the_engine_count_and_those_of_ingest_do_not_twice() -> None:
    checkup = Checkup("s")
    body = json.dumps({"event_id": "e", "site_id": "s", "occurred_at": NOW} | view(1)[1]).encode()
    checkup.add("shop.clicks", body, NOW)
    for refused_by in ("engine 1", "ingest 0.1.0"):
        reason = RejectReason.FOLD_ERROR
        checkup.add_reject(Reject(reason, "", "shop.clicks", 0, 0, NOW, len(body), refused_by, value=body))
    found = next(finding for finding in checkup.findings(SitePolicy()) if finding.check == "rejects")
    assert found.numbers["fold_error"] == 1


def test_other_sites_are_left_out_but_named_and_what_names_none_is_counted() -> None:
    checkup = Checkup("s")
    checkup.add("shop.clicks", b'{"site_id": "other"}', NOW)
    checkup.add("shop.clicks", b"not json", NOW)
    checkup.add("shop.clicks", None, NOW)
    checkup.add("shop.clicks", b'{"type": "clock", "at": 5}', NOW)
    assert (checkup.records, checkup.other_sites) == (0, {"other"})
    found = {finding.check: finding for finding in checkup.findings(SitePolicy())}
    assert (found["site_id"].level, found["site_id"].numbers["nameless"]) == (Level.WARN, 2)
    assert found["rejects"].level is Level.OK


def test_no_finding_names_a_person() -> None:
    found = examined(*((topic, event | {"customer_id": "ann-secret"}) for topic, event in shop()))
    assert "secret" not in str(list(found.values()))


def test_a_share_never_reads_as_all_or_nothing_when_it_is_not() -> None:
    assert [percent(part, 100_000) for part in (0, 1, 500, 50_000, 99_500, 99_999, 100_000)] == [
        *["0%", "under 0.1%", "0.5%", "50%", "99.5%", "over 99.9%", "100%"]
    ]
