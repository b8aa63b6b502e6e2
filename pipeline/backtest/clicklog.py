"""Logs of clicks as the backtests read them: one shape of interaction, in time order, whatever shape the file has.

A file is CSV, plain or gzip, with a header; columns may stand in any order, further ones are ignored. Shapes:

- Taobao's: `user_id,item_id,category_id,event,ts`; `ts` in seconds, `event` pv, cart, fav or buy.
- REES46's: `event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session`.
- Our own: `occurred_at` (RFC 3339 with its offset, or epoch milliseconds), `person`, `type` (view_item, add_to_cart,
  add_to_wishlist, remove_from_cart or purchase), `item`, and where there are any `category`, `brand`, `price` (of one
  piece, in major units, all of one currency with two decimals) and `session`.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path

from msgspec import Struct

from pipeline.backtest.logfile import header, rows
from pipeline.config.errors import UserError
from pipeline.history.amounts import UnreadableError, minor_units
from pipeline.history.tally import Tally
from pipeline.replay import rees46, taobao
from pipeline.replay.rows import CURRENCY, Action, Row, RowError, action, epoch, identifier, label

MAX_ROWS = 5_000_000
"""Rows held in memory, for sorting: some 2 GB."""

_ACTIONS = {
    "view_item": Action.VIEW,
    "add_to_cart": Action.ADD,
    "add_to_wishlist": Action.WISH,
    "remove_from_cart": Action.REMOVE,
    "purchase": Action.BUY,
}
_REQUIRED = ("occurred_at", "person", "type", "item")
_OPTIONAL = ("category", "brand", "price", "session")
_VALUE = re.compile(r"""^(['"]).*\1 (?=is )""")


class Interaction(Struct, frozen=True, gc=False):
    """Who did what to which item when.

    `at` is epoch milliseconds, `price` of one piece minor units or -1 where unknown; a category, brand, session or
    device that the log does not have is empty. `account` says whether the person is known to have one.
    """

    at: int
    person: str
    kind: Action
    item: str
    category: str = ""
    brand: str = ""
    price: int = -1
    session: str = ""
    quantity: int = 1
    device: str = ""
    account: bool = False


class ClickLog(Struct, frozen=True):
    """A log: its interactions by time, those of one moment in the order of the file.

    `lines` is how many lines of data the file has, `skipped` how many of them could not be used, by reason.
    """

    shape: str
    interactions: tuple[Interaction, ...]
    lines: int
    skipped: dict[str, int]


def read_clicklog(path: Path) -> ClickLog:
    """Read a log. Raises UserError where it is of no known shape, has no line that can be used, or is too long."""
    names = header(path)
    shape, columns, parse = _recognise(path, names)
    places = [names.index(column) if column in names else len(names) for column in columns]
    tally = Tally()
    found: list[Interaction] = []
    for fields in rows(path, tally):
        if not fields:
            continue
        fields.append("")
        try:
            row = parse([fields[place] for place in places], tally.line)
        except (RowError, UnreadableError) as error:
            tally.refuse(_VALUE.sub("a field ", str(error)), tally.line)
            continue
        found.append(_interaction(row))
        if len(found) > MAX_ROWS:
            raise UserError(f"{path} has more than {MAX_ROWS:,} rows: cut it by persons or by time")
    skipped = {reason: unused.lines for reason, unused in sorted(tally.unused.items())}
    if not found:
        raise UserError(f"{path} has no line that can be used: {', '.join(skipped) or 'it ends after its header'}")
    found.sort(key=attrgetter("at"))
    return ClickLog(shape, tuple(found), tally.lines, skipped)


def _recognise(path: Path, names: list[str]) -> tuple[str, tuple[str, ...], Callable[[Sequence[str], int], Row]]:
    for shape in (rees46.SHAPE, taobao.SHAPE):
        if set(shape.columns) <= set(names):
            return shape.name, shape.columns, shape.parse
    if set(_REQUIRED) <= set(names):
        return "interactions", (*_REQUIRED, *_OPTIONAL), _parse
    known = "; ".join(",".join(columns) for columns in (rees46.SHAPE.columns, taobao.SHAPE.columns, _REQUIRED))
    raise UserError(f"{path} has in its header none of the known shapes: {known}")


def _parse(fields: Sequence[str], line: int) -> Row:
    time, person, kind, item, category, brand, price, session = fields
    return Row(
        _time(time),
        line,
        identifier("person", person),
        action(kind, _ACTIONS),
        identifier("item", item),
        label("category", category),
        label("brand", brand),
        minor_units("price", price, CURRENCY) if price else None,
        identifier("session", session) if session else None,
    )


def _time(text: str) -> int:
    if text.isdigit():
        return epoch(text, 1)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RowError(f"{text[:32]!r} is not a time such as 2024-03-01T12:30:00+01:00") from None
    if at.tzinfo is None:
        raise RowError("occurred_at has no offset")
    return round(at.timestamp() * 1000)


def _interaction(row: Row) -> Interaction:
    price = -1 if row.price is None else row.price
    return Interaction(
        row.at_ms, row.user, row.action, row.item, row.category or "", row.brand or "", price, row.session or ""
    )
