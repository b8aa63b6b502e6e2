"""Discrete-time hazards: from the chance of each bin to that of any horizon, given the silence so far.

Singer and Willett, Journal of Educational Statistics 18 (1993). Within a bin the hazard is constant.
"""

from collections.abc import Sequence
from typing import Final

MINUTE: Final = 60_000
HOUR: Final = 3_600_000
DAY: Final = 86_400_000

CART_EDGES: Final = tuple(minutes * MINUTE for minutes in (1, 3, 7, 15, 30, 120, 360, 1_440, 4_320))
"""Ends of the bins of a cart's silence, milliseconds; the first begins at 0."""

REORDER_EDGES: Final = tuple(days * DAY for days in (1, 3, 7, 14, 21, 30, 45, 60, 90, 180, 365))
"""Ends of the bins of the silence after an order, milliseconds."""


def bin_at(edges: Sequence[int], silence: int) -> int:
    """The bin that a silence of so many milliseconds has reached; `len(edges)` past the last."""
    for number, edge in enumerate(edges):
        if silence < edge:
            return number
    return len(edges)


def survival(edges: Sequence[int], hazards: Sequence[float], silence: int, horizon: int) -> float:
    """Chance that it stays silent for `horizon` more milliseconds after `silence`, at most until the last bin's end."""
    left = 1.0
    begin = 0
    for edge, hazard in zip(edges, hazards, strict=True):
        overlap = min(edge, silence + horizon) - max(begin, silence)
        if overlap > 0:
            left *= (1 - hazard) ** (overlap / (edge - begin))
        begin = edge
    return left


def due_after(edges: Sequence[int], hazards: Sequence[float], silence: int, level: float = 0.5) -> int | None:
    """Milliseconds of silence at which survival, given the silence so far, first falls under `level`; None if never."""
    left = 1.0
    begin = 0
    for edge, hazard in zip(edges, hazards, strict=True):
        if edge > silence:
            start = max(begin, silence)
            after = left * (1 - hazard) ** ((edge - start) / (edge - begin))
            if after < level:
                low, high = start, edge
                while high - low > 1:
                    middle = (low + high) // 2
                    if left * (1 - hazard) ** ((middle - start) / (edge - begin)) < level:
                        high = middle
                    else:
                        low = middle
                return high
            left = after
        begin = edge
    return None
