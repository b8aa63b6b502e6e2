"""The tables as rows: key and value of each, as they stand in the compacted topic.

A key is MessagePack of site, kind and name; a value is one byte for the version of the format, then MessagePack of
plain arrays. A row holds all that the tables know of an item or a category, so that they are rebuilt from rows alone,
and its lists are ranked when it is written, so that a query only has to read them.
"""

from enum import IntEnum
from typing import TypeVar

import msgspec
from msgspec import Struct

FORMAT = 1
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


class ItemRow(Struct, frozen=True, array_like=True, gc=False):
    """An item: what was seen together with it.

    `number` counts the changes of all tables up to the last one of this row. `names` are ranked by how near they were
    seen to the item, `near` says how near. `sessions` says, in the same order, how often they were seen with it.
    `alike` are places in `names`, ranked by `sessions` and by how rare the named item is; `likeness` is what they are
    ranked by. `same` has a bit for each place, the lowest for the first: it is of the item's own category.
    """

    number: int
    category: str
    touches: int
    names: list[str]
    near: list[int]
    sessions: list[int]
    alike: list[int]
    likeness: list[int]
    same: bytes


class CategoryRow(Struct, frozen=True, array_like=True, gc=False):
    """A category, or all items of a site: how often its items were touched, and which of them most, the first most."""

    number: int
    touches: int
    names: list[str]
    weights: list[int]


_encoder = msgspec.msgpack.Encoder()
_keys = msgspec.msgpack.Decoder(Key)
_items = msgspec.msgpack.Decoder(ItemRow)
_categories = msgspec.msgpack.Decoder(CategoryRow)
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


def decode_item(value: bytes) -> ItemRow:
    """Read the row of an item. Raises RowError for bytes of another version, or damaged ones."""
    row = _decoded(_items, value)
    places = len(row.names)
    if not (len(row.near) == len(row.sessions) == places and len(row.alike) == len(row.likeness)):
        raise RowError("a damaged row: its lists are of different lengths")
    if row.alike and not 0 <= min(row.alike) <= max(row.alike) < places:
        raise RowError("a damaged row: a place that it does not have")
    return row


def decode_category(value: bytes) -> CategoryRow:
    """Read the row of a category. Raises RowError for bytes of another version, or damaged ones."""
    row = _decoded(_categories, value)
    if len(row.names) != len(row.weights):
        raise RowError("a damaged row: its lists are of different lengths")
    return row


def _decoded(decoder: msgspec.msgpack.Decoder[R], value: bytes) -> R:
    if value[:1] != _VERSION:
        raise RowError(f"a row of format {value[0] if value else 'none'}, this version reads {FORMAT}")
    try:
        return decoder.decode(memoryview(value)[1:])
    except msgspec.DecodeError as error:
        raise RowError(f"a damaged row: {error}") from error
