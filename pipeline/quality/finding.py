"""What a check of a sample found: a level, the figure it rests on, why it matters and what to do."""

from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from pipeline.config.policy import SitePolicy


class Level(StrEnum):
    """FAIL: something will not work. WARN: something works worse. NONE: the sample has nothing to judge."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    NONE = "none"


class Finding(Struct, frozen=True):
    """`figure` is for people, `numbers` for programs: counts, shares from 0 to 1, milliseconds. No id of a person."""

    check: str
    level: Level
    figure: str
    numbers: dict[str, float] = {}
    why: str = ""
    remedy: str = ""


class Seen(NamedTuple):
    """A valid record of the site. `person` and `content` are hashes; times are epoch milliseconds."""

    topic: str
    event: Any
    person: int | None
    content: int
    at: int
    timestamp: int


class Probe(Protocol):
    """Counts what it sees, and judges it at the end."""

    def see(self, seen: Seen) -> None:
        """Take a record."""

    def judge(self, policy: SitePolicy) -> Finding:
        """The finding, by the policy in force."""


def share(part: int, whole: int) -> float:
    """A part of a whole from 0 to 1; of nothing, 0."""
    return part / whole if whole else 0.0


def percent(part: int, whole: int) -> str:
    """The same for people. What is not all never reads as 100 %, what is not nothing never as 0 %."""
    of = share(part, whole)
    if 0 < of < 0.001:
        return "under 0.1%"
    if 0.999 < of < 1:
        return "over 99.9%"
    return f"{of:.1%}" if 0 < of < 0.01 or 0.99 < of < 1 else f"{of:.0%}"


def at_least(value: float, good: float, poor: float) -> Level:
    """OK from `good` on, FAIL below `poor`."""
    return Level.OK if value >= good else Level.FAIL if value < poor else Level.WARN


def at_most(value: float, good: float, poor: float) -> Level:
    """OK up to `good`, FAIL above `poor`."""
    return Level.OK if value <= good else Level.FAIL if value > poor else Level.WARN
