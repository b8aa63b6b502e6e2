"""How fast a history is told: as fast as Kafka takes it, or at so many times the speed of its own time."""

import time
from typing import Protocol

_GRAIN = 0.02
"""Seconds that a happening may be told early, so that many are sent together."""


class Pace(Protocol):
    """Says when a moment of the history is due. The first question starts it."""

    def wait(self, at_ms: int, told: int) -> float:
        """Seconds from now until the moment `at_ms`, which follows `told` events, is due; 0 where it is."""
        ...


class AtOnce:
    """Everything is due."""

    def wait(self, at_ms: int, told: int) -> float:  # noqa: ARG002
        """Nothing to wait for."""
        return 0.0


class RealTime:
    """`speed` times the history's own time."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._start: tuple[float, int] | None = None

    def wait(self, at_ms: int, told: int) -> float:  # noqa: ARG002
        """As Pace says."""
        started, first_ms = self._start = self._start or (time.monotonic(), at_ms)
        ahead = started + (at_ms - first_ms) / 1_000 / self._speed - time.monotonic()
        return ahead if ahead > _GRAIN else 0.0
