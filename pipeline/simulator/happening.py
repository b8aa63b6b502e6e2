"""A happening: one event of a history, with the topic, the key and the time at which it is published."""

from typing import NamedTuple

from pipeline.events.catalog import ProductChange
from pipeline.events.envelope import Event

CLICKS, CARTS, ORDERS = "shop.clicks", "shop.carts", "shop.orders"
CUSTOMERS, MESSAGES, CATALOG = "shop.customers", "shop.messages", "shop.catalog"


class Happening(NamedTuple):
    """An event as a shop publishes it.

    `at_ms` is epoch milliseconds and equals the event's `occurred_at`. `topic` is without the namespace. `key` is
    the person key, or the item id in the catalogue: equal keys go to one partition.
    """

    at_ms: int
    topic: str
    key: str
    event: Event | ProductChange
