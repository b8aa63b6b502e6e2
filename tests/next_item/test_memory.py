"""What a memory keeps, and that it stays within its limits."""

from hypothesis import given

from pipeline.config.durations import MINUTE
from pipeline.next_item.memory import CEILING, Limits, Memory, Touch, observe
from tests.next_item.shop import TINY, Event, events, told, visit


@given(events())
def test_no_table_grows_over_its_limit(history: list[Event]):
    memory = told(history, Memory(limits=TINY))
    assert len(memory.persons) <= TINY.persons
    assert len(memory.items) <= TINY.items
    assert len(memory.sessions) <= TINY.sessions
    assert len(memory.popular) <= TINY.categories
    assert all(len(person.items) <= TINY.own for person in memory.persons.values())
    assert all(len(seen) <= TINY.session_items for seen in memory.sessions.values())
    for item in memory.items.values():
        assert len(item.near) <= 2 * TINY.near
        assert len(item.sessions) <= 2 * TINY.sessions_of_item
    for weights in (*memory.popular.values(), *(item.near for item in memory.items.values())):
        assert all(0 < weight < CEILING for weight in weights.values())
        assert len(weights) <= 2 * max(TINY.near, TINY.popular)


def test_a_session_ends_after_half_an_hour_of_silence():
    memory = Memory()
    for at in (0, 30, 60, 91):
        observe(memory, "p", f"at {at}", "", Touch.LOOKED, at * MINUTE)
    assert [list(seen) for seen in memory.sessions.values()] == [["at 0", "at 30", "at 60"], ["at 91"]]


def test_a_late_touch_belongs_to_the_open_session_and_does_not_turn_the_clock_back():
    memory = Memory()
    for at in (100, 20, 129):
        observe(memory, "p", f"at {at}", "", Touch.LOOKED, at * MINUTE)
    assert list(memory.sessions) == [0]


def test_items_of_one_session_are_near_each_other_the_closer_the_nearer():
    memory = Memory()
    visit(memory, "p", "a b c")
    assert memory.items["a"].near["b"] > memory.items["a"].near["c"] > 0
    assert memory.items["c"].near["b"] == memory.items["b"].near["c"]


def test_items_of_different_sessions_are_not_near():
    memory = Memory()
    visit(memory, "p", "a", day=0)
    visit(memory, "p", "b", day=1)
    assert memory.items["a"].near == {}


def test_whoever_was_not_there_for_longest_makes_room():
    memory = Memory(limits=Limits(persons=2))
    for day, person in enumerate(("first", "second", "first", "third")):
        visit(memory, person, "a", day)
    assert list(memory.persons) == ["first", "third"]


def test_a_new_favourite_overtakes_an_old_one_since_weights_age():
    memory = Memory(limits=Limits(popular=2))
    visit(memory, "p", "old " * 1000)
    visit(memory, "p", "new " * 400, day=1)
    popular = memory.popular[""]
    assert popular["new"] > popular["old"]


def test_the_category_of_an_item_is_the_one_told_last():
    memory = Memory()
    visit(memory, "p", "a", category="shoes")
    visit(memory, "p", "a", category="boots")
    visit(memory, "p", "a", category="")
    assert memory.items["a"].category == "boots"
