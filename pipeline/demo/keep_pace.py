"""The pace of the demonstration: even, and in step with what is decided and learned. Pure, but for the clock."""

import time
from bisect import bisect_right

HOLD = 0.2
"""Seconds to the next look while the pipeline is behind."""
GRAIN = 0.02
"""Seconds that an event may be told early, so that many are sent together."""
UNDECIDED = 4_000
"""Events that may be undecided: two seconds of what a worker on two cores folds, and several records of the clock."""
UNLEARNED = 2_000
"""Examples that may wait for the learner."""


class InStep:
    """So many events a second, and next to none while the pipeline is behind.

    Models time a trigger only where they come before it. In a history that is told within half a minute they come too
    late as soon as the machine has something else to do.
    """

    def __init__(self, rate: float, held_at_most: float) -> None:
        self._rate = rate
        self._patience = held_at_most
        self._start = 0.0
        self._told: list[int] = []
        self._unlearned = 0
        self._clock = 0

    def decided(self, clock_ms: int) -> None:
        """All is decided up to this time of the history, epoch milliseconds."""
        self._clock = clock_ms

    def unlearned(self, examples: int) -> None:
        """So many examples wait for the learner."""
        self._unlearned = examples

    def wait(self, at_ms: int, told: int) -> float:
        """Seconds until the moment `at_ms`, after `told` events, is due (`pipeline.replay.pace.Pace`)."""
        now = time.monotonic()
        self._start = self._start or now
        while len(self._told) <= told:
            self._told.append(at_ms)
        due = self._start + told / self._rate
        if due < now + HOLD and self._patience > 0 and self._behind(told):
            self._patience -= now + HOLD - max(due, now)
            self._start += now + HOLD - due
            due = now + HOLD
        ahead = due - now
        return ahead if ahead > GRAIN else 0.0

    def _behind(self, told: int) -> bool:
        undecided = told - bisect_right(self._told, self._clock)
        return undecided > UNDECIDED or self._unlearned > UNLEARNED
