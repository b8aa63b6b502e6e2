"""A memory that was written and read goes on exactly as the one that was not."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.next_item.memory import Limits, Memory
from pipeline.next_item.snapshot import FORMAT, SnapshotError, decode, encode
from pipeline.next_item.suggest import suggest
from tests.next_item.shop import PERSONS, TINY, Event, anything, events, told, visit


@given(events(), events(), st.sampled_from([TINY, Limits()]))
def test_a_fold_goes_on_from_a_snapshot_as_if_there_had_been_none(before: list[Event], after: list[Event], limits):
    straight = told(before, Memory(limits=limits))
    resumed = decode(encode(straight))
    assert resumed == straight
    told(after, straight)
    told(after, resumed)
    assert encode(resumed) == encode(straight)
    for person in PERSONS:
        assert suggest(resumed, person, 20, anything) == suggest(straight, person, 20, anything)


def test_a_snapshot_is_its_format_and_plain_arrays():
    memory = Memory()
    visit(memory, "p", "a b", category="shoes")
    data = encode(memory)
    assert data[0] == FORMAT
    plain = msgspec.msgpack.decode(data[1:])
    assert plain[3] == ["a", "shoes", "b", ""]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "format none"),
        (bytes([FORMAT + 1]) + encode(Memory())[1:], f"format {FORMAT + 1}, this version reads {FORMAT}"),
        (encode(Memory())[:-1], "damaged"),
    ],
)
def test_what_is_no_snapshot_of_this_version_is_refused(data: bytes, words: str):
    with pytest.raises(SnapshotError, match=words):
        decode(data)


def test_a_snapshot_that_points_nowhere_is_refused():
    memory = Memory()
    visit(memory, "p", "a b")
    plain = msgspec.msgpack.decode(encode(memory)[1:])
    plain[3] = ["a"]
    with pytest.raises(SnapshotError, match="damaged"):
        decode(bytes([FORMAT]) + msgspec.msgpack.encode(plain))
