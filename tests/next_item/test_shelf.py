"""What is suggested from rows, to whom, and why; and what a shelf holds."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.next_item.rows import RowKind, encode_key
from pipeline.next_item.shelf import Shelf
from pipeline.next_item.suggestion import Source
from pipeline.next_item.tables import Tables
from pipeline.next_item.touch import Touch
from tests.next_item.shop import ALL_ROWS, ITEMS, TINY, anything, best, named, recent, shelf_of, told, touches, visit

OWN = st.dictionaries(st.sampled_from([*ITEMS, "unheard"]), st.integers(1, 1_000), max_size=12)


def shelf_after(history: list[Touch]) -> Shelf:
    tables = Tables()
    for touch in history:
        tables.observe(touch)
    return shelf_of(tables)


@given(touches, OWN, st.sets(st.sampled_from(ITEMS)), st.integers(0, 12))
def test_only_what_may_be_shown_is_suggested_once_and_never_what_is_looked_at_now(
    history: list[Touch], own: dict[str, int], refused: set[str], k: int
) -> None:
    suggested = named(shelf_after(history).suggest("s", own, k, lambda item: item not in refused))
    assert len(suggested) == len(set(suggested)) <= k
    assert not refused & set(suggested)
    assert not own or next(reversed(own)) not in suggested


@given(touches, OWN)
def test_each_suggestion_says_why_and_its_first_reason_counted_most(history: list[Touch], own: dict[str, int]) -> None:
    suggestions = shelf_after(history).suggest("s", own, 20, anything)
    assert [one.score for one in suggestions] == sorted((one.score for one in suggestions), reverse=True)
    for one in suggestions:
        assert one.score == sum(reason.part for reason in one.reasons) > 0
        assert one.reasons[0].part == max(reason.part for reason in one.reasons)
        for reason in one.reasons:
            assert (reason.of != "") == (reason.source in (Source.TOGETHER, Source.CATEGORY))


@given(touches, OWN)
def test_one_site_suggests_nothing_of_another(history: list[Touch], own: dict[str, int]) -> None:
    of_site = [touch for touch in history if touch.site == "s"]
    assert named(shelf_after(history).suggest("s", own, 20, anything)) == named(
        shelf_after(of_site).suggest("s", own, 20, anything)
    )


def test_what_others_saw_with_the_item_of_now_is_suggested_and_named() -> None:
    tables = Tables()
    for _ in range(3):
        visit(tables, "tent sleeping-bag")
        visit(tables, "lamp bulb")
    first = shelf_of(tables).suggest("s", recent("tent"), 1, anything)[0]
    assert first.item == "sleeping-bag"
    assert ("together", "tent") in [(reason.source, reason.of) for reason in first.reasons]
    assert ("alike", "") in [(reason.source, reason.of) for reason in first.reasons]


def test_what_a_person_looked_at_before_comes_first() -> None:
    tables = Tables()
    visit(tables, "tent lamp")
    first = shelf_of(tables).suggest("s", recent("lamp bulb"), 1, anything)[0]
    assert first.item == "lamp"
    assert first.reasons[0].source == "own"


def test_what_was_put_aside_comes_before_what_was_looked_at_after_it() -> None:
    tables = Tables()
    visit(tables, "now")
    own = {"kept": 256, "looked-at": 64, "now": 64}
    assert named(shelf_of(tables).suggest("s", own, 2, anything)) == ["kept", "looked-at"]


def test_where_nothing_was_learned_of_a_site_nothing_is_suggested() -> None:
    tables = Tables()
    visit(tables, "a b", site="other")
    for shelf in (Shelf(), shelf_of(tables)):
        assert shelf.suggest("s", recent("a b"), 2, anything) == ()


def test_a_person_who_saw_nothing_that_others_saw_gets_what_is_popular_in_the_category() -> None:
    tables = Tables()
    for item in ("boots", "boots", "clogs", "sandals"):
        told(tables, item, "shoes")
    for _ in range(5):
        told(tables, "lamp", "light")
    suggested = shelf_of(tables).suggest("s", recent("sandals"), 3, anything)
    assert named(suggested) == ["boots", "clogs", "lamp"]
    assert (suggested[0].reasons[0].source, suggested[0].reasons[0].of) == ("category", "shoes")
    assert [reason.source for reason in suggested[2].reasons] == ["all"]


def test_what_is_popular_counts_less_the_better_the_item_of_now_is_known() -> None:
    scores = []
    for times in (1, 60):
        tables = Tables()
        for _ in range(5):
            visit(tables, "boots", "shoes")
        for _ in range(times):
            visit(tables, "sandals", "shoes")
        scores.append(shelf_of(tables).suggest("s", recent("sandals"), 1, anything)[0].score)
    assert scores[1] < scores[0] / 2


def test_a_stranger_gets_what_is_popular_and_an_empty_shelf_has_nothing() -> None:
    assert best(Shelf(), "") == best(Shelf(), "unheard") == []
    tables = Tables()
    for item in ("a", "b", "b"):
        told(tables, item)
    shelf = shelf_of(tables)
    assert best(shelf, "") == best(shelf, "unheard") == ["b", "a"]


# -- the shelf


def test_a_newer_row_replaces_the_older_also_where_that_was_read_and_a_tombstone_takes_it_out() -> None:
    tables, shelf = Tables(), Shelf()
    key = encode_key("s", RowKind.CATEGORY, "")
    for items in ("a", "b b b"):
        told(tables, items)
        for row in tables.changed(ALL_ROWS):
            shelf.put(*row)
        assert best(shelf, "")[0] == items[0]
    shelf.put(key, None)
    assert best(shelf, "") == []
    assert len(shelf) == 2


def test_a_row_that_cannot_be_read_is_counted_once_and_the_query_goes_on_without_it() -> None:
    tables = Tables()
    visit(tables, "a b", "shoes")
    shelf = shelf_of(tables)
    for kind, name in ((RowKind.ITEM, "a"), (RowKind.CATEGORY, "")):
        shelf.put(encode_key("s", kind, name), b"\x01\xc1")
    assert best(shelf, "b a") == ["b"]
    assert best(shelf, "a b") == ["a"]
    assert shelf.damaged == 2
    assert len(shelf) == 2


@given(touches, st.integers(0, 400))
def test_a_shelf_holds_no_more_than_it_may_and_counts_what_went(history: list[Touch], most: int) -> None:
    tables, shelf, whole = Tables(TINY), Shelf(most_bytes=most, most_decoded=2), Shelf()
    for touch in history:
        tables.observe(touch)
    rows = tables.changed(ALL_ROWS)
    for key, value in rows:
        shelf.put(key, value)
        whole.put(key, value)
    assert shelf.size <= most
    assert len(shelf) + shelf.dropped == len(whole)
    best(shelf, "i1 i2 i3 i4 i5")
    for key, _ in rows:
        shelf.put(key, None)
        whole.put(key, None)
    assert (len(shelf), shelf.size, len(whole), whole.size) == (0, 0, 0, 0)
