"""Touches as a record of the topic."""

import msgspec
import pytest
from hypothesis import given

from pipeline.next_item.touch import FORMAT, Touch, TouchError, decode_touches, encode_touch, encode_touches
from tests.next_item.shop import touches

ONE = encode_touches([encode_touch(Touch("s", "a", "shoes", ("b",), new=True))])


@given(touches)
def test_what_is_written_is_read(written: list[Touch]) -> None:
    assert decode_touches(encode_touches([encode_touch(touch) for touch in written])) == tuple(written)


def test_a_record_is_its_format_and_plain_arrays_that_name_nobody() -> None:
    assert ONE[0] == FORMAT
    assert msgspec.msgpack.decode(ONE[1:]) == [["s", "a", "shoes", ["b"], True]]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "format none"),
        (bytes([FORMAT + 1]) + ONE[1:], f"format {FORMAT + 1}, this version reads {FORMAT}"),
        (ONE[:-1], "damaged"),
        (ONE[:1] + msgspec.msgpack.encode([["s", "a"]]), "damaged"),
    ],
)
def test_what_are_no_touches_of_this_version_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(TouchError, match=words):
        decode_touches(data)
