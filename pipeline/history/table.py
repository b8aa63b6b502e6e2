"""Tables in text: the rows of a CSV file, plain or gzip, whatever its lines are like."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from pipeline.config.errors import UserError
from pipeline.history.tally import Tally

CUT_OFF = "the gzip stream is cut off here"
DAMAGED = "the gzip stream is damaged here"
"""Reasons in the tally: what comes after was not read."""

_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 65_536


def is_gzip(path: Path) -> bool:
    """Whether the file begins as gzip does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def header(path: Path) -> list[str]:
    """The names in the first line. Raises UserError where the file cannot be read."""
    try:
        with path.open("rb") as file:
            return next(csv.reader(_lines(file, Tally(), [])), [])
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except csv.Error:
        return []


def rows(path: Path, tally: Tally) -> Iterator[list[str]]:
    """Yield the rows below the header; `tally.line` is then the number of the row's last line in the file.

    What is no row of as many fields as the header goes to the tally, and an empty row is yielded for it. Raises
    UserError where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            broken: list[int] = []
            table = csv.reader(_lines(file, tally, broken))
            width = len(next(table, []))
            tally.header = tally.line
            while True:
                before = tally.line
                try:
                    row = next(table)
                except StopIteration:
                    return
                except csv.Error:
                    tally.refuse("a quoted field does not end", *range(before + 1, tally.line + 1))
                    yield []
                    continue
                if broken:
                    broken.clear()
                    yield []
                elif len(row) == width:
                    yield row
                elif row:
                    tally.refuse(f"not {width} fields", tally.line)
                    yield []
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _lines(file: BufferedReader, tally: Tally, broken: list[int]) -> Iterator[str]:
    """Yield lines as text; the numbers of those that are none go to `broken`, and a blank line is yielded."""
    stream: BinaryIO = gzip.GzipFile(fileobj=file) if file.peek(2).startswith(_GZIP) else file  # type: ignore[assignment]
    try:
        while raw := stream.readline(_LONGEST_LINE):
            tally.line += 1
            try:
                yield raw.decode("utf-8-sig" if tally.line == 1 else "utf-8")
            except UnicodeDecodeError:
                tally.refuse("not UTF-8", tally.line)
                broken.append(tally.line)
                yield "\n"
    except EOFError:
        tally.refuse(CUT_OFF, tally.line + 1)
    except (zlib.error, gzip.BadGzipFile):
        tally.refuse(DAMAGED, tally.line + 1)
