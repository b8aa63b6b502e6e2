"""Frames."""

import msgspec
import pytest

from pipeline.log import consent
from pipeline.log.frames import (
    FORMAT,
    MAX_FRAME_BYTES,
    Beat,
    Frame,
    FrameError,
    FrameKind,
    Mark,
    decode_frame,
    encode_frame,
    encode_rows,
)
from pipeline.log.rejects import cut
from pipeline.log.rows import CartRow, Click, IdentifyRow, Line, Row


def row(offset: int, size: int = 0) -> Row:
    return Row(1, offset, 0, 5, "s|c|x", IdentifyRow("e" * size, 5, "login"))


def test_a_frame_comes_back_as_it_was() -> None:
    lines = (Line("a", 2, -1, "", "b"),)
    rows = (
        row(1),
        Row(2, 3, 1, 4, "s|a|y", CartRow("e", 1, 2, 3, "EUR", "", "", "", 0, lines)),
        Row(2, 4, 0, 4, "s|a|y", Click("e", 1, 2, "mobile", "app", "pl", 5, "home", ())),
    )
    frame = Frame(FORMAT, FrameKind.EVENTS, "live", rows, (Mark(1, 2),), (Beat("s", 1, 2, 3),))
    assert decode_frame(encode_frame(frame)) == frame


@pytest.mark.parametrize("data", [b"", b"\xc1", b"{}", msgspec.msgpack.encode(["x"])])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError, match="not a frame"):
        decode_frame(data)


def test_a_frame_of_a_later_format_is_refused() -> None:
    with pytest.raises(FrameError, match="format 9"):
        decode_frame(encode_frame(Frame(9, FrameKind.TICK, "live")))


def test_rows_that_fit_are_one_frame() -> None:
    assert len(encode_rows(FrameKind.EVENTS, "live", [row(n) for n in range(1_000)])) == 1


def test_rows_that_do_not_are_several_in_their_order() -> None:
    rows = [row(n, 60_000) for n in range(40)]
    frames = encode_rows(FrameKind.EVENTS, "live", rows)
    assert len(frames) >= 5
    assert all(len(data) <= MAX_FRAME_BYTES for data in frames)
    assert [r.offset for data in frames for r in decode_frame(data).rows] == list(range(40))


def test_consent_mode_is_packed_and_unpacked() -> None:
    packed = consent.pack(("granted", "denied", None, None, "granted"))
    assert dict(consent.signals(packed)) == {
        "analytics_storage": True,
        "personalization_storage": False,
        "ad_personalization": True,
    }
    assert consent.pack((None,) * 5) == 0


def test_a_refused_value_is_cut_but_its_hash_is_of_the_whole() -> None:
    assert cut(b"abcdef", 3)[0::2] == (b"abc", True)
    assert cut(b"abc", 3)[0::2] == (b"abc", False)
    assert cut(b"abcdef", 3)[1] == cut(b"abcdef", 100)[1]
