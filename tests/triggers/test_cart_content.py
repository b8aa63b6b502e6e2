"""What is in a cart after a change."""

from random import Random

from pipeline.log.rows import CartOp
from pipeline.state.cart import (
    CART_CHANGE,
    MAX_LINES,
    PURCHASE,
    PURCHASE_CLOSE,
    PURCHASE_KEEP,
    Cart,
    CartChange,
    CartLine,
)
from pipeline.triggers import cart_content as content


def line(sku: str, quantity: int = 1, price: int = 100, touched: int = 0, **more: bool) -> CartLine:
    return CartLine(sku, quantity, price, "EUR" if price >= 0 else "", max(price, 0), "", "", touched, **more)


def after(lines: list[CartLine], op: int, *changed: CartLine, at: int = 5) -> dict[str, tuple[int, int]]:
    rank = PURCHASE if op in (PURCHASE_CLOSE, PURCHASE_KEEP) else CART_CHANGE
    got = content.after(tuple(lines), CartChange(at, rank, 0, "x", op, changed))
    return {one.sku: (one.quantity, one.price) for one in got}


def test_adding_adds_up() -> None:
    assert after([line("a", 2)], CartOp.ADD, line("a", 3), line("b")) == {"a": (5, 100), "b": (1, 100)}


def test_the_last_price_that_was_named_stays() -> None:
    assert after([line("a", 1, 100)], CartOp.ADD, line("a", 1, 70)) == {"a": (2, 70)}
    assert after([line("a", 1, 100)], CartOp.ADD, line("a", 1, -1)) == {"a": (2, 100)}
    assert after([line("a", 1, 100)], CartOp.ADD, line("a", 0, 70)) == {"a": (1, 70)}


def test_nothing_added_is_nothing() -> None:
    assert after([], CartOp.ADD, line("a", 0)) == {}


def test_a_remove_stops_at_nothing() -> None:
    assert after([line("a", 2)], CartOp.REMOVE, line("a", 1)) == {"a": (1, 100)}
    assert after([line("a", 2)], CartOp.REMOVE, line("a", 7)) == {}
    assert after([line("a", 2)], CartOp.REMOVE, line("b", 1)) == {"a": (2, 100)}


def test_an_update_says_how_many_there_are() -> None:
    assert after([line("a", 2), line("b")], CartOp.SET, line("a", 5), line("b", 0)) == {"a": (5, 100)}


def test_a_snapshot_is_all_there_is() -> None:
    assert after([line("a", 2), line("b")], CartOp.SNAPSHOT, line("b", 4, -1), line("c", 0)) == {"b": (4, 100)}


def test_clearing_and_buying_take_everything() -> None:
    assert after([line("a")], CartOp.CLEAR) == {}
    assert after([line("a"), line("b")], PURCHASE_CLOSE) == {}


def test_an_order_that_keeps_the_rest_leaves_it_dormant() -> None:
    left = content.after((line("a"), line("b")), CartChange(5, PURCHASE, 0, "o", PURCHASE_KEEP, (line("a"),)))
    assert [(one.sku, one.dormant) for one in left] == [("b", True)]
    assert content.active(left) == ()


def test_a_snapshot_that_repeats_a_dormant_line_does_not_touch_it() -> None:
    dormant = line("b", 2, dormant=True)
    same = content.after((dormant,), CartChange(9, 0, 0, "s", CartOp.SNAPSHOT, (line("b", 2),)))
    more = content.after((dormant,), CartChange(9, 0, 0, "s", CartOp.SNAPSHOT, (line("b", 3),)))
    assert same == (dormant,)
    assert not more[0].dormant


def test_of_too_many_lines_those_touched_last_stay() -> None:
    lines = [line(f"{n:03d}", touched=n) for n in range(MAX_LINES)]
    got = after(lines, CartOp.ADD, line("new"), at=99)
    assert len(got) == MAX_LINES
    assert "000" not in got
    assert "new" in got


def test_the_dearest_line_gives_the_category_and_ties_go_by_sku() -> None:
    def of(sku: str, worth: int, quantity: int, category: str) -> CartLine:
        return CartLine(sku, quantity, worth, "EUR", worth, category, "", 0)

    assert content.dearest_category([of("b", 5, 3, "many"), of("a", 9, 1, "dear")]) == "many"
    assert content.dearest_category([of("b", 5, 1, "second"), of("a", 5, 1, "first")]) == "first"
    assert content.dearest_category([]) == ""


def some_lines(random: Random) -> tuple[CartLine, ...]:
    skus = random.sample("abc", random.randint(0, 2))
    return tuple(line(sku, random.choice((0, 1, 1, 2))) for sku in skus)


def test_whether_a_cart_has_content_is_told_without_working_it_out() -> None:
    ops, seen = [*CartOp, CartOp.ADD, PURCHASE_CLOSE, PURCHASE_KEEP], set()
    for seed in range(3_000):
        random = Random(seed)
        changes = tuple(
            CartChange(at, CART_CHANGE, 0, "e", int(random.choice(ops)), some_lines(random))
            for at in range(random.randint(0, 5))
        )
        settled = tuple(line(sku, dormant=random.random() < 0.3) for sku in random.sample("abc", random.randint(0, 2)))
        cart = Cart(lines=settled, pending=changes)
        left = cart.lines
        for change in changes:
            left = content.after(left, change)
        assert content.filled(cart) is bool(content.active(left)), seed
        seen.add(content.filled(cart))
    assert seen == {False, True}
    assert not content.filled(None)
