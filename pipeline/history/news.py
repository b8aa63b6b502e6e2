"""News of past orders as events. Their ids follow from what they tell, so that the same news told twice is one."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from pipeline.events.envelope import Item
from pipeline.events.order import OrderCancelled, OrderRefunded, Purchase
from pipeline.history.amounts import MOST, UnreadableError
from pipeline.history.tally import Tally

News = Purchase | OrderCancelled | OrderRefunded


class Told(NamedTuple):
    """News, and the numbers of the lines that it was read from."""

    news: News
    lines: Sequence[int]


MAX_ITEMS = 100
"""Lines that an order event may hold."""

MAX_LABEL = 64
"""Characters of a category or brand; ingest keeps no more."""


def news_id(site: str, what: str, *names: object) -> str:
    """Id of the event that tells `what` of the things named."""
    return blake2b("\x1f".join((site, what, *map(str, names))).encode(), digest_size=16, person=b"history").hexdigest()


def value_of(items: Sequence[Item]) -> int:
    """Sum of an order's lines, minor units. Raises UnreadableError where no event can say it."""
    value = sum((item.price or 0) * item.quantity for item in items)
    if value > MOST:
        raise UnreadableError("the order is worth too much")
    return value


def shown(items: list[Item], tally: Tally) -> list[Item]:
    """The lines that the event of an order can hold: those of the greatest amounts, in their order."""
    if len(items) <= MAX_ITEMS:
        return items
    tally.cut += len(items) - MAX_ITEMS
    dearest = sorted(range(len(items)), key=lambda i: -(items[i].price or 0) * items[i].quantity)[:MAX_ITEMS]
    return [items[i] for i in sorted(dearest)]


def label(text: str) -> str | None:
    """A category or brand, None where there is none."""
    return text[:MAX_LABEL] or None
