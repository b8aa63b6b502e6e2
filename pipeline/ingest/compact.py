"""Events of the shop contract in the compact form of the log."""

from collections.abc import Callable
from typing import Any

from pipeline.events import cart, catalog, click, customer, message, order
from pipeline.events.currency import CURRENCIES
from pipeline.events.envelope import Context, Event, Item
from pipeline.log.consent import pack
from pipeline.log.rejects import RefusedError, RejectReason
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ClickKind,
    ConsentRow,
    IdentifyRow,
    Line,
    MessageRow,
    OrderNews,
    OrderRow,
    PersonEvent,
    ProductRow,
    Report,
)

MAX_LABEL = 64
"""Characters kept of a category or a brand."""

_NO_CONTEXT = Context()
_NO_ITEMS: list[Item] = []


def compact_event(event: Event, at: int) -> PersonEvent:
    """Compact an event of a person. Raises RefusedError."""
    context = event.context or _NO_CONTEXT
    if context.device == "bot":
        raise RefusedError(RejectReason.BOT, "$.context.device is bot")
    return _COMPACT[type(event)](event, at, context)


def compact_product(event: catalog.Product | catalog.ProductRemoved, at: int) -> ProductRow:
    """Compact a product of the catalogue; a removed one is out of stock. Raises RefusedError."""
    if isinstance(event, catalog.ProductRemoved):
        return ProductRow(event.event_id, at, event.site_id, event.item_id, -1, "", "", "", 0, False, False)
    return ProductRow(
        event.event_id,
        at,
        event.site_id,
        event.item_id,
        event.price,
        _currency(event.currency),
        (event.item_category or "")[:MAX_LABEL],
        (event.item_brand or "")[:MAX_LABEL],
        -1 if event.stock is None else event.stock,
        event.exclusive,
        event.restricted,
        _facets(event),
    )


def _facets(event: catalog.Product) -> tuple[str, ...]:
    facets = dict(event.facets or {})
    if event.colour:
        facets["colour"] = event.colour[:MAX_LABEL]
    return tuple(f"{name}={value}" for name, value in sorted(facets.items()))


def _lines(items: list[Item] | None) -> tuple[Line, ...]:
    return tuple(
        [
            Line(
                item.item_id,
                item.quantity,
                -1 if item.price is None else item.price,
                (item.item_category or "")[:MAX_LABEL],
                (item.item_brand or "")[:MAX_LABEL],
            )
            for item in items or _NO_ITEMS
        ]
    )


def _currency(currency: str | None) -> str:
    if currency is None:
        return ""
    if currency not in CURRENCIES:
        raise RefusedError(RejectReason.UNKNOWN_CURRENCY, "$.currency is not a currency of ISO 4217")
    return currency


def _consent(context: Context) -> int:
    mode = context.consent
    if mode is None:
        return 0
    return pack(
        (
            mode.analytics_storage,
            mode.personalization_storage,
            mode.ad_storage,
            mode.ad_user_data,
            mode.ad_personalization,
        )
    )


def _click(kind: ClickKind, subject: str) -> Callable[[Any, int, Context], PersonEvent]:
    number = int(kind)

    def compact(event: Any, at: int, context: Context) -> PersonEvent:  # one shape for ten types
        return Click(
            event.event_id,
            at,
            number,
            context.device or "",
            context.channel or "",
            context.locale or "",
            _consent(context) if context.consent is not None else 0,
            (getattr(event, subject) or "") if subject else "",
            _lines(getattr(event, "items", None)) if kind in _WITH_ITEMS else (),
        )

    return compact


_WITH_ITEMS = frozenset({ClickKind.VIEW_ITEM, ClickKind.VIEW_ITEM_LIST, ClickKind.ADD_TO_WISHLIST, ClickKind.LIKE})


def _cart(op: CartOp) -> Callable[[Any, int, Context], PersonEvent]:
    number = int(op)

    def compact(event: Any, at: int, context: Context) -> PersonEvent:  # one shape for six types
        return CartRow(
            event.event_id,
            at,
            number,
            event.cart_version,
            _currency(getattr(event, "currency", None)),
            context.device or "",
            context.channel or "",
            context.locale or "",
            _consent(context),
            _lines(getattr(event, "items", None)),
        )

    return compact


