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


def known(ring: bytes, count: int) -> list[bool]:
    return [recent.contains(ring, recent.digest(f"e{n}")) for n in range(count)]


def test_the_last_64_ids_are_known_and_at_most_seven_more() -> None:
    for count in range(64, 200):
        ring, _ = ring_of([T0 + n for n in range(count)])
        more = sum(known(ring, count)) - 64
        assert 0 <= more <= 7
        assert known(ring, count) == [False] * (count - 64 - more) + [True] * (64 + more)
        assert len(ring) < 8 * 43 + 40


def test_what_had_to_go_was_seen_by_the_time_that_is_told() -> None:
    ring, evicted = ring_of([T0 + n * 10_000 for n in range(72)])
    assert known(ring, 72) == [False] * 8 + [True] * 64
    assert T0 + 70_000 <= evicted < T0 + 71_000


def test_ids_older_than_48_hours_go() -> None:
    ring, evicted = ring_of([T0, T0 + HOUR, T0 + 50 * HOUR])
    assert known(ring, 3) == [False, False, True]
    assert T0 + HOUR <= evicted < T0 + HOUR + 1_000


def test_blocks_older_than_48_hours_go_and_those_after_them_stay() -> None:
    ring, evicted = ring_of([*(T0 + n for n in range(8)), T0 + 10 * HOUR, T0 + 50 * HOUR])
    assert known(ring, 10) == [False] * 8 + [True] * 2
    assert T0 <= evicted < T0 + 1_000


def test_a_hash_is_found_at_its_own_place_only() -> None:
    mark = recent.digest("x")
    assert not recent.contains(b"\0" + mark + b"\0\0\0\0", mark)
    assert not recent.contains(bytes(40) + mark[:3] + mark[3:] + bytes(3), mark)
    assert recent.contains(bytes(5) + mark, mark)
    assert recent.contains(bytes(43 + 35) + mark + bytes(3), mark)


def test_seconds_wrap_and_times_stay_right() -> None:
    wrap = 2**24 * 1_000 * 101
    ring, evicted = ring_of([*([wrap - 2_000] * 8), wrap + 1_000, wrap + 48 * HOUR])
    assert known(ring, 10) == [False] * 8 + [True] * 2
    assert wrap - 2_000 <= evicted < wrap


def test_what_was_kept_before_there_were_blocks_is_still_known() -> None:
    entries = b"".join(recent.digest(f"e{n}") + ((T0 // 1000 + n) & 0xFFFFFF).to_bytes(3) for n in range(64))
    ring = recent.of_entries(entries, T0 + 63_000)
    assert known(ring, 64) == [True] * 64
    assert ring == ring_of([T0 + n * 1_000 for n in range(64)])[0]


def test_64_ids_within_ten_seconds_are_in_a_hurry_and_spread_over_more_they_are_not() -> None:
    def hurried(every: int, before: int) -> bool:
        times = [*(T0 - HOUR + n for n in range(before)), *(T0 + n * every for n in range(64))]
        found = [recent.hurried(ring_of(times[: n + 1])[0], times[n]) for n in range(len(times))]
        return any(found)

    for before in range(8):
        assert hurried(150, before)
        assert not hurried(200, before)
