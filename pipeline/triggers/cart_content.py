"""What is in a cart after a change: pure arithmetic over lines, the same for settled and for expected content."""

from collections.abc import Iterable
from typing import Final

from pipeline.config.policy import SitePolicy
from pipeline.log.rejects import RefusedError, RejectReason
from pipeline.log.rows import CartOp, CartRow, Line
from pipeline.profile.money import MOST, in_base_currency
from pipeline.state.cart import (
    MAX_LINES,
    PURCHASE_CLOSE,
    PURCHASE_KEEP,
    Cart,
    CartChange,
    CartLine,
)

Lines = tuple[CartLine, ...]

Content = dict[str, CartLine]
"""Lines by sku, in their order."""

SHRINKING: Final = frozenset(map(int, (CartOp.REMOVE, CartOp.SET, CartOp.CLEAR, CartOp.SNAPSHOT)))
"""Ops that may leave a cart empty."""

_ADD: Final = int(CartOp.ADD)
_REMOVE: Final = int(CartOp.REMOVE)
_SET: Final = int(CartOp.SET)
_CLEAR: Final = int(CartOp.CLEAR)
_SNAPSHOT: Final = int(CartOp.SNAPSHOT)
_FILLING: Final = frozenset({_ADD, _SET})
_EMPTYING: Final = frozenset({_CLEAR, PURCHASE_CLOSE})
_REPLACING: Final = _EMPTYING | {_SNAPSHOT, PURCHASE_KEEP}


def priced(event: CartRow, policy: SitePolicy) -> Lines:
    """The lines of a change. Raises RefusedError where the policy has no rate for its currency."""
    at, currency = event.at, event.currency
    return tuple(
        [
            CartLine(
                line.sku,
                line.quantity,
                line.price,
                currency,
                _in_base(line, currency, policy),
                line.category,
                line.brand,
                at,
            )
            for line in event.lines
        ]
    )


def _in_base(line: Line, currency: str, policy: SitePolicy) -> int:
    """A price in minor units of the site's base currency."""
    price = in_base_currency(max(line.price, 0), currency, policy)
    if price is None:
        raise RefusedError(
            RejectReason.UNKNOWN_CURRENCY, f"the policy has no rate for {currency}: add it to the site's rates"
        )
    return price


def after(lines: Lines, change: CartChange) -> Lines:
    """The lines after a change. A remove stops at nothing; a snapshot or a `set` says exactly what there is."""
    return tuple(_change({line.sku: line for line in lines}, change).values())


def keep_rest(lines: Lines, purchase: CartChange) -> Lines:
    """What an order leaves where the policy keeps the rest: unbought lines, dormant until they are touched."""
    return tuple(_keep_rest({line.sku: line for line in lines}, purchase).values())


def active(lines: Iterable[CartLine]) -> Lines:
    """The lines that count for an abandonment: all but what an order left over."""
    return tuple(line for line in lines if not line.dormant)


def filled(cart: Cart | None) -> bool:
    """Whether a cart has content as the person left it: with the changes that the clock has not passed.

    Mostly it shows without working the content out: something was put in that nothing touched since.
    """
    if cart is None:
        return False
    if not cart.pending:
        return any(not line.dormant for line in cart.lines)
    newest = cart.pending[-1]
    if newest.op == _ADD and newest.lines and newest.lines[0].quantity > 0:
        return True
    touched: set[str] = set()
    for change in reversed(cart.pending):
        op = change.op
        if (op in _FILLING or (op == _SNAPSHOT and not _left_over(cart))) and any(
            line.quantity > 0 and line.sku not in touched for line in change.lines
        ):
            return True
        if op in _REPLACING:
            if not touched and op in _EMPTYING:
                return False
            break
        touched.update(line.sku for line in change.lines)
    else:
        if any(not line.dormant and line.sku not in touched for line in cart.lines):
            return True
    return any(not line.dormant for line in present(cart))


