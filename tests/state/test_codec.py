"""Stored values come back as they were, and folding goes on from them as if they had never been stored."""

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine.fold import fold, settle
from pipeline.heads import cart, intent, reorder
from pipeline.heads.count import Memory as Count
from pipeline.heads.count import ordered as counted
from pipeline.policy import permission
from pipeline.scoring.hazard import DAY, MINUTE
from pipeline.state import recent
from pipeline.state.codec import StateError, decode_customer, encode_customer, next_due_of
from pipeline.state.customer import Customer, Recent
from pipeline.state.heads import Heads, OfOrders, encode_orders, of_orders, orders_label
from pipeline.state.orders import Orders
from pipeline.state.wake import due_of
from pipeline.triggers.site_now import SiteNow
from tests.engine import shop

SITE = SiteNow(0, False, shop.site_policy(steps=(30, 60), min_value=500), lambda: False, lambda _: None)
MODES = [0, 0, 1, 2]
CLICKS, HEADS = (Customer.__struct_fields__.index(name) - 1 for name in ("clicks", "heads"))
"""Their places up to format 4, before there was a second time at the front."""
OPEN, STEP = map(cart.Memory.__struct_fields__.index, ("open", "step"))


def events(random: Random) -> list[object]:
    """Some events and some passing of time, of one person."""
    told: list[object] = []
    for number in range(random.randint(1, 40)):
        minute, name = random.randint(0, 40) * 10, f"e{number}"
        told.append(
            random.choice(
                [
                    lambda m=minute, n=name: shop.add(m, random.choice("abc"), event_id=n, device="mobile"),
                    lambda m=minute, n=name: shop.remove(m, random.choice("abc"), event_id=n),
                    lambda m=minute, n=name: shop.snapshot(m, *random.sample("abc", 2), event_id=n),
                    lambda m=minute, n=name: shop.clear(m, event_id=n, consent=random.choice(MODES)),
                    lambda m=minute, n=name: shop.click(m, event_id=n, consent=random.choice(MODES), locale="pl"),
                    lambda m=minute, n=name: shop.order(m, "a", event_id=n, offline=random.random() < 0.5),
                    lambda m=minute, _n=name: shop.word(m, random.random() < 0.7, random.choice(["", "email"])),
                    lambda m=minute, _n=name: shop.at(m),
                ]
            )()
        )
    return told


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_folding_goes_on_from_a_stored_value_as_from_the_value_itself(seed: int) -> None:
    random, person = Random(seed), Random(seed).choice(["s|a|v", "s|c|c"])
    kept, stored = Customer(), encode_customer(Customer())
    site = SITE
    for event in events(random):
        opened = decode_customer(stored)
        assert opened == kept
        if isinstance(event, int):
            site.clock = max(site.clock, event)
            assert settle(opened, person, site) == settle(kept, person, site)
        else:
            assert fold(opened, person, event, site) == fold(kept, person, event, site)  # type: ignore[arg-type]
        stored = encode_customer(opened)
        assert stored == encode_customer(kept)
        assert next_due_of(stored) == due_of(kept)


def _before_5(customer: Customer) -> list[Any]:
    """The fields of a customer in the order of format 4."""
    due, _, *rest = msgspec.to_builtins(customer, builtin_types=(bytes,))
    return [due, *rest]


def test_a_value_of_another_format_is_refused() -> None:
    value = b"\x63" + encode_customer(Customer())[1:]
    for read in (decode_customer, next_due_of):
        with pytest.raises(StateError, match="format 99"):
            read(value)


def test_a_customer_of_the_format_before_order_facts_is_read_with_what_it_knew() -> None:
    fields = [9, 5, 0, 4, 0, 0, "mobile", "pl", 0, "web", {}, [], [b"", 0, 0], [b"", 0, 0], b"12345abcde", {}, None]
    value = b"\x01" + msgspec.msgpack.encode(fields)
    customer = decode_customer(value)
    assert (customer.next_due, customer.ordered, customer.device) == (9, 4, "mobile")
    assert customer.orders == Orders(marks=b"12345abcde")
    assert next_due_of(value) == 9


def test_a_customer_of_the_format_before_blocks_of_ids_is_read_with_its_ids_and_without_heads() -> None:
    fields = _before_5(Customer(next_due=9, ordered=4))[:-1]
    fields[CLICKS] = [recent.digest("e1") + b"\0\0\x07", 7_000, 3]
    value = b"\x02" + msgspec.msgpack.encode(fields)
    customer = decode_customer(value)
    assert (customer.next_due, customer.ordered, next_due_of(value)) == (9, 4, 9)
    assert customer.clicks == Recent(recent.digest("e1"), 7_000, 3)
    assert customer.heads is None


def ordered(times: int) -> OfOrders:
    """What the heads remember of somebody who has ordered so many times."""
    known, counts = reorder.Memory(), Count()
    for number in range(1, times + 1):
        before, at = known, number * 20 * DAY
        known = reorder.ordered(known, f"o{number}", at, at + DAY, 900, 2)
        counts = counted(counts, before, known, at)
    return OfOrders(known, ((20 * DAY, 90 * DAY),), counts)


