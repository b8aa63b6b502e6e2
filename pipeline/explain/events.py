"""An event of the log as a sentence about the person."""

from collections.abc import Callable
from typing import Any

from pipeline.explain.words import items, joined, money
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ClickKind,
    ConsentRow,
    IdentifyRow,
    MessageRow,
    OrderNews,
    OrderRow,
    PersonEvent,
    Report,
)

_CLICKS: dict[int, Callable[[Click], str]] = {
    ClickKind.PAGE_VIEW: lambda e: joined(["looked at page", e.subject]) if e.subject else "looked at a page",
    ClickKind.VIEW_ITEM: lambda e: f"looked at {_skus(e)}",
    ClickKind.VIEW_ITEM_LIST: lambda e: joined(["looked at the list", e.subject]) if e.subject else "looked at a list",
    ClickKind.VIEW_CATEGORY: lambda e: f"looked at category {e.subject}",
    ClickKind.VIEW_CONTENT: lambda e: joined(["read", e.subject or "something"]),
    ClickKind.SEARCH: lambda e: f'searched for "{e.subject}"',
    ClickKind.ADD_TO_WISHLIST: lambda e: f"put {_skus(e)} on the wish list",
    ClickKind.LIKE: lambda e: f"liked {_skus(e)}",
    ClickKind.EXIT_INTENT: lambda _: "was about to leave",
    ClickKind.APP_OPEN: lambda _: "opened the app",
}
_CARTS: dict[int, Callable[[CartRow], str]] = {
    CartOp.ADD: lambda e: f"put {items(e.lines, e.currency)} in the cart",
    CartOp.REMOVE: lambda e: f"took {items(e.lines, e.currency)} out of the cart",
    CartOp.SET: lambda e: f"changed the cart to {items(e.lines, e.currency)}",
    CartOp.CLEAR: lambda _: "emptied the cart",
    CartOp.SNAPSHOT: lambda e: f"had a cart of {items(e.lines, e.currency)}",
    CartOp.CHECKOUT: lambda _: "began the checkout",
}
_ORDERS = {
    OrderNews.CANCELLED: "was cancelled",
    OrderNews.REFUNDED: "was refunded",
    OrderNews.SHIPPED: "was shipped",
    OrderNews.DELIVERED: "was delivered",
    OrderNews.RETURN_OPENED: "is being returned",
}
_REPORTS = {
    Report.SENT: "a message was sent",
    Report.DELIVERED: "a message was delivered",
    Report.SHOWN: "a message was shown",
    Report.FAILED: "a message could not be sent",
    Report.OPENED: "opened a message",
    Report.CLICKED: "clicked in a message",
    Report.BOUNCED: "a message bounced",
    Report.UNSUBSCRIBED: "unsubscribed by a message",
    Report.COMPLAINED: "complained about a message",
}


def tell_event(event: PersonEvent) -> str:
    """What the person did."""
    return _TELL[type(event)](event)


def _skus(event: Click) -> str:
    return ", ".join(line.sku for line in event.lines) or "a product"


def _order(event: OrderRow) -> str:
    if event.news != OrderNews.PURCHASE:
        return f"order {event.order_id} {_ORDERS[OrderNews(event.news)]}"
    where = "in a store" if event.offline else ""
    bought = f"ordered {items(event.lines, event.currency)}" if event.lines else "ordered"
    return joined([bought, where, f"for {money(event.value, event.currency)} (order {event.order_id})"])


def _consent(event: ConsentRow) -> str:
    what = purpose_in_words(event.purpose)
    channel = f"by {event.channel}" if event.channel else ""
    if event.granted:
        return joined(["allowed", what, channel, f"({event.basis.replace('_', ' ')})"])
    return joined(["refused", what, channel])


def purpose_in_words(purpose: str) -> str:
    """A purpose as people say it."""
    return {"marketing_message": "marketing messages", "collect": "collection of data"}.get(
        purpose, purpose.replace("_", " ")
    )


_TELL: dict[type, Callable[[Any], str]] = {
    Click: lambda e: _CLICKS[e.kind](e),
    CartRow: lambda e: _CARTS[e.op](e),
    OrderRow: _order,
    ConsentRow: _consent,
    IdentifyRow: lambda e: joined(["made themselves known", f"({e.method})" if e.method else ""]),
    MessageRow: lambda e: joined([_REPORTS[Report(e.report)], f"on {e.channel}" if e.channel else ""]),
}
