"""A touch of a product, as the engine hands it over: what, and after what; by whom and when it does not say.

Nothing names the person or the session: `before` are the earlier products of the same visit, and of the person it only
says whether the product was new to them. So people can be counted, as far as that goes, though nobody is told from
another. Stored as one byte for the version of the format, then MessagePack of plain arrays.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

FORMAT = 2
"""Stored in the first byte of a record. A change of the layout or of what a number means takes the next number."""

MAX_BEFORE: Final = 7
"""Earlier items of a visit that a touch carries."""


class TouchError(Exception):
    """Bytes that are no touches of this version."""


class Touch(Struct, frozen=True, array_like=True, gc=False):
    """An item of a site that was touched; the `category` is "" where it is unknown.

    `before` are the other items that were touched earlier in this visit, the last first, each once, at most MAX_BEFORE.
    `new` says that its person had not touched it before, as far as is remembered of them.
    """

    site: str
    item: str
    category: str
    before: tuple[str, ...]
    new: bool


_ARRAY = b"\xdd"
"""MessagePack's mark of an array whose length has four bytes."""

_decoder = msgspec.msgpack.Decoder(tuple[Touch, ...])

encode_touch: Callable[[Touch], bytes] = msgspec.msgpack.Encoder().encode
"""A touch as it stands in a record; so it holds on to nothing of the customer that it is of."""


def encode_touches(touches: Sequence[bytes]) -> bytes:
    """Encoded touches as one record."""
    return bytes([FORMAT]) + _ARRAY + len(touches).to_bytes(4, "big") + b"".join(touches)


def decode_touches(data: bytes) -> tuple[Touch, ...]:
    """Read a record. Raises TouchError for bytes of another version, or damaged ones."""
    if data[:1] != bytes([FORMAT]):
        raise TouchError(f"touches of format {data[0] if data else 'none'}, this version reads {FORMAT}")
    try:
        return _decoder.decode(memoryview(data)[1:])
    except msgspec.DecodeError as error:
        raise TouchError(f"damaged touches: {error}") from error
