"""Which offsets of a source have been accounted for: one bit each, in a file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 17
"""Bytes looked at together."""


class Bitmap:
    """Bits for the offsets from `base` below `end`. Others are ignored."""

    def __init__(self, path: Path, base: int, end: int) -> None:
        self.base = base
        self.end = max(base, end)
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (self.end - base + 7) // 8
        self._bits: NDArray[np.uint8] = (
            np.memmap(path, np.uint8, "w+", shape=(size,)) if size else np.zeros(0, np.uint8)
        )

    def mark(self, offsets: NDArray[np.int64]) -> None:
        """Note offsets as accounted for."""
        places = offsets - self.base
        places = places[(places >= 0) & (places < self.end - self.base)]
        np.bitwise_or.at(self._bits, places >> 3, np.left_shift(1, places & 7).astype(np.uint8))

    def marked(self, low: int, high: int) -> NDArray[np.int64]:
        """The offsets from `low` below `high` that are noted."""
        return np.concatenate([np.zeros(0, np.int64), *self._chunks(low, high, noted=1)])

    def missing(self, high: int) -> Iterator[tuple[int, int]]:
        """Runs of offsets below `high` that are not noted, as first and next after the last."""
        start = stop = -1
        for offsets in self._chunks(self.base, high, noted=0):
            for run in np.split(offsets, np.flatnonzero(np.diff(offsets) != 1) + 1):
                if stop == run[0]:
                    stop = int(run[-1]) + 1
                    continue
                if start >= 0:
                    yield start, stop
                start, stop = int(run[0]), int(run[-1]) + 1
        if start >= 0:
            yield start, stop

    def _chunks(self, low: int, high: int, noted: int) -> Iterator[NDArray[np.int64]]:
        low, high = max(low, self.base), min(high, self.end)
        for first in range((low - self.base) // 8, (max(low, high) - self.base + 7) // 8, CHUNK):
            bits = np.unpackbits(self._bits[first : first + CHUNK], bitorder="little")
            offsets = np.flatnonzero(bits == noted) + (self.base + first * 8)
            offsets = offsets[(offsets >= low) & (offsets < high)]
            if len(offsets):
                yield offsets
