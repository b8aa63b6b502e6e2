"""The tables as rows: key and value of each, as they stand in the compacted topic.

A key is MessagePack of site, kind and name; a value is one byte for the version of the format, then MessagePack of
plain arrays. A row holds all that the tables know of an item or a category, so that they are rebuilt from rows alone,
and its lists are ranked when it is written, so that a query only has to read them.
"""

from enum import IntEnum
from typing import TypeVar

import msgspec
from msgspec import Struct

FORMAT = 2
"""Stored in the first byte of a value. A change of the layout or of what a number means takes the next number."""


class RowError(Exception):
    """Bytes that are no row of this version."""


class RowKind(IntEnum):
    """What a row is of."""

    ITEM = 1
    CATEGORY = 2


class Key(Struct, frozen=True, array_like=True, gc=False):
    """Whose row it is. Of the kind CATEGORY the name "" is for all items of the site."""

    site: str
    kind: RowKind
    name: str


class ItemLists(Struct, frozen=True, array_like=True, gc=False):
    """What a query reads of an item: its category, its touches, and what follows it best, the best first.

    `pulls` says how well. Each is a sum of two: `alike` says, in their order, what of it comes of visits alike; the
    rest comes of what was seen near the item. `untold` has the pulls of what too few people saw with it: only of what
    somebody knows anyway it says which comes first.
    """

    category: str
    touches: int
    pulls: dict[str, int]
    alike: list[int]
    untold: dict[str, int]


class ItemRow(ItemLists, frozen=True, array_like=True, gc=False):
    """All that is known of an item. The lists that a query reads stand first, so that it need not read the rest.

    `number` counts the changes of all tables up to the last one of this row. `people` says how many it was new to,
    counted no further than has to be known. `more` are the other items that were seen with it. Of those of `pulls`,
    `untold` and `more`, in this order, `near` says how near they were seen to it, `visits` how often, and `people_of`
    by how many people, counted as `people` is.
    """

    number: int
    people: int
    more: list[str]
    near: list[int]
    visits: list[int]
    people_of: list[int]


class CategoryLists(Struct, frozen=True, array_like=True, gc=False):
    """What a query reads of a category, or of all items of a site: the `names` to tell, the most touched first."""

    names: list[str]


class CategoryRow(CategoryLists, frozen=True, array_like=True, gc=False):
    """All that is known of a category: how often its items were touched; of `names` and then of `more` the weights."""

    number: int
    touches: int
    more: list[str]
    weights: list[int]


_encoder = msgspec.msgpack.Encoder()
_keys = msgspec.msgpack.Decoder(Key)
_items = msgspec.msgpack.Decoder(ItemRow)
_lists = msgspec.msgpack.Decoder(ItemLists)
_categories = msgspec.msgpack.Decoder(CategoryRow)
_popular = msgspec.msgpack.Decoder(CategoryLists)
_VERSION = bytes([FORMAT])

R = TypeVar("R")


def encode_key(site: str, kind: RowKind, name: str) -> bytes:
    """The key of a row."""
    return _encoder.encode((site, kind, name))


def decode_key(key: bytes) -> Key:
    """Read a key. Raises RowError where it is none."""
    try:
        return _keys.decode(key)
    except msgspec.DecodeError as error:
        raise RowError(f"not the key of a row: {error}") from error


def encode_row(row: ItemRow | CategoryRow) -> bytes:
    """The value of a row; equal rows give equal bytes."""
    return _VERSION + _encoder.encode(row)


def decode_lists(value: bytes) -> ItemLists:
    """Read of an item's row what a query needs. Raises RowError for bytes of another version, or damaged ones."""
    row = _decoded(_lists, value)
    if len(row.pulls) != len(row.alike):
        raise RowError("a damaged row: its lists are of different lengths")
    return row


def decode_item(value: bytes) -> ItemRow:
    """Read the row of an item. Raises RowError for bytes of another version, or damaged ones."""
    row = _decoded(_items, value)
    paired = len(row.pulls) + len(row.untold) + len(row.more)
    if len(row.pulls) != len(row.alike) or not paired == len(row.near) == len(row.visits) == len(row.people_of):
        raise RowError("a damaged row: its lists are of different lengths")
    return row


def decode_popular(value: bytes) -> CategoryLists:
    """Read of a category's row what a query needs. Raises RowError for bytes of another version, or damaged ones."""
    return _decoded(_popular, value)


def decode_category(value: bytes) -> CategoryRow:
    """Read the row of a category. Raises RowError for bytes of another version, or damaged ones."""
    row = _decoded(_categories, value)
    if len(row.names) + len(row.more) != len(row.weights):
        raise RowError("a damaged row: its lists are of different lengths")
    return row


def _decoded(decoder: msgspec.msgpack.Decoder[R], value: bytes) -> R:
    if value[:1] != _VERSION:
        raise RowError(f"a row of format {value[0] if value else 'none'}, this version reads {FORMAT}")
    try:
        return decoder.decode(memoryview(value)[1:])
    except msgspec.DecodeError as error:
        raise RowError(f"a damaged row: {error}") from error
