"""Files of public click logs: which shape a file has, and its rows as a history."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader
from itertools import chain, islice, pairwise
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

from pipeline.config.errors import UserError
from pipeline.replay import rees46, retailrocket, taobao
from pipeline.replay.consents import EMAIL, ONSITE, consents_of, with_consents
from pipeline.replay.history import History, Skipped, Span
from pipeline.replay.orders import group_orders
from pipeline.replay.rows import Row, RowError, Shape
from pipeline.replay.translate import translate
from pipeline.simulator.happening import Happening

SHAPES = (rees46.SHAPE, taobao.SHAPE, retailrocket.SHAPE)

MAX_ROWS = 5_000_000
"""Rows held in memory, for sorting and for the orders: some 2 GB."""

CONSENT_SHARE = 0.7
"""Customers who give a synthetic consent, of each purpose, where nothing else is said."""

_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 65_536


def read_dataset(path: Path, *, limit: int | None = None, consent_share: float = CONSENT_SHARE) -> History:
    """Read a log of a known shape, plain or gzip, as the history of the site that has the shape's name.

    `limit` takes that many lines from its head, `consent_share` of the customers consent to email, and as many,
    drawn anew, to personalization on site. Lines that cannot be read are listed in `History.skipped`. Raises UserError
    where the file cannot be opened, is of no known shape, has no readable line, or more than MAX_ROWS.
    """
    skipped: list[Skipped] = []
    try:
        with path.open("rb") as file:
            lines = _lines(file, skipped)
            number, head = next(lines, (0, ""))
            shape = _recognise(path, head)
            if not _is_header(shape, head):
                lines = chain([(number, head)], lines)
            rows = list(_rows(shape, islice(lines, limit), skipped))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    if not rows:
        reason = f": line {skipped[0].line}: {skipped[0].reason}" if skipped else ""
        raise UserError(f"{path} has no line that can be read as {shape.name}{reason}")
    if len(rows) > MAX_ROWS:
        raise UserError(f"{path} has more than {MAX_ROWS:,} rows: replay its head with --limit {MAX_ROWS}")
    if any(a.at_ms > b.at_ms for a, b in pairwise(rows)):
        rows.sort(key=attrgetter("at_ms"))
    return _history(shape, rows, tuple(skipped), consent_share)


def _history(shape: Shape, rows: list[Row], skipped: tuple[Skipped, ...], consent_share: float) -> History:
    orders = group_orders(rows, shape.order_gap_ms)
    grants = consents_of(shape.name, ((row.user, row.at_ms) for row in rows), consent_share, (EMAIL, ONSITE))
    purchases = sum(len(order) for order in orders.values())

    def tell() -> Iterator[Happening]:
        return with_consents(grants, translate(shape.name, rows, orders))

    events = len(rows) - purchases + len(orders) + len(grants)
    first_ms = min(rows[0].at_ms, grants[0].at_ms if grants else rows[0].at_ms)
    return History(shape.name, Span(events, first_ms, rows[-1].at_ms), tell, skipped)


def _recognise(path: Path, head: str) -> Shape:
    for shape in SHAPES:
        if _is_header(shape, head):
            return shape
    try:
        taobao.parse(_fields(taobao.SHAPE, head), 1)
    except RowError:
        known = "; ".join(f"{shape.name} ({','.join(shape.columns)})" for shape in SHAPES)
        raise UserError(f"{path} has none of the known shapes: {known}, taobao also without its header") from None
    return taobao.SHAPE


def _is_header(shape: Shape, line: str) -> bool:
    return tuple(line.split(",")) == shape.columns


def _lines(file: BufferedReader, skipped: list[Skipped]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, without their ends; what is no text goes to `skipped`."""
    stream: BinaryIO = gzip.GzipFile(fileobj=file) if file.peek(2).startswith(_GZIP) else file  # type: ignore[assignment]
    number = 0
    try:
        while raw := stream.readline(_LONGEST_LINE):
            number += 1
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                skipped.append(Skipped(number, "not UTF-8"))
            else:
                yield number, text.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        skipped.append(Skipped(number + 1, "the gzip stream is damaged or cut off here"))


def _rows(shape: Shape, lines: Iterable[tuple[int, str]], skipped: list[Skipped]) -> Iterator[Row]:
    """Yield a row a line, MAX_ROWS + 1 at most; what is no row goes to `skipped`."""
    kept = 0
    for number, line in lines:
        try:
            yield shape.parse(_fields(shape, line), number)
        except RowError as error:
            skipped.append(Skipped(number, str(error)))
        else:
            kept += 1
            if kept > MAX_ROWS:
                return


def _fields(shape: Shape, line: str) -> list[str]:
    fields = line.split(",")
    if len(fields) != len(shape.columns):
        raise RowError(f"{len(fields)} columns, not {len(shape.columns)}")
    return fields
