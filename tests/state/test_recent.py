"""The last event ids of a person."""

from pipeline.state import recent

HOUR = 3_600_000
T0 = 1_700_000_000_000


def ring_of(times: list[int]) -> tuple[bytes, int]:
    ring, evicted = b"", 0
    for number, at in enumerate(times):
        ring, gone = recent.append(ring, recent.digest(f"e{number}"), at, max(times[:number], default=0))
        evicted = max(evicted, gone)
    return ring, evicted


def test_the_last_64_ids_are_known() -> None:
    ring, _ = ring_of([T0 + n for n in range(100)])
    known = [recent.contains(ring, recent.digest(f"e{n}")) for n in range(100)]
    assert known == [False] * 36 + [True] * 64
    assert len(ring) == 64 * 8


def test_ids_older_than_48_hours_go() -> None:
    ring, evicted = ring_of([T0, T0 + HOUR, T0 + 50 * HOUR])
    assert [recent.contains(ring, recent.digest(f"e{n}")) for n in range(3)] == [False, False, True]
    assert T0 + HOUR <= evicted < T0 + HOUR + 1_000


def test_a_hash_is_found_at_its_own_place_only() -> None:
    mark = recent.digest("x")
    assert not recent.contains(b"\0" + mark + b"\0\0", mark)
    assert recent.contains(bytes(8) + mark + bytes(3), mark)


def test_seconds_wrap_and_times_stay_right() -> None:
    wrap = 2**24 * 1_000 * 101
    ring, evicted = ring_of([wrap - 2_000, wrap + 49 * HOUR])
    assert len(ring) == 8
    assert wrap - 2_000 <= evicted < wrap
