"""A memory as bytes and back: one byte for the version of the format, then MessagePack of plain arrays.

Keys stand once, in the order in which they are met; all else goes by their places. Maps are flat arrays of place and
weight, in their order, so a memory that is read goes on exactly as the one that was written.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from pipeline.next_item.memory import Item, Limits, Memory, Person

FORMAT = 1
"""Stored in the first byte. A change of the layout or of what a number means takes the next number."""

_Row = list[int]


class SnapshotError(Exception):
    """Bytes that are no snapshot of this version."""


class _Tables(Struct, array_like=True):
    limits: Limits
    touches: int
    opened: int
    names: list[str]
    items: list[tuple[int, int, int, _Row, _Row]]
    """Item, category, touches, near, sessions."""
    persons: list[tuple[str, int, int, _Row]]
    """Person, session, last touch, own items."""
    sessions: list[tuple[int, _Row]]
    popular: list[tuple[int, _Row]]


class _Places:
    """Gives each name its place."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}

    def of(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names))

    def flat(self, weights: Mapping[str, int]) -> _Row:
        return [number for name, weight in weights.items() for number in (self.of(name), weight)]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Tables)


def encode(memory: Memory) -> bytes:
    """The memory as bytes; equal memories give equal bytes."""
    places = _Places()
    of, flat = places.of, places.flat
    items = [
        (of(name), of(item.category), item.touches, flat(item.near), item.sessions)
        for name, item in memory.items.items()
    ]
    persons = [(key, who.session, who.last_at, flat(who.items)) for key, who in memory.persons.items()]
    sessions = [(number, [of(name) for name in seen]) for number, seen in memory.sessions.items()]
    popular = [(of(category), flat(weights)) for category, weights in memory.popular.items()]
    names = list(places.names)
    tables = _Tables(memory.limits, memory.touches, memory.opened, names, items, persons, sessions, popular)
    return bytes([FORMAT]) + _encoder.encode(tables)


def decode(data: bytes) -> Memory:
    """Read a snapshot. Raises SnapshotError for bytes of another version, or damaged ones."""
    if data[:1] != bytes([FORMAT]):
        raise SnapshotError(f"a snapshot of format {data[0] if data else 'none'}, this version reads {FORMAT}")
    try:
        return _memory(_decoder.decode(memoryview(data)[1:]))
    except (msgspec.DecodeError, IndexError, ValueError) as error:
        raise SnapshotError(f"a damaged snapshot: {error}") from error


def _memory(tables: _Tables) -> Memory:
    names = tables.names
    return Memory(
        limits=tables.limits,
        touches=tables.touches,
        opened=tables.opened,
        items=OrderedDict(
            (names[name], Item(names[category], touches, _weights(names, near), sessions))
            for name, category, touches, near, sessions in tables.items
        ),
        persons=OrderedDict(
            (key, Person(session, last_at, _weights(names, own))) for key, session, last_at, own in tables.persons
        ),
        sessions=OrderedDict((number, dict.fromkeys(_named(names, seen))) for number, seen in tables.sessions),
        popular=OrderedDict((names[category], _weights(names, weights)) for category, weights in tables.popular),
    )


def _weights(names: list[str], row: _Row) -> dict[str, int]:
    return dict(zip(_named(names, row[::2]), row[1::2], strict=True))


def _named(names: list[str], places: Iterable[int]) -> Iterable[str]:
    return (names[place] for place in places)
