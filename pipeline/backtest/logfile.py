"""The file of a backtest, which must be whole: figures over a part of it would pass for those of all of it."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.config.errors import UserError
from pipeline.history import table
from pipeline.history.tally import Tally


def header(path: Path) -> list[str]:
    """The names in the first line. Raises UserError where the file cannot be read, is empty or no whole gzip."""
    names = [name.strip() for name in table.header(path)]
    if not names:
        tally = Tally()
        next(rows(path, tally), None)
        if not tally.line:
            raise UserError(f"{path} is empty")
    if path.suffix == ".gz" and not table.is_gzip(path):
        raise UserError(f"{path} is not gzip, as its name says: fetch it again, or name it .csv if it is text")
    return names


def rows(path: Path, tally: Tally) -> Iterator[list[str]]:
    """Yield the rows below the header as `table.rows` does. Raises UserError where the file is no whole gzip."""
    yield from table.rows(path, tally)
    for reason, said in (
        (table.CUT_OFF, "ends in the middle of its gzip stream"),
        (table.DAMAGED, "is damaged in its gzip stream"),
    ):
        if reason in tally.unused:
            raise UserError(f"{path} {said}: fetch it again ({max(tally.lines, 0):,} lines could be read)")
