"""What the count head keeps of a customer: the windows that run."""

from msgspec import Struct

from pipeline.heads.reorder_memory import Facts
from pipeline.scoring.hazard import DAY

HORIZONS = (30 * DAY, 90 * DAY, 180 * DAY, 365 * DAY)


NONE = -1
"""In place of a count: no window of this horizon began then, or it has ended."""


class Start(Struct, frozen=True, array_like=True, gc=False):
    """The windows that began at one moment, with what was known then, until the last of them has ended.

    `second` is the moment, seconds since the epoch: it is the end of a day, and takes half the bytes of milliseconds.
    `silence` was that of the customer then, days. `counts` are the purchase days so far in the window of each of
    HORIZONS, or NONE. `facts` are None as long as the reorder head still holds what was known then.
    """

    second: int
    silence: int
    counts: tuple[int, ...]
    facts: Facts | None = None

    @property
    def begin(self) -> int:
        """When the windows begin, epoch milliseconds."""
        return self.second * 1_000

    def running(self) -> list[tuple[int, int]]:
        """`(horizon, end)` of each window, epoch milliseconds."""
        begin = self.begin
        return [(horizon, begin + HORIZONS[horizon]) for horizon, count in enumerate(self.counts) if count != NONE]


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """The windows of a customer that run, or that have ended after the clock, by their beginning."""

    starts: tuple[Start, ...] = ()
