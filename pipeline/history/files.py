"""Which shape a file of past orders has, and its news, each once and whole."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from pipeline.config.errors import UserError
from pipeline.history.amounts import Times
from pipeline.history.complete_journey import complete_journey, read_complete_journey
from pipeline.history.news import Told
from pipeline.history.online_retail import COLUMNS, read_online_retail
from pipeline.history.order_lines import REQUIRED, is_order_lines, read_order_lines
from pipeline.history.table import header
from pipeline.history.tally import Tally

COMPLETE_JOURNEY = "completejourney"

_Read = Callable[[Path, str, Times, Tally], Iterator[Told]]


class OrderFile(NamedTuple):
    """A file of past orders of a site, which can be read again and again."""

    path: Path
    site: str
    times: Times
    shape: _Read

    def read(self, tally: Tally) -> Iterator[Told]:
        """Yield its news in the order of the file.

        Of news that stands in two places, because its lines are not next to each other, the first counts. Raises
        UserError where the file cannot be read.
        """
        seen: set[int] = set()
        for told in self.shape(self.path, self.site, self.times, tally):
            known = len(seen)
            seen.add(identity(told.news.event_id))
            if len(seen) == known:
                tally.refuse("the lines of the order are not next to each other", *told.lines)
            else:
                yield told


def open_orders(name: str, site: str, times: Times) -> OrderFile:
    """Find out which shape a file has. Raises UserError where it has none that we know, or cannot be read."""
    if name == COMPLETE_JOURNEY:
        return OrderFile(complete_journey(), site, times, read_complete_journey)
    path = Path(name)
    columns = header(path)
    if tuple(columns) == COLUMNS:
        return OrderFile(path, site, times, read_online_retail)
    try:
        if is_order_lines(columns):
            return OrderFile(path, site, times, read_order_lines)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    raise UserError(
        f"{path} has neither the columns of past orders ({','.join(REQUIRED)}) nor those of Online Retail "
        f"({','.join(COLUMNS)})"
    )


def identity(event_id: str) -> int:
    """64 bits of an event's id: what is held in memory of each."""
    return xxh3_64_intdigest(event_id.encode())
