"""The shape of REES46's open data: eCommerce behaviour of a multi-category store, prices in dollars."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.config.durations import MINUTE
from pipeline.replay.rows import Action, Row, RowError, Shape, action, identifier, label

_ACTIONS = {"view": Action.VIEW, "cart": Action.ADD, "remove_from_cart": Action.REMOVE, "purchase": Action.BUY}
_DEAREST = 10**10
"""In dollars; more is not a price."""


def parse(fields: Sequence[str], line: int) -> Row:
    """Read one line. The category is its code where it has one, else its id. Raises RowError."""
    time, kind, product, category_id, category_code, brand, price, user, session = fields
    session = identifier("user_session", session) if session else ""
    return Row(
        _time(time),
        line,
        identifier("user_id", user),
        action(kind, _ACTIONS),
        identifier("product_id", product),
        label("category_code", category_code or category_id),
        label("brand", brand),
        _minor(price) if price else None,
        session or None,
        session,
    )


def _time(text: str) -> int:
    moment, _, zone = text.rpartition(" ")
    try:
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    except ValueError:
        raise RowError(f"{text[:32]!r} is not a time such as 2019-10-01 00:00:00 UTC") from None
    if zone != "UTC":
        raise RowError(f"{text[:32]!r} is not in UTC")
    return int(at.timestamp()) * 1_000


def _minor(text: str) -> int:
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0 <= price <= _DEAREST:
        raise RowError(f"{text[:32]!r} is not a price")
    return round(price * 100)


SHAPE = Shape(
    "rees46",
    (
        "event_time",
        "event_type",
        "product_id",
        "category_id",
        "category_code",
        "brand",
        "price",
        "user_id",
        "user_session",
    ),
    parse,
    order_gap_ms=MINUTE,
)
