"""A record at a glance: one line that holds what matters, whoever wrote it and however long it is."""

import msgspec
import pytest
from msgspec.structs import replace

from pipeline.explain.glance import decision_line, reject_line, trigger_line
from pipeline.log.rejects import encode as encode_reject
from pipeline.schemas import examples
from pipeline.triggers.contract import Suggestion, Why, encode

WIDEST = 250


def test_a_trigger_says_when_what_who_why_where_and_until_when() -> None:
    assert " ".join(trigger_line(encode(examples.EMITTED)).split()) == (
        "2026-03-02 18:42:00 cart_abandoned 1 c-1042 at my-shop 1 x sku-boots-42 (119.90 EUR) silent email "
        "until 2026-03-05 18:42:00 learned cart 1.6%"
    )


def test_a_cancelled_trigger_says_why_and_whether_it_comes_too_late() -> None:
    assert "CANCELLED, but it was sent" in trigger_line(encode(examples.CANCELLED))
    in_time = replace(examples.CANCELLED, data=replace(examples.CANCELLED.data, after_send=False))
    assert "CANCELLED: do not send" in trigger_line(encode(in_time))
    assert "ordered" in trigger_line(encode(in_time))


def test_a_win_back_says_how_many_orders_are_to_be_expected() -> None:
    assert trigger_line(encode(examples.WON_BACK)).endswith(" count 0.31")


def test_a_personalization_says_what_the_person_may_look_at_next() -> None:
    assert trigger_line(encode(examples.SHOWN)).endswith(" next sku-boots-42, sku-insoles, sku-wax")


def test_words_that_this_release_does_not_know_are_shown_as_they_are() -> None:
    event = msgspec.to_builtins(examples.EMITTED)
    event["data"] |= {
        "kind": "price_drop",
        "reason": "cheaper",
        "action": "recommend",
        "more": [1],
        "moment": {"category": "shoes"},
    }
    shown = trigger_line(msgspec.json.encode(event))
    assert "price_drop 1" in shown
    assert "cheaper" in shown
    assert "recommend shoes: 1 x sku-boots-42" in shown


def test_a_line_is_bounded_and_commands_nothing_to_the_terminal() -> None:
    item = replace(examples.EMITTED.data.items[0], item_id="\x1b[2J" + "x" * 120)
    next_ones = (Suggestion("\x1b[2J" + "y" * 120, Why.ALL),) * 5
    data = replace(examples.EMITTED.data, customer_id="c" * 120, items=(item,) * 50, suggestions=next_ones)
    shown = trigger_line(encode(replace(examples.EMITTED, data=data)))
    assert len(shown) <= WIDEST
    assert "\x1b" not in shown
    assert "…" in shown


def test_a_decision_and_a_reject_say_why() -> None:
    assert decision_line(encode(examples.DECISION)).split()[2:5] == ["emitted", "cart_abandoned", "1"]
    shown = reject_line(encode_reject(examples.REJECT))
    assert "shop.clicks-0-311" in shown
    assert "no_person" in shown
    assert "replayed to offset 1,204" in reject_line(msgspec.json.encode(examples.REPLAYED))


@pytest.mark.parametrize("line", [trigger_line, decision_line, reject_line])
def test_what_is_no_record_raises(line: object) -> None:
    with pytest.raises(msgspec.MsgspecError):
        line(b"not json")  # type: ignore[operator]
