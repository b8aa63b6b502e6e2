"""Watermarks: up to which time each source partition has been read, and which sources to hold back meanwhile. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.log.frames import Mark


class Progress(NamedTuple):
    """Where a source stands.

    `end` was asked for at `asked`, epoch milliseconds, when all up to `position` had been acknowledged in the log;
    `newest` is the record time of the newest acknowledged, 0 for none.
    """

    source: int
    position: int
    end: int
    asked: int
    newest: int


class Watermarks:
    """The watermarks of the sources that this process reads. They only rise."""

    def __init__(self, slack: int) -> None:
        self._slack = slack
        self.marks: dict[int, int] = {}
        """By source: what was said last."""

    def from_progress(self, progress: Iterable[Progress]) -> list[Mark]:
        """New watermarks of a live namespace: of those that rose.

        A source that was read to its end has been read up to the moment at which its end was asked for; one that lags,
        up to its newest record. Both less the slack, for records that reach their topic late. The evidence is sound
        even in a process that has lost the partition: what it saw at the end was the end.
        """
        risen = []
        for source in progress:
            time = (source.asked if source.position >= source.end else source.newest) - self._slack
            if time > self.marks.get(source.source, 0):
                self.marks[source.source] = time
                risen.append(Mark(source.source, time))
        return risen

    def from_clocks(self, clocks: dict[int, int]) -> list[Mark]:
        """New watermarks from the clock records of a replay: of those that rose."""
        risen = []
        for source, time in sorted(clocks.items()):
            if time > self.marks.get(source, 0):
                self.marks[source] = time
                risen.append(Mark(source, time))
        return risen

    def keep(self, sources: set[int]) -> None:
        """Forget the sources that another process reads now."""
        self.marks = {source: time for source, time in self.marks.items() if source in sources}


class Alignment:
    """Which lagging sources to hold back, so that none runs ahead of the slowest by more than `bound` milliseconds.

    Idle sources hold nobody back. A source held back for longer than `patience` is read on, and counted.
    """

    def __init__(self, bound: int, patience: int) -> None:
        self._bound = bound
        self._patience = patience
        self._since: dict[int, int] = {}
        self.overruns = 0

    def held_back(self, newest: dict[int, int], lagging: set[int], now: int) -> set[int]:
        """The sources to leave alone for now. `newest`: record time read up to; `now`: epoch milliseconds."""
        if len(lagging) < 2:
            self._since.clear()
            return set()
        slowest = min(newest.get(source, 0) for source in lagging)
        ahead = {source for source in lagging if newest.get(source, 0) > slowest + self._bound}
        self._since = {source: self._since.get(source, now) for source in ahead}
        overdue = {source for source, since in self._since.items() if now - since > self._patience}
        self.overruns += len(overdue)
        for source in overdue:
            del self._since[source]
        return ahead - overdue
