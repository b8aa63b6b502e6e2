"""Topic `shop.history`: what happened before the pipeline was there. It may be years old; it does not tell the time."""

from pipeline.events.customer import ConsentUpdate, Identify
from pipeline.events.order import OrderCancelled, OrderRefunded, Purchase

HistoryEvent = Purchase | OrderCancelled | OrderRefunded | Identify | ConsentUpdate

MAX_HISTORY_AGE = 20 * 366 * 86_400_000
"""Milliseconds. Older than this, history is no shop's."""
