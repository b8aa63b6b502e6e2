"""Versions of every age are there to go back to, and not many in all."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.learner.spacing import CLOSEST, FARTHEST, LATEST, MOST, spaced

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
runs = st.lists(
    st.tuples(st.sampled_from([SECOND // 4, 5 * SECOND, MINUTE, 10 * MINUTE, HOUR, 30 * HOUR]), st.integers(1, 150)),
    min_size=1,
    max_size=6,
)
"""Steps between versions, each so many times."""


def told(steps: list[tuple[int, int]]) -> tuple[list[int], dict[int, int]]:
    """When all versions were published, and those that are kept in the end. It never keeps too many meanwhile."""
    now, every, kept = 0, [], {}
    for step, times in steps:
        for _ in range(times):
            now += step
            every.append(now)
            kept[len(every)] = now
            kept = {version: kept[version] for version in spaced(kept, now)}
            assert len(kept) <= MOST
    return every, kept


@given(runs)
@settings(max_examples=60, deadline=None)
def test_of_any_age_up_to_a_day_there_is_one_at_most_twice_as_old(steps: list[tuple[int, int]]) -> None:
    every, kept = told(steps)
    now = every[-1]
    ages = [now - at for at in every]
    for asked in (CLOSEST << double for double in range(10)):
        next_older = min((age for age in ages if age >= asked), default=None)
        if next_older is None:
            continue
        assert min(now - at for at in kept.values() if now - at >= asked) <= max(2 * asked, next_older)


def test_after_two_days_of_a_version_every_five_seconds_few_are_kept_and_one_of_them_is_a_day_old() -> None:
    every, kept = told([(5 * SECOND, 2 * 24 * 720)])
    ages = sorted(every[-1] - at for at in kept.values())
    assert ages[:LATEST] == [0, 5_000, 10_000, 15_000]
    assert 15 <= len(ages) <= 22
    assert FARTHEST <= ages[-1] <= 2 * FARTHEST
    assert sum(age >= FARTHEST for age in ages) == 1
    assert any(30 * MINUTE <= age <= HOUR for age in ages)


def test_a_clock_that_was_set_back_drops_none_of_the_latest() -> None:
    published = {version: version * HOUR for version in range(1, 9)}
    assert {6, 7, 8, 9} <= spaced({**published, 9: 0}, 0)
