"""What a person bought: the newest orders one by one, all others as sums by day and as totals."""

from enum import IntFlag
from typing import Final

from msgspec import Struct

MAX_ORDERS: Final = 8
"""Orders that may still be revised, cancelled or refunded."""

MAX_EARLY: Final = 4
MAX_NEWS: Final = 16
WINDOWS = (30, 90, 365)
"""Days of the rolling sums."""


class OrderState(IntFlag):
    """What is known of an order; the numbers are stored.

    UNTOLD: what the heads hold of the customer does not know of it. WITHIN: they took its money as part of a later
    purchase, as its day was read too late to be one of its own.
    """

    RENEWAL = 1
    CANCELLED = 2
    SHIPPED = 4
    DELIVERED = 8
    RETURNING = 16
    OFFLINE = 32
    UNTOLD = 64
    WITHIN = 128


class Order(Struct, frozen=True, array_like=True, gc=False):
    """One order. `value` and what was `refunded` of it are minor units of the site's base currency.

    `category` is that of its dearest line, as first told; `state` has the bits of OrderState; `day` is its local day.
    `refunded` may be more than `value`. `refunds` holds 5-byte digests of the refunds that were taken, so that one told
    twice counts once.
    """

    id: str
    at: int
    day: int
    revision: int
    value: int
    category: str = ""
    state: int = 0
    refunded: int = 0
    refunds: bytes = b""


class EarlyRefund(Struct, frozen=True, array_like=True, gc=False):
    """A refund that was read before its order: what it was worth, its digest, and the clock when it was read."""

    order_id: str
    value: int
    mark: bytes
    clock: int


class OrderChange(Struct, frozen=True, array_like=True, gc=False):
    """News of a known order that the clock had not passed when they were read.

    `mark` is the digest of the order's id, `bits` are those of OrderState that changed, `refunds` how many were taken.
    """

    at: int
    mark: bytes
    bits: int
    refunds: int = 0


class Orders(Struct, frozen=True, array_like=True, gc=False):
    """Order facts of a person. Days are numbers as of `pipeline.profile.days`.

    `recent` are the newest orders by time, the oldest first, and the last one-off order however old; `horizon` is the
    time of the newest that had to go: what is not newer can no longer be told from a duplicate. `days` holds triples of
    day, number of one-off orders and money of that day, ascending, as long as a rolling sum may need them; `day` is the
    day for which the sums hold. `count` and `money` are totals of all time. Cancelled orders are in none of these,
    renewals in the money only. `past_days` is how many days of one-off orders have left `recent` for good, `past_first`
    and `past_last` the first and the last of them. `marks` are 5-byte digests of orders of which nothing else is known.
    `news` are what a look at the facts as of an earlier time must leave out.
    """

    day: int = 0
    recent: tuple[Order, ...] = ()
    days: tuple[int, ...] = ()
    count: int = 0
    money: int = 0
    horizon: int = 0
    past_days: int = 0
    past_first: int = 0
    past_last: int = 0
    early: tuple[EarlyRefund, ...] = ()
    marks: bytes = b""
    news: tuple[OrderChange, ...] = ()
