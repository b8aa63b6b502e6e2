"""Reads files of past orders in tests."""

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pipeline.history.amounts import Times
from pipeline.history.files import open_orders
from pipeline.history.news import News
from pipeline.history.tally import Tally

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")


class Reading(NamedTuple):
    """What a file gave: its news, and by reason the numbers of the first lines that could not be used."""

    news: list[News]
    unused: dict[str, list[int]]
    tally: Tally


def read(path: Path, zone: tzinfo = UTC) -> Reading:
    tally = Tally()
    file = open_orders(str(path), "shop", Times(zone, round(NOW.timestamp() * 1000)))
    news = [told.news for told in file.read(tally)]
    return Reading(news, {reason: unused.first for reason, unused in tally.unused.items()}, tally)


def at(text: str) -> int:
    """Epoch milliseconds of an ISO 8601 time."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
