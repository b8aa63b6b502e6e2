"""Rows of a log as the events of our topics."""

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.events.cart import AddToCart, RemoveFromCart
from pipeline.events.click import AddToWishlist, ViewItem
from pipeline.events.order import Purchase
from pipeline.log.persons import customer_key
from pipeline.replay.orders import line_item, order_items
from pipeline.replay.rows import CURRENCY, Action, Row
from pipeline.simulator.happening import CARTS, CLICKS, ORDERS, Happening


def translate(site: str, rows: Iterable[Row], orders: dict[int, list[Row]]) -> Iterator[Happening]:
    """Yield an event a row, in the order of the rows; purchases become one event an order, at its last purchase.

    Event ids come from the line numbers. An order of items without prices has the value 0. `orders` is what
    `group_orders` gave for the rows.
    """
    for row in rows:
        if row.action is Action.BUY:
            if (bought := orders.get(row.line)) is not None:
                yield _order(site, row, bought)
        else:
            yield _happening(site, row)


def _happening(site: str, row: Row) -> Happening:
    envelope, items = _envelope(site, row), [line_item(row)]
    currency = None if row.price is None else CURRENCY
    key = customer_key(site, row.user)
    match row.action:
        case Action.ADD:
            return Happening(row.at_ms, CARTS, key, AddToCart(**envelope, items=items, currency=currency))
        case Action.REMOVE:
            return Happening(row.at_ms, CARTS, key, RemoveFromCart(**envelope, items=items))
        case Action.WISH:
            return Happening(row.at_ms, CLICKS, key, AddToWishlist(**envelope, items=items, currency=currency))
        case _:
            return Happening(row.at_ms, CLICKS, key, ViewItem(**envelope, items=items, currency=currency))


def _order(site: str, row: Row, bought: list[Row]) -> Happening:
    event = Purchase(
        **_envelope(site, row),
        order_id=f"{site}-order-{bought[0].line}",
        value=sum(line.price or 0 for line in bought),
        currency=CURRENCY,
        items=order_items(bought),
    )
    return Happening(row.at_ms, ORDERS, customer_key(site, row.user), event)


def _envelope(site: str, row: Row) -> dict[str, Any]:
    return {
        "event_id": f"{site}-{row.line}",
        "site_id": site,
        "occurred_at": row.at_ms,
        "customer_id": row.user,
        "session_id": row.session,
    }
