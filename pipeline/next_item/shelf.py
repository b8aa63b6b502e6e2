"""The rows as a worker holds them: bytes by key, decoded when they are asked for; and what they suggest.

Bounded in bytes: over the limit the row that was put longest ago goes. A row that cannot be read is taken out and
counted when it is met, and the query goes on without it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeVar

from pipeline.next_item.fusion import May, suggest
from pipeline.next_item.rows import (
    CategoryLists,
    ItemLists,
    RowError,
    RowKind,
    decode_lists,
    decode_popular,
    encode_key,
)
from pipeline.next_item.suggestion import Suggestion

MOST_BYTES = 256 * 1024 * 1024
"""Keys and values of all rows; what Python needs to hold them is about 150 bytes a row more."""

MOST_DECODED = 2_000
"""Rows that are kept decoded, some 15 KB each."""

R = TypeVar("R")

_ITEM, _CATEGORY = RowKind.ITEM, RowKind.CATEGORY


class Shelf:
    """Rows by key. `damaged` counts rows that could not be read, `dropped` those that went for want of room."""

    def __init__(self, most_bytes: int = MOST_BYTES, most_decoded: int = MOST_DECODED) -> None:
        self.size = 0
        """Bytes of keys and values."""
        self.damaged = 0
        self.dropped = 0
        self._most_bytes = most_bytes
        self._most_decoded = most_decoded
        self._rows: OrderedDict[bytes, bytes] = OrderedDict()
        self._items: dict[bytes, ItemLists] = {}
        self._categories: dict[bytes, CategoryLists] = {}

    def __len__(self) -> int:
        """Rows that are held."""
        return len(self._rows)

    def rows(self) -> Iterable[tuple[bytes, bytes]]:
        """Key and value of each row, what was put longest ago first."""
        return self._rows.items()

    def put(self, key: bytes, value: bytes | None) -> None:
        """Hold a row in place of the one before; None takes it out."""
        self._take_out(key)
        if value is None:
            return
        self._rows[key] = value
        self.size += len(key) + len(value)
        while self.size > self._most_bytes:
            self._take_out(next(iter(self._rows)))
            self.dropped += 1

    def suggest(self, site: str, recent: dict[str, int], k: int, may: May) -> tuple[Suggestion, ...]:
        """The best `k` items for whoever touched `recent` (scores, the newest last), or fewer, the best first.

        Never the newest of `recent`, nor one that `may` refuses. Without recent items what is popular; of a site of
        which nothing was learned, nothing.
        """
        return suggest(self, site, recent, k, may)

    def item(self, site: str, name: str) -> ItemLists | None:
        """What follows an item."""
        return self._read(encode_key(site, _ITEM, name), self._items, decode_lists)

    def category(self, site: str, name: str) -> CategoryLists | None:
        """What is popular in a category, "" for all."""
        return self._read(encode_key(site, _CATEGORY, name), self._categories, decode_popular)

    def _read(self, key: bytes, decoded: dict[bytes, R], decode: Callable[[bytes], R]) -> R | None:
        """A row, decoded when it is first asked for."""
        if (row := decoded.get(key)) is not None or (value := self._rows.get(key)) is None:
            return row
        try:
            row = decode(value)
        except RowError:
            self._take_out(key)
            self.damaged += 1
            return None
        if len(decoded) >= self._most_decoded:
            del decoded[next(iter(decoded))]
        decoded[key] = row
        return row

    def _take_out(self, key: bytes) -> None:
        if (value := self._rows.pop(key, None)) is not None:
            self.size -= len(key) + len(value)
            self._items.pop(key, None)
            self._categories.pop(key, None)
