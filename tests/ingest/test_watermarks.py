"""Up to when sources have been read, and which of them wait for the others."""

from pipeline.ingest.watermarks import Alignment, Progress, Watermarks
from pipeline.log.frames import Mark


def test_a_source_read_to_its_end_has_been_read_up_to_when_the_end_was_asked_for() -> None:
    assert Watermarks(10).from_progress([Progress(3, 7, 7, 1_000, 500)]) == [Mark(3, 990)]


def test_a_source_that_lags_has_been_read_up_to_its_newest_record() -> None:
    assert Watermarks(10).from_progress([Progress(3, 6, 7, 1_000, 500)]) == [Mark(3, 490)]


def test_an_idle_source_holds_nobody_back_and_one_never_read_does() -> None:
    marks = Watermarks(10)
    assert marks.from_progress([Progress(0, 0, 0, 1_000, 0), Progress(1, 0, 9, 1_000, 0)]) == [Mark(0, 990)]


def test_watermarks_only_rise() -> None:
    marks = Watermarks(0)
    assert marks.from_progress([Progress(3, 7, 7, 1_000, 0)]) == [Mark(3, 1_000)]
    assert marks.from_progress([Progress(3, 7, 9, 2_000, 900)]) == []
    assert marks.from_progress([Progress(3, 9, 9, 999, 0)]) == []
    assert marks.from_clocks({3: 1_000, 4: 1}) == [Mark(4, 1)]
    assert marks.from_clocks({3: 1_001}) == [Mark(3, 1_001)]


def test_what_another_process_reads_is_forgotten() -> None:
    marks = Watermarks(0)
    marks.from_clocks({1: 5, 2: 5})
    marks.keep({2})
    assert marks.from_clocks({1: 3, 2: 4}) == [Mark(1, 3)]


MINUTE = 60_000


def test_who_runs_ahead_of_the_slowest_that_lags_waits() -> None:
    alignment = Alignment(MINUTE, 10 * MINUTE)
    newest = {1: 0, 2: MINUTE, 3: MINUTE + 1, 4: 99 * MINUTE}
    assert alignment.held_back(newest, {1, 2, 3}, 0) == {3}
    assert alignment.held_back(newest, {1, 2, 3, 4}, 0) == {3, 4}


def test_nobody_waits_for_idle_sources_nor_for_himself() -> None:
    alignment = Alignment(MINUTE, 10 * MINUTE)
    assert alignment.held_back({1: 0, 2: 99 * MINUTE}, {2}, 0) == set()
    assert alignment.held_back({1: 0, 2: 99 * MINUTE}, set(), 0) == set()


def test_who_has_waited_too_long_is_read_on_and_counted() -> None:
    alignment = Alignment(MINUTE, 1_000)
    newest = {1: 0, 2: 2 * MINUTE}
    assert alignment.held_back(newest, {1, 2}, 0) == {2}
    assert alignment.held_back(newest, {1, 2}, 1_000) == {2}
    assert alignment.held_back(newest, {1, 2}, 1_001) == set()
    assert alignment.overruns == 1
    assert alignment.held_back(newest, {1, 2}, 1_002) == {2}
