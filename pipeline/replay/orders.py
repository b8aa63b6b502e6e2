"""Purchases gathered into orders: a log has a line an item, a shop has an order with items."""

from collections.abc import Iterable

from pipeline.events.envelope import Item
from pipeline.replay.rows import Action, Row

MAX_LINES = 100
"""Lines that an order event may hold; what is more goes into a further order."""


def group_orders(rows: Iterable[Row], gap_ms: int) -> dict[int, list[Row]]:
    """Group purchases into orders, by the line number of the last purchase of each.

    `rows` are in time order. Two purchases are of one order where user and `Row.order` are equal and the second
    comes at most `gap_ms` after the one before.
    """
    latest: dict[tuple[str, str], list[Row]] = {}
    orders: list[list[Row]] = []
    for row in rows:
        if row.action is not Action.BUY:
            continue
        order = latest.get((row.user, row.order))
        if order is None or row.at_ms - order[-1].at_ms > gap_ms or len(order) >= MAX_LINES:
            order = latest[row.user, row.order] = []
            orders.append(order)
        order.append(row)
    return {order[-1].line: order for order in orders}


def line_item(row: Row) -> Item:
    """The row's item, once."""
    return Item(item_id=row.item, item_category=row.category, item_brand=row.brand, price=row.price)


def order_items(rows: Iterable[Row]) -> list[Item]:
    """The items of an order; what was bought again at the same price is counted up."""
    items: dict[tuple[str, int | None], Item] = {}
    for row in rows:
        held = items.get((row.item, row.price))
        if held is None:
            items[row.item, row.price] = line_item(row)
        else:
            held.quantity += 1
    return list(items.values())
