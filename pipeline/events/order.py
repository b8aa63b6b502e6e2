"""Topic `shop.orders`: orders and what becomes of them. An order is resent under a higher revision."""

from typing import Annotated, Literal

from msgspec import Meta

from pipeline.events.envelope import Currency, Event, Id, Items, Minor


class OrderChange(Event, kw_only=True):
    """What all news of an order carry. `(site_id, order_id, revision)` says which news it is."""

    order_id: Id
    revision: Annotated[int, Meta(ge=0, le=2**31)] = 0


class Purchase(OrderChange, tag="purchase"):
    """An order was placed. `channel` offline: till, tablet, phone; it closes the cart as well."""

    value: Minor
    currency: Currency
    channel: Literal["online", "offline"] = "online"
    kind: Literal["one_off", "renewal"] = "one_off"
    items: Items | None = None


class OrderCancelled(OrderChange, tag="order_cancelled"):
    """The whole order was cancelled."""


class OrderRefunded(OrderChange, tag="order_refunded"):
    """Money went back."""

    value: Minor
    currency: Currency


class OrderShipped(OrderChange, tag="order_shipped"):
    """The parcel left."""


class OrderDelivered(OrderChange, tag="order_delivered"):
    """The parcel arrived."""


class ReturnOpened(OrderChange, tag="return_opened"):
    """The customer asked to send something back."""


OrderEvent = Purchase | OrderCancelled | OrderRefunded | OrderShipped | OrderDelivered | ReturnOpened
