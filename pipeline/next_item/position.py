"""Up to where the touches are in the rows: a record of the same topic, written in one transaction with the rows.

It says in which format the rows were written last, and of which tables they are: those of a topic that was made anew
began later. So whoever holds rows of the topic before knows that they are to go.
"""

import msgspec
from msgspec import Struct

from pipeline.next_item.rows import FORMAT, RowError

POSITION_KEY = b"/position"
"""No row has it: the key of a row is a MessagePack array."""


class LaterFormatError(RowError):
    """A later release wrote it, and the rows."""


class Position(Struct, frozen=True):
    """The next offset of each partition of the touches. The tables `began`, empty, at this time, epoch milliseconds.

    The `format` is that of the rows.
    """

    format: int
    offsets: dict[int, int]
    began: int = 0


class _Written(Struct):
    format: int


encode_position = msgspec.msgpack.Encoder().encode
_written = msgspec.msgpack.Decoder(_Written)
_positions = msgspec.msgpack.Decoder(Position)


def decode_position(value: bytes) -> Position:
    """Read one of this format or an earlier one. Raises LaterFormatError for a later one, RowError for no position."""
    try:
        if (written := _written.decode(value).format) > FORMAT:
            raise LaterFormatError(f"rows of format {written}, this version reads {FORMAT}")
        return _positions.decode(value)
    except msgspec.DecodeError as error:
        raise RowError(f"a damaged position: {error}") from error