def _order(news: OrderNews) -> Callable[[Any, int, Context], PersonEvent]:
    number = int(news)

    def compact(event: Any, at: int, context: Context) -> PersonEvent:  # one shape for six types
        return OrderRow(
            event.event_id,
            at,
            number,
            event.order_id,
            event.revision,
            getattr(event, "channel", "") == "offline",
            getattr(event, "kind", "") == "renewal",
            getattr(event, "value", 0),
            _currency(getattr(event, "currency", None)),
            context.device or "",
            _lines(getattr(event, "items", None)),
        )

    return compact


def _message(report: Report) -> Callable[[Any, int, Context], PersonEvent]:
    number = int(report)

    def compact(event: Any, at: int, _context: Context) -> PersonEvent:  # one shape for nine types
        return MessageRow(
            event.event_id, at, number, event.trigger_id or "", "" if event.channel is None else event.channel.value
        )

    return compact


def _identify(event: Any, at: int, _context: Context) -> PersonEvent:  # as the others
    return IdentifyRow(event.event_id, at, event.method)


def _consent_update(event: Any, at: int, _context: Context) -> PersonEvent:  # as the others
    channel = "" if event.channel is None else event.channel.value
    return ConsentRow(event.event_id, at, event.purpose.value, channel, event.status == "granted", event.basis.value)


def _unsubscribe(event: Any, at: int, _context: Context) -> PersonEvent:  # as the others
    channel = "" if event.channel is None else event.channel.value
    return ConsentRow(
        event.event_id, at, customer.Purpose.MARKETING_MESSAGE.value, channel, False, customer.Basis.NONE.value
    )


_COMPACT: dict[type, Callable[[Any, int, Context], PersonEvent]] = {
    click.PageView: _click(ClickKind.PAGE_VIEW, "page"),
    click.ViewItem: _click(ClickKind.VIEW_ITEM, ""),
    click.ViewItemList: _click(ClickKind.VIEW_ITEM_LIST, "item_list_id"),
    click.ViewCategory: _click(ClickKind.VIEW_CATEGORY, "item_category"),
    click.ViewContent: _click(ClickKind.VIEW_CONTENT, "content_id"),
    click.Search: _click(ClickKind.SEARCH, "search_term"),
    click.AddToWishlist: _click(ClickKind.ADD_TO_WISHLIST, ""),
    click.Like: _click(ClickKind.LIKE, ""),
    click.ExitIntent: _click(ClickKind.EXIT_INTENT, "page"),
    click.AppOpen: _click(ClickKind.APP_OPEN, ""),
    cart.AddToCart: _cart(CartOp.ADD),
    cart.RemoveFromCart: _cart(CartOp.REMOVE),
    cart.UpdateCart: _cart(CartOp.SET),
    cart.ClearCart: _cart(CartOp.CLEAR),
    cart.CartSnapshot: _cart(CartOp.SNAPSHOT),
    cart.BeginCheckout: _cart(CartOp.CHECKOUT),
    order.Purchase: _order(OrderNews.PURCHASE),
    order.OrderCancelled: _order(OrderNews.CANCELLED),
    order.OrderRefunded: _order(OrderNews.REFUNDED),
    order.OrderShipped: _order(OrderNews.SHIPPED),
    order.OrderDelivered: _order(OrderNews.DELIVERED),
    order.ReturnOpened: _order(OrderNews.RETURN_OPENED),
    customer.Identify: _identify,
    customer.ConsentUpdate: _consent_update,
    customer.Unsubscribe: _unsubscribe,
    message.MessageSent: _message(Report.SENT),
    message.MessageDelivered: _message(Report.DELIVERED),
    message.MessageShown: _message(Report.SHOWN),
    message.MessageFailed: _message(Report.FAILED),
    message.MessageOpened: _message(Report.OPENED),
    message.MessageClicked: _message(Report.CLICKED),
    message.MessageBounced: _message(Report.BOUNCED),
    message.MessageUnsubscribed: _message(Report.UNSUBSCRIBED),
    message.MessageComplained: _message(Report.COMPLAINED),
}
