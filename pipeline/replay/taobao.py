"""The shape of Taobao's UserBehavior: page views, carts, favourites and purchases, without prices or sessions."""

from collections.abc import Sequence

from pipeline.config.durations import SECOND
from pipeline.replay.rows import Action, Row, Shape, action, epoch, identifier, label

_ACTIONS = {"pv": Action.VIEW, "cart": Action.ADD, "fav": Action.WISH, "buy": Action.BUY}


def parse(fields: Sequence[str], line: int) -> Row:
    """Read one line; times are in seconds. Raises RowError."""
    user, item, category, kind, time = fields
    return Row(
        epoch(time, SECOND),
        line,
        identifier("user_id", user),
        action(kind, _ACTIONS),
        identifier("item_id", item),
        label("category_id", category),
    )


SHAPE = Shape("taobao", ("user_id", "item_id", "category_id", "event", "ts"), parse, order_gap_ms=0)
"""Purchases of one user in one second are one order. The file is published without its header."""
