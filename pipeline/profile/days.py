"""Days of a zone, as numbers: the proleptic Gregorian ordinal of the local date."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


def day_of(at: int, zone: str) -> int:
    """Number of the local day in which `at` (epoch milliseconds) falls."""
    return datetime.fromtimestamp(at // 1000, _zone(zone)).toordinal()


@lru_cache(maxsize=4096)
def start_of(day: int, zone: str) -> int:
    """When a local day begins, epoch milliseconds."""
    return round(datetime.fromordinal(day).replace(tzinfo=_zone(zone)).timestamp()) * 1000


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
