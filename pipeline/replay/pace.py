"""How fast a history is told: as fast as Kafka takes it, or at so many times the speed of its own time."""

import time
from typing import Protocol

_GRAIN = 0.02
"""Seconds that a happening may be told early, so that many are sent together."""


class Pace(Protocol):
    """Says when a moment of the history is due."""

    def wait(self, at_ms: int) -> float:
        """Seconds from now until the moment `at_ms` of the history is due; 0 where it is."""
        ...


class AtOnce:
    """Everything is due."""

    def wait(self, at_ms: int) -> float:  # noqa: ARG002
        """Nothing to wait for."""
        return 0.0


class RealTime:
    """`speed` times the history's own time; its first moment, `first_ms`, is due when this is made."""

    def __init__(self, speed: float, first_ms: int) -> None:
        self._speed = speed
        self._first_ms = first_ms
        self._started = time.monotonic()

    def wait(self, at_ms: int) -> float:
        """As Pace says."""
        due = self._started + (at_ms - self._first_ms) / 1_000 / self._speed
        ahead = due - time.monotonic()
        return ahead if ahead > _GRAIN else 0.0
