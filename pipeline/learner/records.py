"""What the learner stores of itself: how far it is, its state in parts, and an operator's pin."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from pipeline.config.errors import UserError
from pipeline.learner.standing import Standing
from pipeline.log.models import state_key

FORMAT = 1

PART_BYTES = 512 * 1024


class Position(Struct, frozen=True):
    """The next offset of each partition of what is learned from: what lies below is in what was written with it."""

    format: int
    offsets: dict[int, int]


class Checkpoint(Struct, frozen=True):
    """A head between two examples. `state` is the learner's, encoded; `fresh` of its examples are in no snapshot yet.

    `at` is the newest time of the log that it has seen, epoch milliseconds.
    """

    format: int
    head: str
    at: int
    fresh: int
    standing: Standing
    state: bytes


class Part(Struct, frozen=True):
    """A part of a checkpoint; `of` is how many there are."""

    format: int
    of: int
    body: bytes


class Pin(Struct, frozen=True):
    """An operator's word that this version is to be served, and no newer one."""

    format: int
    version: int


Stored = TypeVar("Stored", Position, Checkpoint, Part, Pin)

encode = msgspec.msgpack.Encoder().encode
_position = msgspec.msgpack.Decoder(Position)
_checkpoint = msgspec.msgpack.Decoder(Checkpoint)
_part = msgspec.msgpack.Decoder(Part)
_pin = msgspec.msgpack.Decoder(Pin)


def decode_position(data: bytes) -> Position:
    """Decode. Raises UserError where another release wrote it."""
    return _decoded(_position, data)


def decode_pin(data: bytes) -> Pin:
    """Decode. Raises UserError where another release wrote it."""
    return _decoded(_pin, data)


def parts(checkpoint: Checkpoint) -> list[tuple[bytes, bytes]]:
    """Keys and values of a checkpoint, each value of at most PART_BYTES and a few more."""
    body = encode(checkpoint)
    pieces = [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)]
    return [
        (state_key(checkpoint.head, number), encode(Part(FORMAT, len(pieces), piece)))
        for number, piece in enumerate(pieces)
    ]


def put_together(head: str, values: Mapping[bytes, bytes]) -> Checkpoint | None:
    """The checkpoint of a head from the records of the topic, None where there is none. Raises UserError."""
    first = values.get(state_key(head, 0))
    if first is None:
        return None
    of = _decoded(_part, first).of
    pieces = [values.get(state_key(head, number), b"") for number in range(of)]
    if not all(pieces):
        raise UserError(f"a part of the state of head {head} is missing in the models topic: who else writes there?")
    return _decoded(_checkpoint, b"".join(_decoded(_part, piece).body for piece in pieces))


def _decoded(decoder: "msgspec.msgpack.Decoder[Stored]", data: bytes) -> Stored:
    try:
        found = decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise UserError(
            f"a record that the learner stored cannot be read ({error}): use the release that wrote it"
        ) from error
    if found.format != FORMAT:
        raise UserError(
            f"a record that the learner stored has format {found.format}, this release reads {FORMAT}: "
            "use the release that wrote it"
        )
    return found
