"""Our own shape of past orders: a line an item, the lines of an order next to each other (`docs/history.md`).

An order goes in whole or not at all: where one of its lines cannot be used, it can be mended and imported again.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline.config.errors import UserError
from pipeline.events.envelope import ID_LENGTH, Item
from pipeline.events.order import OrderCancelled, OrderRefunded, Purchase
from pipeline.history.amounts import Times, UnreadableError, minor_units, pieces
from pipeline.history.news import News, Told, label, news_id, shown, value_of
from pipeline.history.table import header, rows
from pipeline.history.tally import Tally

REQUIRED = ("order_id", "customer_id", "ordered_at", "item_id", "quantity", "price", "currency")
OPTIONAL = ("category", "brand", "channel", "kind")

Kind = Literal["one_off", "renewal", "cancelled", "refunded"]
_KINDS: dict[str, Kind] = {
    "": "one_off",
    "one_off": "one_off",
    "renewal": "renewal",
    "cancelled": "cancelled",
    "refunded": "refunded",
}
_CHANNELS: dict[str, Literal["online", "offline"]] = {"": "online", "online": "online", "offline": "offline"}


_Line = tuple[int, list[str]]
"""Number and fields of a line."""


class _Head(NamedTuple):
    """What the lines of one event have in common; `at` is epoch milliseconds."""

    order_id: str
    customer_id: str
    at: int
    currency: str
    channel: Literal["online", "offline"]
    kind: Kind


def is_order_lines(columns: Sequence[str]) -> bool:
    """Whether a header is of this shape. Raises UserError where it is, with a column that we do not know."""
    if not set(REQUIRED) <= set(columns):
        return False
    unknown = [name for name in columns if name not in REQUIRED + OPTIONAL]
    if unknown or len(set(columns)) < len(columns):
        raise UserError(f"the header has the column {unknown[0]!r}" if unknown else "the header has a column twice")
    return True


def read_order_lines(path: Path, site: str, times: Times, tally: Tally) -> Iterator[Told]:
    """Yield the events of a file."""
    columns = header(path)
    places = {name: columns.index(name) if name in columns else -1 for name in REQUIRED + OPTIONAL}
    for lines, torn in _groups(path, places, tally):
        if torn:
            tally.refuse("next to a line that cannot be read and may be of the same order", *(n for n, _ in lines))
        else:
            yield from _events(lines, places, site, times, tally)


def _groups(path: Path, places: dict[str, int], tally: Tally) -> Iterator[tuple[list[_Line], bool]]:
    """Yield the lines of each event, and whether there is one at their ends or between them that cannot be read."""
    kind_at, order_at, time_at = places["kind"], places["order_id"], places["ordered_at"]
    lines: list[_Line] = []
    key: tuple[str, ...] = ()
    torn = after_torn = False
    for row in rows(path, tally):
        if not row:
            torn = after_torn = True
            continue
        kind = row[kind_at] if kind_at >= 0 else ""
        own = (row[order_at], kind, row[time_at] if kind == "refunded" else "")
        if own != key:
            if lines:
                yield lines, torn
            lines, key, torn = [], own, after_torn
        after_torn = False
        lines.append((tally.line, row))
    if lines:
        yield lines, torn


def _events(lines: list[_Line], places: dict[str, int], site: str, times: Times, tally: Tally) -> Iterator[Told]:
    """Yield the event of the lines that belong together, where all of them can be used."""
    head: _Head | None = None
    items: list[Item] = []
    for number, row in lines:
        field = {name: row[place].strip() if place >= 0 else "" for name, place in places.items()}
        try:
            own = _head(field, times)
            if head is not None and own != head:
                name = next(name for name, a, b in zip(_Head._fields, own, head, strict=True) if a != b)
                raise UnreadableError(f"{'ordered_at' if name == 'at' else name} is not that of the order's first line")
            head = own
            if head.kind != "cancelled":
                items.append(_item(field, head.kind))
        except UnreadableError as error:
            tally.refuse(str(error), number)
            _refuse_the_others(lines, number, tally)
            return
    if head is None:
        return
    numbers = [number for number, _ in lines]
    try:
        yield Told(_news(head, items, site, tally), numbers)
    except UnreadableError as error:
        tally.refuse(str(error), *numbers)


def _refuse_the_others(lines: list[_Line], bad: int, tally: Tally) -> None:
    if others := [number for number, _ in lines if number != bad]:
        tally.refuse("another line of the order cannot be used", *others)


def _head(field: dict[str, str], times: Times) -> _Head:
    for name in ("order_id", "customer_id"):
        _identifier(name, field[name])
    if field["kind"] not in _KINDS:
        raise UnreadableError(f"kind is none of {', '.join(filter(None, _KINDS))}")
    if field["channel"] not in _CHANNELS:
        raise UnreadableError("channel is neither online nor offline")
    return _Head(
        field["order_id"],
        field["customer_id"],
        times.of("ordered_at", field["ordered_at"]),
        field["currency"],
        _CHANNELS[field["channel"]],
        _KINDS[field["kind"]],
    )


def _item(field: dict[str, str], kind: Kind) -> Item:
    if kind != "refunded":
        _identifier("item_id", field["item_id"])
    return Item(
        item_id=field["item_id"],
        item_category=label(field["category"]),
        item_brand=label(field["brand"]),
        price=minor_units("price", field["price"], field["currency"]),
        quantity=pieces(field["quantity"]),
    )


def _identifier(name: str, text: str) -> None:
    if not text or len(text) > ID_LENGTH:
        raise UnreadableError(f"{name} is longer than {ID_LENGTH} characters" if text else f"{name} is empty")


def _news(head: _Head, items: list[Item], site: str, tally: Tally) -> News:
    match head.kind:
        case "cancelled":
            return OrderCancelled(
                event_id=news_id(site, "cancelled", head.order_id),
                site_id=site,
                occurred_at=head.at,
                customer_id=head.customer_id,
                order_id=head.order_id,
            )
        case "refunded":
            return OrderRefunded(
                event_id=news_id(site, "refunded", head.order_id, head.at),
                site_id=site,
                occurred_at=head.at,
                customer_id=head.customer_id,
                order_id=head.order_id,
                value=value_of(items),
                currency=head.currency,
            )
        case kind:
            return Purchase(
                event_id=news_id(site, "purchase", head.order_id),
                site_id=site,
                occurred_at=head.at,
                customer_id=head.customer_id,
                order_id=head.order_id,
                value=value_of(items),
                currency=head.currency,
                channel=head.channel,
                kind=kind,
                items=shown(items, tally),
            )