def present(cart: Cart | None) -> Lines:
    """What is in a cart as the person left it: with the changes that the clock has not passed."""
    if cart is None or not cart.pending:
        return () if cart is None else cart.lines
    content = {line.sku: line for line in cart.lines}
    for change in cart.pending:
        content = _change(content, change)
    return tuple(content.values())


def _left_over(cart: Cart) -> bool:
    """Whether there may be lines that an order left: a snapshot that repeats them is no touch."""
    return any(line.dormant for line in cart.lines) or any(c.op == PURCHASE_KEEP for c in cart.pending)


def worth(lines: Iterable[CartLine]) -> int:
    """Value in minor units of the site's base currency, MOST at most; lines without a price count nothing."""
    return min(sum(line.worth * line.quantity for line in lines), MOST)


def dearest_category(lines: Iterable[CartLine]) -> str:
    """Category of the line that is worth most; the first of them by sku where two are worth the same."""
    best = min(lines, key=lambda line: (-line.worth * line.quantity, line.sku), default=None)
    return best.category if best is not None else ""


def _change(content: Content, change: CartChange) -> Content:
    """The content after a change, of what may be changed in place."""
    op = change.op
    if op == _ADD:
        return _add(content, change)
    if op == _REMOVE:
        return _remove(content, change)
    if op == _SET:
        return _set(content, change)
    if op == _SNAPSHOT:
        return _snapshot(content, change)
    if op in _EMPTYING:
        return {}
    if op == PURCHASE_KEEP:
        return _keep_rest(content, change)
    return content


def _keep_rest(content: Content, purchase: CartChange) -> Content:
    bought = {line.sku for line in purchase.lines}
    return {
        sku: _copy(line, line.quantity, line, line.touched, dormant=True)
        for sku, line in content.items()
        if sku not in bought
    }


def _add(content: Content, change: CartChange) -> Content:
    for new in change.lines:
        old = content.get(new.sku)
        if new.quantity <= 0 and old is None:
            continue
        content[new.sku] = _priced(new, old, new.quantity + (0 if old is None else old.quantity), change.at)
    return _bounded(content)


def _remove(content: Content, change: CartChange) -> Content:
    for gone in change.lines:
        old = content.get(gone.sku)
        if old is None:
            continue
        if old.quantity > gone.quantity:
            content[old.sku] = _copy(old, old.quantity - gone.quantity, old, change.at, dormant=False)
        else:
            del content[old.sku]
    return content


def _set(content: Content, change: CartChange) -> Content:
    for new in change.lines:
        if new.quantity > 0:
            content[new.sku] = _priced(new, content.get(new.sku), new.quantity, change.at)
        else:
            content.pop(new.sku, None)
    return _bounded(content)


def _snapshot(before: Content, change: CartChange) -> Content:
    content: Content = {}
    for new in change.lines:
        if new.quantity <= 0:
            continue
        old = before.get(new.sku)
        if old is not None and old.dormant and old.quantity == new.quantity:
            content[new.sku] = old  # a snapshot only repeats what an order left: that is no touch
        else:
            content[new.sku] = _priced(new, old, new.quantity, change.at)
    return _bounded(content)


def _priced(new: CartLine, old: CartLine | None, quantity: int, touched: int) -> CartLine:
    price_of = new if old is None or new.price >= 0 else old
    return _copy(new, quantity, price_of, touched, dormant=False)


def _copy(line: CartLine, quantity: int, price_of: CartLine, touched: int, *, dormant: bool) -> CartLine:
    return CartLine(
        line.sku,
        quantity,
        price_of.price,
        price_of.currency,
        price_of.worth,
        line.category or price_of.category,
        line.brand or price_of.brand,
        touched,
        dormant,
    )


def _bounded(content: Content) -> Content:
    """At most MAX_LINES: the lines touched longest ago go first, ties by sku."""
    if len(content) > MAX_LINES:
        newest = sorted(content.values(), key=lambda line: (-line.touched, line.sku))[:MAX_LINES]
        return {sku: line for sku, line in content.items() if line in newest}
    return content
