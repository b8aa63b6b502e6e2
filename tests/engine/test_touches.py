"""What the engine hands over of a touched product, and what a personalization then suggests. Times are minutes."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.config.policy import PermissionPolicy
from pipeline.engine.batch import Batch
from pipeline.events.customer import Basis, Purpose
from pipeline.log.rows import CartOp, Click, ClickKind, ConsentRow
from pipeline.next_item.touch import MAX_BEFORE, Touch, decode_touches, encode_touch, encode_touches
from pipeline.profile.tastes import MAX_ITEMS
from pipeline.triggers.contract import Kind, Suggestion, Why
from tests.engine.shop import ANN, Shop, add, at, cart, click, identity, line, order, product, site_policy

ONSITE = PermissionPolicy(without_record=dict.fromkeys(Purpose, Basis.LEGITIMATE_INTEREST))


class TouchedShop(Shop):
    """A shop whose touches are kept."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.touches: list[Touch] = []
        super().__init__(*args, **more)

    def commit(self) -> Batch:
        batch = super().commit()
        self.touches += decode_touches(encode_touches(batch.touches))
        return batch


class SuggestingShop(Shop):
    """A shop whose personalizations suggest, of what is given, all that may be shown."""

    def __init__(self, *items: str) -> None:
        self.items = items
        self.asked: list[list[str]] = []
        super().__init__(site_policy(permission=ONSITE), kind=Kind.PERSONALIZATION, suggest=self.allowed)

    def allowed(self, site: str, recent: dict[str, int], may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
        assert site == "s"
        self.asked.append(list(recent))
        return tuple(Suggestion(item, Why.ALL) for item in self.items if may(item))


def view(minute: float, sku: str, category: str = "shoes") -> Click:
    return click(minute, kind=int(ClickKind.VIEW_ITEM), lines=(line(sku, 1, 1_000, category),))


# -- touches


def test_a_touch_tells_the_product_after_those_of_the_visit_the_last_first() -> None:
    shop = TouchedShop()
    shop.tell(view(0, "a"), view(1, "b"), add(2, "c", category="socks"), view(3, "a"))
    assert shop.touches == [
        Touch("s", "a", "shoes", (), new=True),
        Touch("s", "b", "shoes", ("a",), new=True),
        Touch("s", "c", "socks", ("b", "a"), new=True),
        Touch("s", "a", "shoes", ("c", "b"), new=False),
    ]


def test_what_was_touched_in_an_earlier_visit_is_not_before_it() -> None:
    shop = TouchedShop()
    shop.tell(view(0, "a"), view(1, "b"), view(40, "c"), view(41, "d"))
    assert [touch.before for touch in shop.touches] == [(), ("a",), (), ("c",)]


def test_of_a_long_visit_each_product_stands_before_the_next_one() -> None:
    shop = TouchedShop()
    shop.tell(*[view(minute, f"item-{minute}") for minute in range(60)])
    assert [touch.before[:1] for touch in shop.touches[1:]] == [(f"item-{n}",) for n in range(59)]


def test_no_more_stands_before_a_touch_than_the_format_says() -> None:
    shop = TouchedShop()
    shop.tell(*[view(minute, f"item-{minute}") for minute in range(12)])
    last = shop.touches[-1].before
    assert last[:3] == ("item-10", "item-9", "item-8")
    assert len(last) <= MAX_BEFORE


def test_of_the_products_of_one_event_the_later_stands_after_the_earlier() -> None:
    shop = TouchedShop()
    shop.tell(view(0, "a"), cart(1, CartOp.ADD, line("b"), line("c")))
    assert [(touch.item, touch.before) for touch in shop.touches] == [("a", ()), ("b", ("a",)), ("c", ("b", "a"))]


def test_a_product_that_an_event_names_twice_is_touched_once() -> None:
    shop = TouchedShop()
    shop.tell(cart(1, CartOp.ADD, line("a"), line("b"), line("a")))
    assert sorted((touch.item, touch.before, touch.new) for touch in shop.touches) == [
        ("a", ("b",), True),
        ("b", (), True),
    ]


def test_an_event_of_many_products_pairs_no_two_of_them_twice() -> None:
    shop = TouchedShop()
    shop.tell(cart(1, CartOp.ADD, *[line(f"item-{n}") for n in range(20)]))
    pairs = [frozenset((touch.item, other)) for touch in shop.touches for other in touch.before]
    assert len(pairs) == len(set(pairs)) > 20


def test_what_a_person_has_touched_before_is_not_new_to_them_in_a_later_visit() -> None:
    shop = TouchedShop()
    shop.tell(view(0, "a"), view(1, "b"), view(60, "a"), add(61, "b"), view(62, "c"))
    assert [touch.new for touch in shop.touches] == [True, True, False, False, True]


def test_what_was_bought_is_not_new_to_who_looks_at_it_again() -> None:
    shop = TouchedShop()
    shop.tell(view(0, "boots"), order(1, "boots"), view(2, "boots"), view(3, "laces"))
    assert [(touch.item, touch.new) for touch in shop.touches] == [("boots", True), ("boots", False), ("laces", True)]


def test_who_looks_at_much_else_in_between_is_not_remembered() -> None:
    shop = TouchedShop()
    others = [view(minute, f"item-{minute}") for minute in range(1, MAX_ITEMS + 1)]
    shop.tell(view(0, "a"), *others, view(50, "item-10"), view(60, "a"))
    assert [touch.new for touch in shop.touches] == [True] * (1 + MAX_ITEMS) + [False, True]


def test_a_category_that_the_event_does_not_say_is_that_of_the_catalogue() -> None:
    shop = TouchedShop()
    shop.broadcast(replace(product("a"), category="boots"))
    shop.tell(view(0, "a", ""), view(1, "b", ""))
    assert [touch.category for touch in shop.touches] == ["boots", ""]


def test_a_touch_names_neither_the_person_nor_an_event() -> None:
    shop = TouchedShop()
    events = [view(0, "a"), view(1, "b")]
    shop.tell(*events)
    record = encode_touches([encode_touch(touch) for touch in shop.touches])
    assert shop.touches
    assert all(name not in record for name in (b"ann", ANN.encode(), *[event.id.encode() for event in events]))


@pytest.mark.parametrize("minute", [0, 5])
def test_who_objects_to_a_profile_hands_over_nothing_from_then_on(minute: float) -> None:
    shop = TouchedShop()
    shop.tell(view(-2, "a"), ConsentRow(identity(None), at(minute), "profile", "", granted=False, basis="consent"))
    before = len(shop.touches)
    assert before == 1
    shop.tell(view(minute + 1, "b"))
    assert len(shop.touches) == before


def test_an_event_that_is_not_used_hands_over_nothing() -> None:
    shop = TouchedShop()
    seen = view(0, "a")
    shop.tell(seen, seen)
    assert len(shop.touches) == 1
    assert shop.discarded["duplicate"] == 1


# -- suggestions


def test_a_personalization_suggests_and_its_decision_says_the_same() -> None:
    shop = SuggestingShop("x", "y")
    shop.tell(view(0, "a"), view(1, "b"))
    (trigger,) = shop.triggers()
    (decision,) = shop.decisions()
    wanted = [{"item_id": "x", "why": "all"}, {"item_id": "y", "why": "all"}]
    assert trigger["data"]["suggestions"] == decision["suggestions"] == wanted
    assert shop.asked == [["a", "b"]]


def test_what_is_out_of_stock_restricted_or_in_the_cart_is_not_suggested() -> None:
    shop = SuggestingShop("gone", "adult", "carted", "new")
    shop.broadcast(product("gone", stock=0))
    shop.broadcast(product("adult", restricted=True))
    shop.tell(view(0, "a"), add(1, "carted"))
    (trigger,) = shop.triggers()
    assert [one["item_id"] for one in trigger["data"]["suggestions"]] == ["new"]


def test_what_was_bought_is_not_suggested_until_it_is_looked_at_again() -> None:
    shop = SuggestingShop("boots", "laces")
    shop.tell(view(0, "a"), order(1, "boots"), view(2, "b"), view(3, "boots"))
    suggested = [[one["item_id"] for one in trigger["data"]["suggestions"]] for trigger in shop.triggers()]
    assert suggested[0] == suggested[1] == ["laces"]
    assert suggested[-1] == ["boots", "laces"]


def test_nobody_asks_where_nothing_is_shown() -> None:
    shop = SuggestingShop("x")
    shop.tell(view(0, "a"), view(1, "a"), view(1.01, "b"), order(20))
    assert len(shop.asked) == len(shop.triggers())


def test_suggestions_change_no_state() -> None:
    events = [view(0, "a"), view(1, "b"), view(3, "c"), add(4, "c"), view(9, "d")]
    with_tables, without = SuggestingShop("x", "y"), SuggestingShop()
    for shop in (with_tables, without):
        shop.tell(*events)
    assert with_tables.triggers()
    assert with_tables.store == without.store
