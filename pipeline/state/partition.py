"""What a partition of the log remembers of itself: rows of the changelog whose keys start with a zero byte."""

import msgspec
from msgspec import Struct, field

RESERVED = b"\0"
POSITION_KEY = b"\0position"
CLOCK_KEY = b"\0clock"
POLICY_KEY = b"\0policy"
NAMESPACE_KEY = b"\0namespace"
PRODUCT_PREFIX = b"\0product|"
MODEL_PREFIX = b"\0model/"

FORMAT = 1


class Position(Struct, array_like=True):
    """Where the partition stands: written in the transaction that makes it so.

    `offset` is the next offset of the log, `highs` the highest `(offset, sub)` applied of each source.
    """

    format: int = FORMAT
    offset: int = 0
    highs: dict[int, tuple[int, int]] = field(default_factory=dict)
    rows: int = 0
    timers: int = 0
    engine: str = ""


class SiteFlow(Struct, array_like=True, frozen=True):
    """How a site's feeds flow: newest times, and the last gaps between orders, in milliseconds."""

    first_activity: int = 0
    activity: int = 0
    order: int = 0
    gaps: tuple[int, ...] = ()


class Clock(Struct, array_like=True):
    """The log's time. `marks` are the watermarks by source id, 0 where none was said yet; `now` is their minimum.

    `rates` counts messages by `site|kind`: a minute of the log's time, and how many there were in it.
    """

    format: int = FORMAT
    now: int = 0
    marks: dict[int, int] = field(default_factory=dict)
    sites: dict[str, SiteFlow] = field(default_factory=dict)
    rates: dict[str, tuple[int, int]] = field(default_factory=dict)


encode = msgspec.msgpack.Encoder().encode
_position = msgspec.msgpack.Decoder(Position)
_clock = msgspec.msgpack.Decoder(Clock)


def decode_position(data: bytes) -> Position:
    """Read a position row. Raises msgspec.DecodeError."""
    return _position.decode(data)


def decode_clock(data: bytes) -> Clock:
    """Read a clock row. Raises msgspec.DecodeError."""
    return _clock.decode(data)


def product_key(site: str, sku: str) -> bytes:
    """Key of a product's row."""
    return PRODUCT_PREFIX + f"{site}|{sku}".encode()


def model_key(head: str) -> bytes:
    """Key of the row of the snapshot that a head is scored with."""
    return MODEL_PREFIX + head.encode()
