"""What of a record becomes of it: a row, a clock, an echo, or a reject with its reason."""

import json
from typing import Any

import pytest

from pipeline.config.durations import DAY, HOUR
from pipeline.config.namespace import Mode
from pipeline.events.clock import Clock
from pipeline.events.history import MAX_HISTORY_AGE
from pipeline.ingest.compact import MAX_LABEL
from pipeline.ingest.route import MAX_AGE, MAX_AHEAD, Echoed, Routed, Router
from pipeline.log.frames import MAX_EVENT_BYTES
from pipeline.log.rejects import RefusedError
from pipeline.log.rows import CartOp, CartRow, Click, ConsentRow, MessageRow, OrderRow, ProductRow

NOW = 1_700_000_000_000
ITEM = {"item_id": "a", "quantity": 2, "price": 500}
ADD = {
    "event_id": "e",
    "type": "add_to_cart",
    "site_id": "shop",
    "occurred_at": NOW,
    "customer_id": "ann",
    "items": [ITEM],
    "currency": "EUR",
}
CART, CLICK, ORDER, CUSTOMER, MESSAGE, CATALOG, HISTORY = (
    f"shop.{topic}" for topic in ("carts", "clicks", "orders", "customers", "messages", "catalog", "history")
)


def route(value: Any, topic: str = CART, mode: Mode = Mode.LIVE, time: int = NOW) -> Any:
    data = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Router(topic, mode)(data, time)


def but(event: dict[str, Any] = ADD, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (event | changes).items() if value is not ...}


def of_site(topic: str, kind: str, **fields: Any) -> Any:
    event = (
        {name: ADD[name] for name in ("event_id", "site_id", "occurred_at", "customer_id")} | {"type": kind} | fields
    )
    return route(event, topic).event


def test_an_event_becomes_a_row_of_its_person() -> None:
    routed = route(ADD)
    assert (routed.person, routed.site) == ("shop|c|ann", "shop")
    assert isinstance(routed.event, CartRow)
    assert (routed.event.op, routed.event.at, routed.event.lines[0].price) == (CartOp.ADD, NOW, 500)


def test_an_anonymous_visitor_is_another_person_and_a_customer_id_goes_before() -> None:
    assert route(but(customer_id=..., anonymous_id="v")).person == "shop|a|v"
    assert route(but(anonymous_id="v")).person == "shop|c|ann"


