"""The contract of what shops publish: one envelope, a type an event, the union of types a topic."""

from pipeline.events.cart import CartEvent
from pipeline.events.catalog import CatalogEvent
from pipeline.events.click import ClickEvent
from pipeline.events.customer import CustomerEvent
from pipeline.events.history import HistoryEvent
from pipeline.events.message import MessageEvent
from pipeline.events.order import OrderEvent

TOPIC_EVENTS = {
    "shop.clicks": ClickEvent,
    "shop.carts": CartEvent,
    "shop.orders": OrderEvent,
    "shop.customers": CustomerEvent,
    "shop.messages": MessageEvent,
    "shop.catalog": CatalogEvent,
    "shop.history": HistoryEvent,
}
"""What each shop topic may hold: a union of structs, told apart by their `type`."""

__all__ = [
    "TOPIC_EVENTS",
    "CartEvent",
    "CatalogEvent",
    "ClickEvent",
    "CustomerEvent",
    "HistoryEvent",
    "MessageEvent",
    "OrderEvent",
]
