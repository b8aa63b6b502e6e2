"""Logs of orders as the backtests read them: one shape of order, in time order, whatever shape the file has.

A file is plain or gzip, with a header; columns may stand in any order, further ones are ignored. Shapes:

- CDNOW's: `customer_id date number_of_cds dollar_value`, separated by blanks; a line an order, `date` as 19970101.
- Online Retail's: CSV, a line an item: `InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID`. Cancellations
  (InvoiceNo begins with C) and lines without a customer are left out. Times are those of a clock on the wall.
- Our own: CSV, `occurred_at` (RFC 3339 with its offset, a date, or epoch milliseconds), `person`, `order`, `value` (in
  major units, all of one currency), and where there is one `items` (a whole number). Lines of one order are added up.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from pipeline.backtest.logfile import header, rows
from pipeline.config.errors import UserError
from pipeline.history.amounts import UnreadableError, pieces
from pipeline.history.tally import Tally
from pipeline.replay.rows import RowError, identifier

MAX_LINES = 5_000_000
"""Lines that are read: more would not be held in memory."""

MOST = 10**12
"""Largest value of a line, in minor units."""

CDNOW = ("customer_id", "date", "number_of_cds", "dollar_value")
ONLINE_RETAIL = ("InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")
OWN = ("occurred_at", "person", "order", "value")

_AMOUNT = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,20})?", re.ASCII)
_EPOCH = re.compile(r"[0-9]{11,14}", re.ASCII)
_CENT = Decimal("0.01")


class Order(Struct, frozen=True, gc=False):
    """Who ordered when, and for how much.

    `at` is epoch milliseconds, `day_end` the end of its day, by the offset of the file or else UTC. `value` is minor
    units, `items` how many things or lines it had.
    """

    at: int
    day_end: int
    person: str
    value: int
    items: int


class OrderLog(Struct, frozen=True):
    """A log: its orders by time, those of one moment in the order of the file.

    `rows` is how many rows of the file were used, `skipped` how many of its lines were not, by reason.
    """

    shape: str
    orders: tuple[Order, ...]
    rows: int
    skipped: dict[str, int]


class _Line(NamedTuple):
    """A line that can be used. Lines of one person with equal `order` are one order; empty: an order of its own."""

    times: tuple[int, int]
    person: str
    order: str
    value: int
    items: int


class _Shape(NamedTuple):
    name: str
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    parse: Callable[[Sequence[str]], _Line]


def read_orderlog(path: Path) -> OrderLog:
    """Read a log. Raises UserError where it is of no known shape, has no line that can be used, or is too long."""
    names = header(path)
    blanks = len(names) == 1 and set(CDNOW) <= set(names[0].split())
    if blanks:
        names = names[0].split()
    shape = _recognise(path, names)
    columns = shape.columns + shape.optional
    places = [names.index(column) if column in names else len(names) for column in columns]
    tally = Tally()
    found: list[Order] = []
    known: dict[tuple[str, str], int] = {}
    used = 0
    for row in rows(path, tally):
        fields = row[0].split() if blanks and row else row
        if not fields:
            continue
        if blanks and len(fields) != len(names):
            tally.refuse(f"not {len(names)} fields", tally.line)
            continue
        try:
            line = shape.parse([(*fields, "")[place] for place in places])
        except (RowError, UnreadableError) as error:
            tally.refuse(str(error), tally.line)
            continue
        _add(found, known, line)
        used += 1
        if tally.line > MAX_LINES:
            raise UserError(f"{path} has more than {MAX_LINES:,} lines: cut it by persons or by time")
    skipped = {reason: unused.lines for reason, unused in sorted(tally.unused.items())}
    if not found:
        raise UserError(f"{path} has no line that can be used: {', '.join(skipped) or 'it ends after its header'}")
    found.sort(key=attrgetter("at"))
    return OrderLog(shape.name, tuple(found), used, skipped)


def _recognise(path: Path, names: list[str]) -> _Shape:
    for shape in _SHAPES:
        if set(shape.columns) <= set(names):
            return shape
    known = "; ".join((" ".join(CDNOW), ",".join(ONLINE_RETAIL), ",".join(OWN)))
    raise UserError(f"{path} has in its header none of the known shapes: {known}")


def _add(found: list[Order], known: dict[tuple[str, str], int], line: _Line) -> None:
    at, day_end = line.times
    place = known.get((line.person, line.order)) if line.order else None
    if place is None:
        if line.order:
            known[line.person, line.order] = len(found)
        found.append(Order(at, day_end, line.person, line.value, line.items))
        return
    order = found[place]
    at, day_end = min((order.at, order.day_end), line.times)
    found[place] = Order(at, day_end, order.person, order.value + line.value, order.items + line.items)


def _cdnow(fields: Sequence[str]) -> _Line:
    person, date, number, value = fields
    return _Line(
        _calendar_day(date), identifier("customer_id", person), "", _minor("dollar_value", value), _count(number)
    )


def _online_retail(fields: Sequence[str]) -> _Line:
    invoice, _, quantity, time, price, customer = fields
    if invoice.startswith("C"):
        raise RowError("a cancellation")
    if not customer:
        raise RowError("no customer")
    if quantity.startswith("-"):
        raise RowError("a negative quantity outside a cancellation")
    value = pieces(quantity) * _minor("UnitPrice", price)
    person = identifier("CustomerID", customer.removesuffix(".0"))
    return _Line(_wall_clock(time), person, identifier("InvoiceNo", invoice), value, 1)


def _own(fields: Sequence[str]) -> _Line:
    time, person, order, value, items = fields
    return _Line(
        _moment(time),
        identifier("person", person),
        identifier("order", order),
        _minor("value", value),
        _count(items) if items else 1,
    )


_SHAPES = (
    _Shape("cdnow", CDNOW, (), _cdnow),
    _Shape("online_retail", ONLINE_RETAIL, (), _online_retail),
    _Shape("orders", OWN, ("items",), _own),
)


@lru_cache(maxsize=65_536)
def _minor(name: str, text: str) -> int:
    """An amount in major units, rounded to hundredths, as those."""
    if not _AMOUNT.fullmatch(text):
        raise RowError(f"{name} is not a number")
    amount = Decimal(text).quantize(_CENT, ROUND_HALF_EVEN)
    if amount < 0:
        raise RowError(f"{name} is negative")
    if (minor := int(amount.scaleb(2))) > MOST:
        raise RowError(f"{name} is too large")
    return minor


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise RowError("a number of items is not a whole number")
    return int(text)


@lru_cache(maxsize=4_096)
def _calendar_day(text: str) -> tuple[int, int]:
    if not (text.isascii() and text.isdigit() and len(text) == 8):
        raise RowError("date is not a day such as 19970101")
    return _placed(_parsed("date", text))


@lru_cache(maxsize=65_536)
def _wall_clock(text: str) -> tuple[int, int]:
    return _placed(_parsed("InvoiceDate", text))


@lru_cache(maxsize=65_536)
def _moment(text: str) -> tuple[int, int]:
    if _EPOCH.fullmatch(text):
        return _placed(datetime.fromtimestamp(int(text) / 1000, UTC))
    at = _parsed("occurred_at", text)
    if at.tzinfo is None and ":" in text:
        raise RowError("occurred_at has no offset")
    return _placed(at)


def _parsed(name: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RowError(f"{name} is not a time") from None
    if not 1970 <= at.year < 2100:
        raise RowError(f"{name} is not between 1970 and 2100")
    return at


def _placed(at: datetime) -> tuple[int, int]:
    """A time and the end of its day, epoch milliseconds; without an offset it is of UTC."""
    local = at if at.tzinfo else at.replace(tzinfo=UTC)
    morning = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return round(local.timestamp() * 1000), round((morning + timedelta(days=1)).timestamp() * 1000)