REFUSED: dict[str, tuple[Any, str]] = {
    "truncated": (json.dumps(ADD).encode()[:-5], "not_json"),
    "no text": (b"\xff\xfe\x00", "not_json"),
    "bad utf-8 in a text": (json.dumps(ADD).encode().replace(b"ann", b"\xff\xff"), "not_json"),
    "deep": (b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "not_json"),
    "null": (None, "empty"),
    "empty": (b"", "empty"),
    "10 MB": (b" " * 10_000_000, "too_large"),
    "a byte too large": (b" " * (MAX_EVENT_BYTES + 1), "too_large"),
    "an array": ([], "invalid"),
    "a number": (5, "invalid"),
    "no type": (but(type=...), "invalid"),
    "unknown type": (but(type="teleport"), "unknown_type"),
    "type of another topic": (but(type="page_view"), "unknown_type"),
    "type of a number": (but(type=5), "unknown_type"),
    "no id": (but(event_id=...), "invalid"),
    "empty id": (but(event_id=""), "invalid"),
    "long id": (but(event_id="x" * 65), "invalid"),
    "text for quantity": (but(items=[ITEM | {"quantity": "2"}]), "invalid"),
    "negative quantity": (but(items=[ITEM | {"quantity": -1}]), "invalid"),
    "fraction of a cent": (but(items=[ITEM | {"price": 4.5}]), "invalid"),
    "negative price": (but(items=[ITEM | {"price": -1}]), "invalid"),
    "101 items": (but(items=[ITEM] * 101), "invalid"),
    "items null": (but(items=None), "invalid"),
    "no time": (but(occurred_at=...), "invalid"),
    "time without zone": (but(occurred_at="2023-11-14T22:13:20"), "invalid"),
    "1970": (but(occurred_at=0), "occurred_too_long_ago"),
    "1970 as a text": (but(occurred_at="1970-01-01T00:00:00Z"), "occurred_too_long_ago"),
    "before time": (but(occurred_at=-5), "occurred_too_long_ago"),
    "seconds for milliseconds": (but(occurred_at=NOW // 1_000), "occurred_too_long_ago"),
    "2100": (but(occurred_at="2100-01-01T00:00:00Z"), "occurred_in_future"),
    "far beyond": (but(occurred_at=10**18), "occurred_in_future"),
    "beyond 64 bits": (but(occurred_at=10**30), "occurred_in_future"),
    "the first moment": (but(occurred_at="0001-01-01T00:00:00+23:59"), "occurred_too_long_ago"),
    "the last moment": (but(occurred_at="9999-12-31T23:59:59-23:59"), "occurred_in_future"),
    "nobody": (but(customer_id=...), "no_person"),
    "null id": (but(customer_id=None), "no_person"),
    "half a character as id": (json.dumps(ADD).encode().replace(b"ann", b"\\ud800"), "not_json"),
    "bad site": (but(site_id="Shop!"), "bad_site"),
    "site with a newline": (but(site_id="shop\n"), "bad_site"),
    "site with a bar": (but(site_id="a|b"), "bad_site"),
    "empty site": (but(site_id=""), "invalid"),
    "long site": (but(site_id="s" * 33), "invalid"),
    "bot": (but(context={"device": "bot"}), "bot"),
    "unknown currency": (but(currency="EUX"), "unknown_currency"),
    "short currency": (but(currency="EU"), "invalid"),
    "fingerprint kind": (but(customer_id=..., anonymous_id="v", anonymous_id_kind="Fingerprint"), "fingerprint"),
    "fingerprint id": (but(external_ids={"device_fingerprint": "x"}), "fingerprint"),
    "unknown consent state": (but(context={"consent": {"ad_storage": "maybe"}}), "invalid"),
    "clock in a live log": ({"type": "clock", "at": 5}, "unknown_type"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_with_its_reason(case: str) -> None:
    value, reason = REFUSED[case]
    with pytest.raises(RefusedError) as refused:
        route(value)
    assert refused.value.reason == reason
    assert "ann" not in str(refused.value)


def test_an_unknown_currency_of_a_product_or_an_order_is_refused() -> None:
    product = {"event_id": "p", "type": "product", "site_id": "s", "occurred_at": NOW, "item_id": "a", "price": 1}
    with pytest.raises(RefusedError, match="ISO 4217"):
        route(product | {"currency": "XXQ"}, CATALOG)
    with pytest.raises(RefusedError, match="ISO 4217"):
        of_site(ORDER, "purchase", order_id="o", value=1, currency="ZZZ")


def test_an_event_of_just_the_largest_size_is_taken() -> None:
    data = json.dumps(ADD).encode()
    assert isinstance(route(data + b" " * (MAX_EVENT_BYTES - len(data))), Routed)


def test_a_clock_a_little_ahead_is_set_to_the_records_time_and_one_behind_is_believed() -> None:
    assert route(but(occurred_at=NOW + MAX_AHEAD)).event.at == NOW
    with pytest.raises(RefusedError):
        route(but(occurred_at=NOW + MAX_AHEAD + 1))
    assert route(but(occurred_at=NOW - MAX_AGE)).event.at == NOW - MAX_AGE
    with pytest.raises(RefusedError):
        route(but(occurred_at=NOW - MAX_AGE - 1))
    assert route(but(occurred_at=NOW - DAY)).event.at == NOW - DAY


def test_history_may_be_twenty_years_old_and_does_not_tell_the_time() -> None:
    def told(at: int, mode: Mode = Mode.LIVE) -> Any:
        return route(but(type="purchase", order_id="o", value=5, occurred_at=at), HISTORY, mode)

    assert told(NOW - 20 * 365 * DAY).event.at == NOW - 20 * 365 * DAY
    assert told(NOW - MAX_HISTORY_AGE).person == "shop|c|ann"
    with pytest.raises(RefusedError, match="over 7320 days old"):
        told(NOW - MAX_HISTORY_AGE - 1)
    with pytest.raises(RefusedError, match="clock"):
        route({"type": "clock", "at": NOW}, HISTORY, Mode.REPLAY)


def test_times_may_be_texts_with_any_offset() -> None:
    assert route(but(occurred_at="2023-11-14T23:13:19.123+01:00")).event.at == NOW - 877
    assert route(but(occurred_at="2023-11-14T22:13:20Z")).event.at == NOW


@pytest.mark.parametrize("mode", [Mode.TEST, Mode.REPLAY])
def test_a_clock_record_tells_the_time_where_no_wall_clock_does(mode: Mode) -> None:
    for topic in (CART, CLICK, ORDER, CUSTOMER, MESSAGE):
        assert route({"type": "clock", "at": NOW + HOUR}, topic, mode) == Clock(NOW + HOUR)


@pytest.mark.parametrize("at", [-1, 2**53, 10**30])
def test_a_clock_record_of_an_impossible_time_is_refused(at: int) -> None:
    with pytest.raises(RefusedError) as refused:
        route({"type": "clock", "at": at}, CART, Mode.TEST)
    assert refused.value.reason == "invalid"


def test_a_test_event_is_checked_and_goes_no_further() -> None:
    assert route(but(test=True)) == Echoed("shop")
    with pytest.raises(RefusedError):
        route(but(test=True, currency="EUX"))


def test_unknown_fields_are_ignored() -> None:
    assert route(but(colour="red", context={"weather": "rain"})) == route(ADD)


def test_each_topic_has_its_rows() -> None:
    assert isinstance(of_site(CLICK, "search", search_term="boots"), Click)
    assert isinstance(of_site(ORDER, "purchase", order_id="o", value=5, currency="PLN", channel="offline"), OrderRow)
    assert of_site(ORDER, "purchase", order_id="o", value=5, currency="PLN", channel="offline").offline
    assert isinstance(of_site(MESSAGE, "message_bounced", channel="sms"), MessageRow)
    removed = {"event_id": "p", "type": "product_removed", "site_id": "s", "occurred_at": NOW, "item_id": "a"}
    product = route(removed, CATALOG)
    assert isinstance(product, ProductRow)
    assert product.stock == 0


def test_unsubscribing_is_a_word_on_marketing_by_that_channel_or_by_all() -> None:
    for channel, row in ((None, ""), ("email", "email")):
        said = of_site(CUSTOMER, "unsubscribe", **({"channel": channel} if channel else {}))
        assert isinstance(said, ConsentRow)
        assert (said.purpose, said.channel, said.granted) == ("marketing_message", row, False)


def test_labels_are_cut() -> None:
    routed = route(but(items=[ITEM | {"item_category": "c" * 200, "item_brand": "b" * 200}]))
    assert [len(label) for label in (routed.event.lines[0].category, routed.event.lines[0].brand)] == [MAX_LABEL] * 2