def test_a_customer_of_the_format_with_one_time_to_be_woken_is_read_with_all_that_the_heads_know() -> None:
    known, visit = ordered(3), intent.viewed(intent.Memory(), MINUTE, "tent")
    visit = intent.predicted(intent.predicted(visit, "e1", MINUTE, -1.5, 3), "e2", MINUTE, None, 0)
    touched = cart.viewed(cart.carted(cart.Memory(), MINUTE, "e1", "tent"), 5 * MINUTE, "tent")
    customer = Customer(next_due=9, ordered=4, heads=Heads(visit, touched, encode_orders(known)))
    fields = _before_5(customer)
    fields[HEADS][1][OPEN + 1] = msgspec.msgpack.encode(cart.waiting_of(touched))
    fields[HEADS][0][-1] = msgspec.msgpack.encode(intent.pending_of(visit))
    fields[HEADS][2] = msgspec.msgpack.encode(known)
    value = b"\x04" + msgspec.msgpack.encode(fields)
    read = decode_customer(value)
    assert read == customer
    assert len(intent.pending_of(read.heads.intent)) == len(cart.waiting_of(read.heads.cart)) == 2
    assert intent.session_label(read.heads.intent) == MINUTE + intent.GAP
    assert of_orders(read.heads) == known
    assert orders_label(read.heads.orders) == reorder.next_label(known.reorder) > 0
    assert next_due_of(value) == 9


def test_a_customer_is_woken_at_the_earlier_of_its_two_times() -> None:
    for next_due, session_due, due in ((7, 9, 7), (9, 7, 7), (0, 7, 7), (7, 0, 7), (0, 0, 0)):
        assert next_due_of(encode_customer(Customer(next_due, session_due))) == due


def test_a_customer_of_the_format_before_encoded_sections_is_read_with_all_that_the_heads_know() -> None:
    visit, touched = intent.viewed(intent.Memory(), MINUTE, "tent"), cart.carted(cart.Memory(), MINUTE, "e1", "tent")
    visit = intent.predicted(intent.predicted(visit, "e1", MINUTE, -1.5, 3), "e2", MINUTE, None, 0)
    touched = cart.served(cart.viewed(touched, 5 * MINUTE, "tent"), -2.0, 4)
    known = ordered(3)
    customer = Customer(next_due=9, heads=Heads(visit, touched, encode_orders(known)))
    fields = _before_5(customer)
    of_intent, of_cart, _ = fields[HEADS]
    of_intent[-1] = intent.pending_of(visit)
    of_cart[OPEN : OPEN + 2] = cart.open_of(touched), cart.waiting_of(touched)
    value = b"\x03" + msgspec.msgpack.encode(
        [*fields[:HEADS], [of_intent, of_cart[:STEP], *msgspec.to_builtins(known)]]
    )
    assert (len(known.reorder.pending), len(known.count.starts)) == (3, 2)
    assert (len(intent.pending_of(visit)), len(cart.waiting_of(touched)), cart.open_of(touched).bin) == (2, 2, 2)
    assert decode_customer(value) == customer
    assert next_due_of(value) == 9


def test_a_customer_of_that_format_without_some_of_it_is_read_as_it_is() -> None:
    once = ordered(1)
    customer = Customer(heads=Heads(intent.Memory(last=5), cart.Memory(seen=5), encode_orders(once)))
    fields = _before_5(customer)
    of_intent, of_cart, _ = fields[HEADS]
    of_intent[-1], of_cart[OPEN : OPEN + 2] = [], [None, []]
    bought, due, counts = msgspec.to_builtins(once)
    for heads, known in (
        ([of_intent, of_cart[:STEP], bought, due, counts], customer.heads),
        ([None, None, bought, due], Heads(orders=encode_orders(OfOrders(once.reorder, once.due)))),
        ([None, None, bought, [], None], Heads(orders=encode_orders(OfOrders(once.reorder)))),
        ([None, None, None, [], None], Heads()),
        (None, None),
    ):
        fields[HEADS] = heads
        assert decode_customer(b"\x03" + msgspec.msgpack.encode(fields)).heads == known


def test_what_no_release_wrote_is_said_to_be_unreadable() -> None:
    for junk in (b"\x04\xc1", b"\x04" + msgspec.msgpack.encode(["no time"]), b"\x03\xc1"):
        with pytest.raises(StateError, match="cannot be read"):
            decode_customer(junk)


def test_the_head_is_read_alone() -> None:
    assert next_due_of(encode_customer(Customer(next_due=77))) == 77


def test_an_empty_customer_is_small() -> None:
    assert len(encode_customer(Customer())) <= 40


def test_values_are_equal_whatever_enums_they_were_made_of() -> None:
    grants = permission.record({}, "collect", "", granted=True, basis="consent", at=1, settled=0)
    enums = permission.record({}, shop.word(0, True).purpose, "", granted=True, basis="consent", at=1, settled=0)
    assert decode_customer(encode_customer(Customer(grants=grants))).grants == grants
    assert decode_customer(encode_customer(Customer(grants=enums))).grants == enums
