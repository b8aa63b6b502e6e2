"""A line of a file of events is judged as ingest judges its record, and told so that one can mend it."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.namespace import HISTORY, Mode
from pipeline.ingest.route import Router
from pipeline.log.rejects import RefusedError
from pipeline.quality.line import EventLine, example_for, read_line, read_lines
from pipeline.quality.types import HOME_TOPICS, TOPIC_TYPES
from pipeline.schemas.examples import EVENTS

NOW = int(datetime(2026, 3, 3, tzinfo=UTC).timestamp() * 1_000)
CART: dict[str, Any] = {
    "type": "add_to_cart",
    "event_id": "e-1",
    "site_id": "my-shop",
    "occurred_at": "2026-03-02T18:06:00Z",
    "customer_id": "c-1042",
    "currency": "EUR",
    "items": [{"item_id": "sku-boots-42", "price": 11_990}],
}


def line(event: Any) -> EventLine:
    text = event if isinstance(event, bytes) else json.dumps(event).encode()
    return read_line(1, text, NOW, lambda: "new-id")


def cart(**changes: Any) -> EventLine:
    return line({field: value for field, value in (CART | changes).items() if value is not ...})


def test_every_example_of_the_contract_is_valid_in_its_topic() -> None:
    later = NOW + 20 * 86_400_000
    for topic, events in EVENTS.items():
        for event in events:
            told = msgspec.to_builtins(event) | ({"topic": topic} if topic == HISTORY else {})
            judged = read_line(1, msgspec.json.encode(told), later, lambda: "unused")
            assert (judged.topic, judged.problem, judged.warnings) == (topic, None, ()), told


def test_a_type_has_one_topic_but_for_history_which_must_be_named() -> None:
    assert len(HOME_TOPICS) == sum(len(types) for topic, types in TOPIC_TYPES.items() if topic != HISTORY)
    assert HISTORY not in HOME_TOPICS.values()


@pytest.mark.parametrize(
    ("changes", "field", "expected", "got"),
    [
        ({"items": [{"item_id": "a", "price": "1"}]}, "$.items[0].price", "a whole number from 0", '"1" (text)'),
        ({"items": [{"item_id": "a", "price": 1.5}]}, "$.items[0].price", "Money in minor units", "1.5 (a fraction)"),
        ({"items": [{"price": 1}]}, "$.items[0].item_id", "text of 1 to 128 characters", "nothing"),
        ({"items": {}}, "$.items", "a list of 0 to 100 entries", "{} (an object)"),
        ({"event_id": ...}, "$.event_id", "text of 1 to 64 characters", "nothing"),
        ({"occurred_at": "2026-03-02T18:06:00"}, "$.occurred_at", "a time with its offset", "18:06:00"),
        ({"occurred_at": "2020-01-01T00:00:00Z"}, "$.occurred_at", "a time of the last 400 days", "2020-01-01"),
        ({"occurred_at": 1_772_474_760}, "$.occurred_at", "in milliseconds", "1772474760 (a whole number)"),
        ({"occurred_at": "2026-03-09T00:00:00Z"}, "$.occurred_at", "a time that has come", "2026-03-09"),
        ({"occurred_at": None}, "$.occurred_at", "a time with its offset", "null"),
        ({"currency": "eur"}, "$.currency", "in capitals", '"eur" (text)'),
        ({"site_id": "My Shop"}, "$.site_id", "1 to 32 of a-z", '"My Shop" (text)'),
        ({"customer_id": ...}, "$.customer_id", "customer_id or anonymous_id", "neither"),
        ({"anonymous_id_kind": "fingerprint"}, "$.anonymous_id_kind", "a cookie", "fingerprint"),
        ({"external_ids": {"a": 3}}, "$.external_ids[...]", "text of 1 to 128", "int"),
        ({"external_ids": {"a" * 40: "3"}}, "$.external_ids", "keys of str of length <= 32", "another key"),
        ({"context": {"consent": {"ad_storage": 1}}}, "$.context.consent.ad_storage", "denied, granted", "1 (a whole"),
        ({"context": {"device": "bot"}}, "$.context.device", "the device of a person", '"bot"'),
        ({"type": "add_to_kart"}, "$.type", "add_to_cart, perhaps", "add_to_kart"),
        ({"type": "AddToCart"}, "$.type", "add_to_cart, perhaps", "AddToCart"),
        ({"type": ...}, "$.type", "one of the types of the contract", "nothing"),
        ({"type": 3}, "$.type", "one of the types of the contract", "3 (a whole number)"),
        ({"topic": "shop.cart"}, "topic", "shop.carts, perhaps", "shop.cart"),
        ({"topic": "shop.orders"}, "topic", "shop.carts: events of type add_to_cart go there", "shop.orders"),
    ],
)
def test_what_is_wrong_is_told_by_field_expected_and_got(
    changes: dict[str, Any], field: str, expected: str, got: str
) -> None:
    problem = cart(**changes).problem
    assert problem is not None
    assert problem.field == field
    assert expected in problem.expected
    assert got in problem.got


@pytest.mark.parametrize("text", [b"{", b"\xff", b'{"a":1} x', b"[1]", b"[" * 100_000])
def test_what_is_no_json_object_is_told_so(text: bytes) -> None:
    problem = line(text).problem
    assert problem is not None
    assert problem.field == "$"


TEXT = st.text("ab|\0\x1b\ud800Ω", max_size=8)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
FIELDS = st.sampled_from([*CART, "topic", "context", "external_ids", "session_id", "test", "anonymous_id", "item_id"])


@settings(deadline=None)
@given(st.dictionaries(FIELDS, JSON | st.sampled_from(["shop.carts", "now", "-5m", "purchase", "\ud800"])))
def test_whatever_a_line_holds_it_is_judged_as_ingest_judges_it(changes: dict[str, Any]) -> None:
    judged = cart(**changes)
    assert (judged.problem is None) == _taken(judged)


@given(st.binary())
def test_bytes_of_any_kind_are_judged(text: bytes) -> None:
    assert line(text).problem is not None


def _taken(judged: EventLine) -> bool:
    if judged.topic is None:
        return False
    try:
        Router(judged.topic, Mode.LIVE)(judged.value, NOW)
    except RefusedError:
        return False
    return True


def test_who_it_is_is_never_told() -> None:
    long = "secret-" * 30
    for changes in ({"customer_id": long}, {"external_ids": {"loyalty_card": long}}, {"session_id": long}):
        problem = cart(**changes).problem
        assert problem is not None
        assert "secret" not in str(problem)
        assert "text of 1 to 128 characters" in problem.expected


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"occurred_at": ..., "ocurred_at": "2026-03-02T18:06:00Z"}, "$.ocurred_at is unknown, and ignored: did you"),
        ({"customer_id": ..., "customerId": "x"}, "did you mean customer_id?"),
        ({"customer_id": ..., "user_id": "x"}, "did you mean customer_id?"),
        ({"items": [{"item_id": "a", "qty": 2}]}, "$.items[0].qty is unknown, and ignored: did you mean quantity?"),
        ({"context": {"consent": {"ad_strage": "denied"}}}, "$.context.consent.ad_strage is unknown"),
        ({"test": True}, "$.test is true"),
    ],
)
def test_a_field_that_was_probably_meant_is_warned_of(changes: dict[str, Any], warning: str) -> None:
    assert any(warning in found for found in cart(**changes).warnings)


def test_fields_of_the_shop_s_own_are_no_matter() -> None:
    assert cart(warehouse="Gdansk", topic="gardening", user_id="also-known-as").warnings == ()


def test_a_relative_time_is_filled_in_with_an_id_so_that_it_can_be_sent_again() -> None:
    judged = cart(occurred_at="-5m", event_id=...)
    event = json.loads(judged.value)
    assert (event["occurred_at"], event["event_id"]) == ("2026-03-02T23:55:00.000Z", "new-id")
    assert judged.completed
    assert judged.problem is None
    kept = cart(occurred_at="now")
    assert json.loads(kept.value)["event_id"] == "e-1"
    assert cart(event_id=...).problem is not None


def test_the_topic_of_a_line_is_not_part_of_its_event() -> None:
    judged = cart(topic="shop.carts")
    assert judged.topic == "shop.carts"
    assert json.loads(judged.value) == CART


def test_one_person_has_one_key_and_a_product_its_own() -> None:
    assert cart().key == b"my-shop|c|c-1042"
    assert cart(customer_id=..., anonymous_id="v|1").key == b"my-shop|a|v%7C1"
    assert line(msgspec.to_builtins(EVENTS["shop.catalog"][0])).key == b"my-shop|sku-boots-42"


def test_an_id_that_comes_twice_is_warned_of_and_empty_lines_are_none() -> None:
    text = json.dumps(CART).encode()
    first, second = read_lines([text, b"\n", text], NOW, lambda: "unused")
    assert (first.number, first.warnings) == (1, ())
    assert second.number == 3
    assert "that of line 1" in second.warnings[0]


def test_the_example_is_of_the_type_or_of_the_one_that_was_meant() -> None:
    for judged in (cart(currency="eur"), cart(type="addtocart")):
        example = example_for(judged)
        assert example is not None
        Router("shop.carts", Mode.LIVE)(example.encode(), NOW)
        assert json.loads(example)["type"] == "add_to_cart"
    assert example_for(cart(type="weather")) is None


def test_a_type_that_is_said_twice_is_a_problem_of_the_type() -> None:
    judged = line(b'{"type":"add_to_cart","type":"purchase"}')
    assert judged.problem is not None
    assert judged.problem.field == "$.type"
