"""Timers, and the flow of a site's orders."""

from random import Random

from pipeline.engine import flow
from pipeline.engine.timers import Timers
from pipeline.log.frames import Beat, join
from pipeline.state.partition import SiteFlow

MINUTE = 60_000


def test_who_is_due_is_given_once() -> None:
    timers = Timers([(5, "a"), (7, "b")])
    assert timers.pop_due(4) == []
    assert timers.pop_due(5) == ["a"]
    assert timers.pop_due(9) == ["b"]
    assert len(timers) == 0


def test_the_earliest_of_a_persons_timers_stands() -> None:
    timers = Timers()
    for due in (9, 5, 7):
        timers.set("a", due)
    assert len(timers) == 1
    assert timers.pop_due(5) == ["a"]
    assert timers.pop_due(99) == []


def test_a_person_may_be_dropped_and_set_again() -> None:
    timers = Timers([(5, "a")])
    timers.drop("a")
    assert timers.pop_due(9) == []
    timers.set("a", 5)
    timers.drop("a")
    timers.set("a", 20)
    assert timers.pop_due(19) == []
    assert timers.pop_due(20) == ["a"]


def test_timers_built_anew_are_those_that_were_set() -> None:
    random = Random(5)
    entries = [(random.randint(0, 50), f"p{random.randint(0, 20)}") for _ in range(200)]
    built, set_ = Timers(entries), Timers()
    for due, person in entries:
        set_.set(person, due)
    for now in range(0, 60, 5):
        assert sorted(built.pop_due(now)) == sorted(set_.pop_due(now))


def told(*beats: tuple[int, int, int]) -> SiteFlow:
    state = SiteFlow()
    for activity, order, orders in beats:
        state = flow.beat(state, Beat("s", activity * MINUTE, order * MINUTE, orders))
    return state


def silent(state: SiteFlow | None) -> bool:
    return flow.orders_silent(state, 30 * MINUTE)


def test_a_site_without_visitors_is_not_silent() -> None:
    assert not silent(None)
    assert not silent(told((0, 5, 1)))


def test_before_the_first_order_the_shortest_silence_is_the_limit() -> None:
    assert not silent(told((100, 0, 0), (129, 0, 0)))
    assert silent(told((100, 0, 0), (130, 0, 0)))


def test_after_orders_it_is_ten_times_their_usual_gap_but_never_shorter() -> None:
    often = [(n, n, 1) for n in range(100, 110)]
    assert not silent(told(*often, (138, 0, 0)))
    assert silent(told(*often, (139, 0, 0)))
    rare = [(n, n, 1) for n in range(100, 200, 10)]
    assert not silent(told(*rare, (289, 0, 0)))
    assert silent(told(*rare, (290, 0, 0)))


def test_orders_that_are_all_in_the_first_beat_tell_their_usual_gap() -> None:
    state = flow.beat(SiteFlow(), Beat("s", 100 * MINUTE, 100 * MINUTE, 11, 50 * MINUTE))
    assert state.gaps == (5 * MINUTE,) * 10
    assert not silent(flow.beat(state, Beat("s", 149 * MINUTE, 0, 0)))
    assert silent(flow.beat(state, Beat("s", 150 * MINUTE, 0, 0)))


def test_beats_joined_say_what_both_say() -> None:
    one, two, none = Beat("s", 5, 4, 2, 3), Beat("s", 7, 6, 1, 6), Beat("s", 9, 0, 0)
    assert join(one, two) == Beat("s", 7, 6, 3, 3)
    assert join(none, one) == join(one, none) == Beat("s", 9, 4, 2, 3)


def test_an_order_ends_the_silence() -> None:
    state = told((100, 0, 0), (140, 0, 0))
    assert silent(state)
    assert not silent(flow.beat(state, Beat("s", 0, 139 * MINUTE, 1)))


def test_a_beat_told_twice_changes_nothing() -> None:
    state = told((100, 100, 1), (110, 110, 5))
    assert flow.beat(state, Beat("s", 110 * MINUTE, 110 * MINUTE, 5)) == state
    assert flow.beat(state, Beat("s", 5, 5, 9)) == state


def test_gaps_are_bounded_and_spread_over_the_orders_of_a_beat() -> None:
    state = told((0, 100, 1), (0, 160, 60), (0, 170, 1))
    assert state.gaps == (MINUTE,) * 14 + (10 * MINUTE,)
