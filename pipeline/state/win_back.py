"""What is remembered of winning a person back."""

from enum import IntEnum

from msgspec import Struct


class Variant(IntEnum):
    """Why a person is won back, the strongest reason first; the numbers are stored."""

    CADENCE = 1
    SECOND_ORDER = 2
    NEVER_CARTED = 3
    DORMANT = 4


class OpenWinBack(Struct, frozen=True, array_like=True, gc=False):
    """A win-back that was emitted and neither expired nor was answered."""

    episode: str
    due: int
    expires: int
    channel: str
    sent: bool = False


class WinBack(Struct, frozen=True, array_like=True, gc=False):
    """`anchor` is what the decided variants counted from: the time of the last order, 0 where there was none.

    `decided` has a bit `1 << variant` for each that was decided since the anchor. `last` is when one was emitted last,
    `channel` where. `waiting` says since which due time a candidate waits (held or deferred), and `until` when it must
    be looked at again.
    """

    anchor: int = 0
    decided: int = 0
    last: int = 0
    channel: str = ""
    open: OpenWinBack | None = None
    waiting: int = 0
    until: int = 0
