"""The shape of UCI's Online Retail: the invoices of a British wholesaler of gifts, a line an item, in pounds.

A cancellation is an invoice of its own that begins with C and does not name what it cancels. Each of its lines is taken
for the customer's last order of that item before it: a refund of that order, or its cancellation once nothing is left.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from msgspec import Struct

from pipeline.events.envelope import Item
from pipeline.events.order import OrderCancelled, OrderRefunded, Purchase
from pipeline.history.amounts import Times, UnreadableError, minor_units, pieces
from pipeline.history.news import Told, news_id, shown, value_of
from pipeline.history.table import rows
from pipeline.history.tally import Tally

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
CURRENCY = "GBP"


class _Line(Struct):
    """A line that can be used; `at` is epoch milliseconds, a quantity without its sign."""

    number: int
    invoice: str
    customer: str
    at: int
    item: Item


class _Bought(Struct):
    """The last order of an item by a customer, and how many of them have not been cancelled."""

    order_id: str
    left: int


class _Ledger(Struct):
    """What cancellations refer to: by customer and item the last order of it, by order what it is still worth."""

    bought: dict[tuple[str, str], _Bought]
    worth: dict[str, int]


def read_online_retail(path: Path, site: str, times: Times, tally: Tally) -> Iterator[Told]:
    """Yield the events of a file."""
    ledger = _Ledger({}, {})
    for invoice, lines in groupby(_lines(path, times, tally), key=lambda line: line.invoice):
        if invoice.startswith("C"):
            yield from _cancellations(list(lines), site, ledger, tally)
        else:
            yield _purchase(list(lines), site, ledger, tally)


def _lines(path: Path, times: Times, tally: Tally) -> Iterator[_Line]:
    for row in rows(path, tally):
        if not row:
            continue
        invoice, code, _, quantity, time, price, customer, _ = row
        try:
            cancels = invoice.startswith("C")
            if not customer:
                raise UnreadableError("no customer")
            if not code[:1].isdigit():
                raise UnreadableError("not goods: postage, a fee or a correction")
            if cancels != quantity.startswith("-"):
                raise UnreadableError("a negative quantity outside a cancellation")
            item = Item(
                item_id=code,
                price=minor_units("UnitPrice", price, CURRENCY),
                quantity=pieces(quantity.removeprefix("-")),
            )
            at = times.of("InvoiceDate", time)
        except UnreadableError as error:
            tally.refuse(str(error), tally.line)
        else:
            yield _Line(tally.line, invoice, customer.removesuffix(".0"), at, item)


def _purchase(lines: list[_Line], site: str, ledger: _Ledger, tally: Tally) -> Told:
    first, items = lines[0], [line.item for line in lines]
    value = value_of(items)
    for line in lines:
        held = ledger.bought.setdefault((line.customer, line.item.item_id), _Bought("", 0))
        if held.order_id != first.invoice:
            held.order_id, held.left = first.invoice, 0
        held.left += line.item.quantity
    ledger.worth.setdefault(first.invoice, value)
    news = Purchase(
        event_id=news_id(site, "purchase", first.invoice),
        site_id=site,
        occurred_at=first.at,
        customer_id=first.customer,
        order_id=first.invoice,
        value=value,
        currency=CURRENCY,
        items=shown(items, tally),
    )
    return Told(news, [line.number for line in lines])


def _cancellations(lines: list[_Line], site: str, ledger: _Ledger, tally: Tally) -> Iterator[Told]:
    amounts: dict[str, int] = {}
    numbers: dict[str, list[int]] = {}
    for line in lines:
        bought = ledger.bought.get((line.customer, line.item.item_id))
        if bought is None or bought.left < line.item.quantity:
            tally.refuse("cancels more of an item than the customer's last order of it has", line.number)
            continue
        bought.left -= line.item.quantity
        amounts[bought.order_id] = amounts.get(bought.order_id, 0) + (line.item.price or 0) * line.item.quantity
        numbers.setdefault(bought.order_id, []).append(line.number)
    first = lines[0]
    for order_id, amount in amounts.items():
        ledger.worth[order_id] -= amount
        if ledger.worth[order_id] <= 0:
            cancelled = OrderCancelled(
                event_id=news_id(site, "cancelled", order_id, first.invoice),
                site_id=site,
                occurred_at=first.at,
                customer_id=first.customer,
                order_id=order_id,
            )
            yield Told(cancelled, numbers[order_id])
        else:
            refunded = OrderRefunded(
                event_id=news_id(site, "refunded", order_id, first.invoice),
                site_id=site,
                occurred_at=first.at,
                customer_id=first.customer,
                order_id=order_id,
                value=amount,
                currency=CURRENCY,
            )
            yield Told(refunded, numbers[order_id])
