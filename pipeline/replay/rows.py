"""What all click logs come down to: rows of who did what to which item when, and the shape that a file has."""

from collections.abc import Callable, Sequence
from enum import Enum
from sys import intern
from typing import NamedTuple

from pipeline.events.envelope import ID_LENGTH

CURRENCY = "USD"
"""Currency of the prices in public logs."""

LABEL_LENGTH = 256
"""Longest name of a category or a brand, in characters."""

_LATEST = 4_102_444_800_000
"""2100-01-01: a later time is a time in another unit."""


class Action(Enum):
    """What was done to an item."""

    VIEW = "view"
    ADD = "add"
    REMOVE = "remove"
    WISH = "wish"
    BUY = "buy"


class RowError(ValueError):
    """A line is not a row of its shape; says why."""


class Row(NamedTuple):
    """One line of a log. `at_ms` is epoch milliseconds, `price` minor units of CURRENCY or None where unknown.

    `line` is its number in the file. Purchases of one `user` with equal `order` may be one order.
    """

    at_ms: int
    line: int
    user: str
    action: Action
    item: str
    category: str | None = None
    brand: str | None = None
    price: int | None = None
    session: str | None = None
    order: str = ""


class Shape(NamedTuple):
    """The format of a log, by its columns.

    `parse` reads the fields of a line, or raises RowError. `order_gap_ms` is how far apart two purchases of one
    order may be.
    """

    name: str
    columns: tuple[str, ...]
    parse: Callable[[Sequence[str], int], Row]
    order_gap_ms: int


def action(name: str, actions: dict[str, Action]) -> Action:
    """Look up what a log calls an action. Raises RowError."""
    try:
        return actions[name]
    except KeyError:
        raise RowError(f"{name!r} is none of {', '.join(actions)}") from None


def identifier(name: str, text: str) -> str:
    """An id that an event may carry, held once in memory. Raises RowError."""
    if not text or len(text) > ID_LENGTH:
        raise RowError(f"{name} is missing" if not text else f"{name} is longer than {ID_LENGTH}")
    return intern(text)


def label(name: str, text: str) -> str | None:
    """A label that an event may carry, held once in memory; None where empty. Raises RowError."""
    if len(text) > LABEL_LENGTH:
        raise RowError(f"{name} is longer than {LABEL_LENGTH}")
    return intern(text) or None


def epoch(text: str, unit_ms: int) -> int:
    """A time written as an integer of units of `unit_ms` milliseconds since 1970. Raises RowError."""
    if not (text.isascii() and text.isdigit()) or int(text[:16]) * unit_ms > _LATEST:
        raise RowError(f"{text[:32]!r} is not a time")
    return int(text) * unit_ms
