"""The tills of Complete Journey as a log of orders that a backtest reads."""

import csv
import time
from datetime import UTC
from pathlib import Path

from pipeline.events.order import Purchase
from pipeline.history.amounts import Times
from pipeline.history.complete_journey import complete_journey, read_complete_journey
from pipeline.history.tally import Tally


def write_orders(path: Path) -> None:
    """Write every basket of the year as an order. Raises UserError where the package is not installed."""
    times = Times(UTC, time.time_ns() // 1_000_000)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["occurred_at", "person", "order", "value", "items"])
        for told in read_complete_journey(complete_journey(), "grocer", times, Tally()):
            order = told.news
            if isinstance(order, Purchase):
                items = sum(item.quantity for item in order.items or ())
                rows.writerow([order.occurred_at, order.customer_id, order.order_id, order.value / 100, items])
