"""Durations as people write them ("30m", "1h30m", "250ms"), held as integer milliseconds."""

import re
from typing import Final

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+)(ms|s|m|h|d)")
SECOND: Final = 1_000
MINUTE: Final = 60_000
HOUR: Final = 3_600_000
DAY: Final = 86_400_000

LONGEST = 100 * 365 * DAY
"""No length of time in a setting or a policy is longer: times stay within what can be stored and written."""


class Millis(int):
    """A length of time in milliseconds."""

    def __str__(self) -> str:
        """Write it as it is read: the largest units first."""
        rest, out = int(self), ""
        for unit, size in reversed(_UNITS.items()):
            if rest >= size:
                out += f"{rest // size}{unit}"
                rest %= size
        return out or "0s"


def parse_duration(text: str) -> Millis:
    """Read "1h30m" as milliseconds. Raises ValueError with an example."""
    parts = _PART.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f'{text!r} is not a duration: write for example "30m", "1h30m" or "250ms"')
    return millis(sum(int(n) * _UNITS[u] for n, u in parts))


def millis(number: int) -> Millis:
    """A number of milliseconds as a duration. Raises ValueError for one that is negative or longer than LONGEST."""
    if not 0 <= number <= LONGEST:
        raise ValueError(f"{number} ms is not between 0 and {LONGEST // DAY} days")
    return Millis(number)
