"""What few people have done is told to nobody: how many it takes, who counts, and what is said of one's own items."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from pipeline.next_item.shelf import Shelf
from pipeline.next_item.suggestion import Source
from pipeline.next_item.tables import LEAST_PEOPLE, Tables
from pipeline.next_item.touch import Touch
from tests.next_item.shop import ALL_ROWS, ITEMS, TINY, anything, best, recent, shelf_of, told, visit

PEOPLE = ["ann", "bob", "cid", "dee"]

visits = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.lists(st.sampled_from(ITEMS[:6]), min_size=1, max_size=5)), max_size=25
)
"""Of whom, and what they touched in it, one after another."""


class Crowd:
    """People who forget nothing, what they have touched, and what the tables have learned of them."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.own: dict[str, list[str]] = {person: [] for person in PEOPLE}
        self.touched: dict[str, set[str]] = defaultdict(set)
        self.paired: dict[frozenset[str], set[str]] = defaultdict(set)

    def visit(self, person: str, items: list[str]) -> None:
        before: list[str] = []
        own = self.own[person]
        for item in items:
            before = [other for other in before if other != item]
            self.tables.observe(Touch("s", item, "shoes", tuple(before), item not in own))
            self.touched[item].add(person)
            for other in before:
                self.paired[frozenset((item, other))].add(person)
            own[:] = [*(known for known in own if known != item), item]
            before.insert(0, item)


@given(visits, visits)
def test_what_is_told_and_is_not_ones_own_comes_of_enough_others_also_after_a_restart(
    before: list[tuple[str, list[str]]], after: list[tuple[str, list[str]]]
) -> None:
    crowd = Crowd(Tables())
    for person, items in before:
        crowd.visit(person, items)
    rows = dict(crowd.tables.changed(ALL_ROWS))
    crowd.tables = Tables()
    for key, value in rows.items():
        crowd.tables.restore(key, value)
    for person, items in after:
        crowd.visit(person, items)
    shelf = Shelf()
    for key, value in (rows | dict(crowd.tables.changed(ALL_ROWS))).items():
        shelf.put(key, value)
    for asker, own in crowd.own.items():
        for one in shelf.suggest("s", recent(" ".join(own)), 20, anything):
            if one.item in own:
                assert [reason.source for reason in one.reasons] == [Source.OWN]
                continue
            assert len(crowd.touched[one.item] - {asker}) >= LEAST_PEOPLE
            for reason in one.reasons:
                if reason.source is Source.TOGETHER:
                    assert len(crowd.paired[frozenset((one.item, reason.of))] - {asker}) >= LEAST_PEOPLE


def test_an_item_is_told_with_the_last_of_the_people_that_it_takes() -> None:
    tables = Tables()
    for _ in range(LEAST_PEOPLE - 1):
        visit(tables, "tent lamp", "camping")
        assert best(shelf_of(tables), "tent") == []
    visit(tables, "tent lamp", "camping")
    assert best(shelf_of(tables), "tent") == ["lamp"]


def test_one_person_who_does_the_same_over_and_over_counts_once() -> None:
    tables = Tables()
    visit(tables, "tent lamp", "camping")
    for _ in range(50):
        tables.observe(Touch("s", "tent", "camping", (), new=False))
        tables.observe(Touch("s", "lamp", "camping", ("tent",), new=False))
    assert best(shelf_of(tables), "tent") == best(shelf_of(tables), "") == []


def test_what_many_saw_though_few_of_them_together_is_told_as_popular_alone() -> None:
    tables = Tables()
    told(tables, "lamp", "camping")
    visit(tables, "tent lamp", "camping")
    (suggested,) = shelf_of(tables).suggest("s", recent("tent"), 5, anything)
    assert suggested.item == "lamp"
    assert {reason.source for reason in suggested.reasons} == {Source.CATEGORY, Source.ALL}


def test_what_few_saw_together_moves_what_a_person_knows_and_does_not_say_so() -> None:
    tables = Tables()
    visit(tables, "tent lamp", "camping")
    visit(tables, "rope", "camping")
    shelf = shelf_of(tables)
    assert best(shelf, "lamp rope tent") == ["lamp", "rope"]
    assert best(shelf, "rope lamp hook") == ["lamp", "rope"]
    (first, _) = shelf.suggest("s", recent("lamp rope tent"), 5, anything)
    assert [reason.source for reason in first.reasons] == [Source.OWN]


def test_people_are_remembered_though_weights_age_away() -> None:
    tables = Tables(TINY)
    told(tables, "tent lamp")
    for _ in range(2_000):
        tables.observe(Touch("s", "tent", "", ("rope",), new=False))
    assert best(shelf_of(tables), "tent") == ["lamp"]
