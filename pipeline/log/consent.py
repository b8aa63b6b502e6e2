"""A page's consent mode packed into one integer: two bits a signal, 0 unknown, 1 granted, 2 denied."""

from collections.abc import Iterator
from typing import Final

UNKNOWN: Final = 0
GRANTED: Final = 1
DENIED: Final = 2

SIGNALS: Final = ("analytics_storage", "personalization_storage", "ad_storage", "ad_user_data", "ad_personalization")
"""Their places are stored: only ever append."""


def pack(states: tuple[str | None, ...]) -> int:
    """Pack the signals' states, in the order of SIGNALS."""
    packed = 0
    for place, state in enumerate(states):
        if state is not None:
            packed |= (GRANTED if state == "granted" else DENIED) << (2 * place)
    return packed


def signals(packed: int) -> Iterator[tuple[str, bool]]:
    """The signals that were said, each with whether it was granted."""
    for place, name in enumerate(SIGNALS):
        state = packed >> (2 * place) & 3
        if state != UNKNOWN:
            yield name, state == GRANTED
