"""Frames: the records of the log. Many rows, then the watermarks that hold once the rows are applied."""

from enum import IntEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from pipeline.log.rows import Row

FORMAT = 1
"""Version of the frame's encoding; a frame of a later version stops the reader instead of misleading it."""

MAX_FRAME_BYTES = 512 * 1024
MAX_EVENT_BYTES = 64 * 1024


class FrameKind(IntEnum):
    """What a frame is about; the numbers are stored."""

    EVENTS = 1
    TICK = 2
    TRANSFER = 3
    PRODUCT = 4
    CONTROL = 5
    MODEL = 6


class Mark(NamedTuple):
    """A watermark: source `source` has been read up to `time` (epoch milliseconds)."""

    source: int
    time: int


class Beat(NamedTuple):
    """How a feed of a site flows, for every partition to know: `orders` of them since the last beat.

    `activity` and `order` are the newest record times of clicks or carts, and of orders; 0 where there were none.
    `since` is that of the oldest order.
    """

    site: str
    activity: int
    order: int
    orders: int
    since: int = 0


def join(earlier: Beat, later: Beat) -> Beat:
    """Two beats of one site as one."""
    return Beat(
        earlier.site,
        max(earlier.activity, later.activity),
        max(earlier.order, later.order),
        earlier.orders + later.orders,
        min(earlier.since or later.since, later.since or earlier.since),
    )


class Frame(Struct, frozen=True, array_like=True, gc=False):
    """One record of `pipeline.log`. `marks` and `beats` apply after `rows`."""

    format: int
    kind: int
    mode: str
    rows: tuple[Row, ...] = ()
    marks: tuple[Mark, ...] = ()
    beats: tuple[Beat, ...] = ()


class FrameError(Exception):
    """A record of the log that cannot be read: the log is not ours, or a later version wrote it."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def encode_frame(frame: Frame) -> bytes:
    """Encode a frame as MessagePack."""
    return _encoder.encode(frame)


def decode_frame(data: bytes) -> Frame:
    """Decode a frame. Raises FrameError."""
    try:
        frame = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise FrameError(f"a record of the log is not a frame: {error}") from error
    if frame.format != FORMAT:
        raise FrameError(
            f"a frame of format {frame.format}, this version reads {FORMAT}: run the version that wrote it"
        )
    return frame


def encode_rows(kind: FrameKind, mode: str, rows: list[Row]) -> list[bytes]:
    """Encode rows as one frame, or as several where one would pass MAX_FRAME_BYTES. Keeps the order."""
    data = _encoder.encode(Frame(FORMAT, kind, mode, tuple(rows)))
    if len(data) <= MAX_FRAME_BYTES or len(rows) == 1:
        return [data]
    half = len(rows) // 2
    return encode_rows(kind, mode, rows[:half]) + encode_rows(kind, mode, rows[half:])
