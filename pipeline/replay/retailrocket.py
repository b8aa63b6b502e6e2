"""The shape of Retailrocket's events: views, additions and transactions, without prices, categories or sessions."""

from collections.abc import Sequence

from pipeline.config.durations import DAY
from pipeline.replay.rows import Action, Row, RowError, Shape, action, epoch, identifier

_ACTIONS = {"view": Action.VIEW, "addtocart": Action.ADD, "transaction": Action.BUY}


def parse(fields: Sequence[str], line: int) -> Row:
    """Read one line; times are in milliseconds. Raises RowError."""
    time, visitor, kind, item, transaction = fields
    done = action(kind, _ACTIONS)
    if done is Action.BUY and not transaction:
        raise RowError("a transaction without transactionid")
    return Row(
        epoch(time, 1), line, identifier("visitorid", visitor), done, identifier("itemid", item), order=transaction
    )


SHAPE = Shape("retailrocket", ("timestamp", "visitorid", "event", "itemid", "transactionid"), parse, order_gap_ms=DAY)
"""Rows of one transactionid are one order."""
