"""Amounts and times as files write them, read exactly."""

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache

from pipeline.events.currency import CURRENCIES, minor_digits
from pipeline.events.history import MAX_HISTORY_AGE

MOST = 10**12
"""Largest amount of an event, in minor units."""

MOST_PIECES = 100_000

_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,12})?", re.ASCII)
"""As many digits as Decimal keeps exactly."""

_PIECES = re.compile(r"([0-9]{1,9})(\.0+)?", re.ASCII)


class UnreadableError(ValueError):
    """A field is not what it should be; says what is wrong, the same for all lines that it is wrong in."""


@lru_cache(maxsize=65_536)
def minor_units(name: str, text: str, currency: str) -> int:
    """A price in major units, such as 12.50, as minor units of the currency. Raises UnreadableError."""
    if currency not in CURRENCIES:
        raise UnreadableError("currency is not one of ISO 4217")
    if not _AMOUNT.fullmatch(text):
        raise UnreadableError(f"{name} is {'negative' if text.startswith('-') else 'not a number'}")
    minor = Decimal(text).scaleb(minor_digits(currency))
    if minor > MOST:
        raise UnreadableError(f"{name} is too large")
    if minor != (whole := int(minor)):
        raise UnreadableError(f"{name} has more decimals than {currency}")
    return whole


@lru_cache(maxsize=65_536)
def pieces(text: str) -> int:
    """A quantity: a whole number of 1 to MOST_PIECES, also as 6.0. Raises UnreadableError."""
    if (whole := _PIECES.fullmatch(text)) is None or not 1 <= int(whole[1]) <= MOST_PIECES:
        raise UnreadableError(f"quantity is not a whole number of 1 to {MOST_PIECES:,}")
    return int(whole[1])


class Times:
    """Reads the times of a file: those without an offset are of `zone`, none is after `now`, epoch milliseconds."""

    def __init__(self, zone: tzinfo, now: int) -> None:
        self._zone = zone
        self._now = now
        self._read = lru_cache(maxsize=4_096)(self._parsed)

    def of(self, name: str, text: str) -> int:
        """An ISO 8601 date and time as epoch milliseconds. Raises UnreadableError."""
        at = self._read(name, text)
        if at > self._now:
            raise UnreadableError(f"{name} is in the future")
        if at < self._now - MAX_HISTORY_AGE:
            raise UnreadableError(f"{name} is over 20 years ago")
        return at

    def on_the_wall(self, milliseconds: int) -> int:
        """What a clock on the wall showed, written as if it hung in Greenwich, as epoch milliseconds."""
        return self._placed(datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None))

    def _parsed(self, name: str, text: str) -> int:
        try:
            return self._placed(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            raise UnreadableError(f"{name} is not a time such as 2024-03-01T12:30:00+01:00") from None

    def _placed(self, at: datetime) -> int:
        return round((at.replace(tzinfo=self._zone) if at.tzinfo is None else at).timestamp() * 1000)
