"""The position that stands beside the rows: what is read of it, and what is refused."""

import msgspec
import pytest

from pipeline.next_item.position import LaterFormatError, Position, decode_position, encode_position
from pipeline.next_item.rows import FORMAT, RowError


def test_what_is_written_is_read() -> None:
    position = Position(FORMAT, {0: 7, 3: 9}, began=5)
    assert decode_position(encode_position(position)) == position


def test_one_of_the_format_before_is_read_though_it_does_not_say_when_its_tables_began() -> None:
    written = msgspec.msgpack.encode({"format": FORMAT - 1, "offsets": {0: 7}})
    assert decode_position(written) == Position(FORMAT - 1, {0: 7}, began=0)


def test_one_of_a_later_format_is_told_from_a_damaged_one_whatever_else_it_holds() -> None:
    with pytest.raises(LaterFormatError, match=f"format {FORMAT + 1}, this version reads {FORMAT}"):
        decode_position(msgspec.msgpack.encode({"format": FORMAT + 1, "places": []}))
    for damaged in (b"", b"\xc1", msgspec.msgpack.encode({"format": FORMAT})):
        with pytest.raises(RowError, match="damaged") as refusal:
            decode_position(damaged)
        assert not isinstance(refusal.value, LaterFormatError)
