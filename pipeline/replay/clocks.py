"""When the clock of a replay is told: often where much happens, seldom where little does. Pure."""

from collections import deque

from pipeline.config.durations import HOUR, MINUTE

EVENTS_PER_CLOCK = 5
LONGEST = 6 * HOUR
"""Most of a history's time between two tellings, in milliseconds."""


class ClockTimes:
    """The times at which the clock is told, a record to each of `partitions`; `due_ms` is the next, epoch milliseconds.

    From one telling to the next it is as long as the last EVENTS_PER_CLOCK events a partition took, but a minute at
    least and LONGEST at most: a record for EVENTS_PER_CLOCK events, and a few a day where nothing happens.
    """

    def __init__(self, first_ms: int, partitions: int) -> None:
        self._recent = deque([first_ms], maxlen=EVENTS_PER_CLOCK * partitions)
        self.due_ms = first_ms + MINUTE

    def event(self, at_ms: int) -> None:
        """An event of this time was told."""
        self._recent.append(at_ms)

    def told(self) -> None:
        """The clock was told at `due_ms`."""
        self.due_ms += min(LONGEST, max(MINUTE, self.due_ms - self._recent[0]))
