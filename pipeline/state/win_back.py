"""What is remembered of winning a person back."""

from enum import IntEnum
from typing import Final

from msgspec import Struct

MAX_RUNS: Final = 64
MAX_NOTED: Final = 8
FIRST_DAYS = 3


class Variant(IntEnum):
    """Why a person is won back, the strongest reason first; the numbers are stored."""

    CADENCE = 1
    SECOND_ORDER = 2
    NEVER_CARTED = 3
    DORMANT = 4


class OpenWinBack(Struct, frozen=True, array_like=True, gc=False):
    """A win-back that was emitted and neither expired nor was answered."""

    episode: str
    variant: int
    due: int
    expires: int
    channel: str
    sent: bool = False


class Waiting(Struct, frozen=True, array_like=True, gc=False):
    """A candidate that was deferred or held: judged again at `until`.

    `anchor` is the time of the order that it counts from, 0 for none, `idle` the last visit's day where it is dormant.
    """

    episode: str
    variant: int
    due: int
    until: int
    anchor: int
    idle: int = 0
    held: bool = False
    deferred: bool = False
    """Has been said to be held, to be deferred: once is enough."""


class WinBack(Struct, frozen=True, array_like=True, gc=False):
    """Times are epoch milliseconds, days those of UTC: `time // DAY`.

    `next` is when the clock must come back, 0 for not at all. `visits` are runs of days with activity or an order, as
    first and last day in turn, ascending: the newest that the clock has passed, and those after it. `first_days` are
    the first three days of all with activity, `carted` the first addition to a cart.

    All up to `settled` is decided, but for what waits. `answered` is the time of the newest order whose cadence or
    second_order was decided; `slept` is that of the newest order, or the start of the newest day of a visit, whose
    dormancy was. `decided` is the time of the last decision. Until `busy`, the last win-back is open; `channel` is its
    channel. `offered` is when each channel had its last one. `heard` holds clicks in messages by channel, `cancelled`
    cancellations of orders: the newest that the clock has passed, and those after it.
    """

    next: int = 0
    visits: tuple[int, ...] = ()
    first_days: tuple[int, ...] = ()
    carted: int = 0
    settled: int = 0
    answered: int = 0
    slept: int = 0
    never_carted: bool = False
    decided: int = 0
    busy: int = 0
    channel: str = ""
    offered: dict[str, int] = {}
    heard: dict[str, tuple[int, ...]] = {}
    cancelled: tuple[int, ...] = ()
    open: OpenWinBack | None = None
    waiting: Waiting | None = None
