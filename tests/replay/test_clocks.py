"""The clock of a replay is told as often as there are events to tell it between, and never too seldom."""

from itertools import pairwise

from pipeline.replay.clocks import EVENTS_PER_CLOCK, LONGEST, ClockTimes

MINUTE = 60_000
HOUR = 60 * MINUTE


def tellings(events: list[int], partitions: int, until: int) -> list[int]:
    clock, told = ClockTimes(events[0], partitions), []
    for at in [*events, until]:
        while clock.due_ms < at:
            told.append(clock.due_ms)
            clock.told()
        clock.event(at)
    return told


def test_a_clock_a_minute_at_most():
    events = list(range(0, 60 * MINUTE, 10))
    assert tellings(events, 2, events[-1]) == list(range(MINUTE, 60 * MINUTE, MINUTE))


def test_where_events_are_steady_there_is_a_record_for_five_of_them():
    partitions = 20
    events = list(range(0, 500 * HOUR, 2 * MINUTE))
    records = partitions * len(tellings(events, partitions, events[-1]))
    assert 0.9 < records * EVENTS_PER_CLOCK / len(events) < 1.1


def test_a_dense_week_in_a_sparse_year_is_told_densely():
    year = list(range(0, 300 * 24 * HOUR, 6 * HOUR))
    week = list(range(year[-1], year[-1] + 7 * 24 * HOUR, 10_000))
    told = tellings([*year, *week], 4, week[-1])
    assert {b - a for a, b in pairwise(told) if b < week[0] and a > 30 * 24 * HOUR} == {LONGEST}
    assert max(b - a for a, b in pairwise(told) if a > week[0] + 24 * HOUR) < 5 * MINUTE


def test_a_long_silence_is_told_a_few_times_a_day():
    told = tellings(list(range(0, HOUR, 1_000)), 4, 100 * 24 * HOUR)
    silent = [at for at in told if at > HOUR]
    assert max(b - a for a, b in pairwise(silent)) == LONGEST
    assert len(silent) < 100 * 4 + 20
