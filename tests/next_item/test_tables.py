"""What the tables learn, that they stay within their limits, and that their rows are all of them."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.next_item.rows import (
    FORMAT,
    CategoryRow,
    ItemRow,
    RowError,
    RowKind,
    decode_category,
    decode_item,
    decode_key,
    encode_key,
)
from pipeline.next_item.tables import CEILING, RANKED, Limits, Tables
from pipeline.next_item.touch import Touch
from tests.next_item.shop import ALL_ROWS, TINY, Row, told, touches, visit


def kept(rows: list[Row]) -> dict[bytes, bytes]:
    """What compaction leaves of rows."""
    left: dict[bytes, bytes] = {}
    for key, value in rows:
        left.pop(key, None)
        if value is not None:
            left[key] = value
    return left


def item_of(tables: Tables, name: str, site: str = "s") -> ItemRow:
    """The item's row among those that have changed."""
    return decode_item(kept(tables.changed(ALL_ROWS))[encode_key(site, RowKind.ITEM, name)])


def popular_of(tables: Tables, category: str = "") -> CategoryRow:
    return decode_category(kept(tables.changed(ALL_ROWS))[encode_key("s", RowKind.CATEGORY, category)])


def near(row: ItemRow) -> dict[str, int]:
    return dict(zip((*row.pulls, *row.untold, *row.more), row.near, strict=True))


# -- rows are the checkpoint


@given(touches, touches, touches, st.sampled_from([TINY, Limits()]), st.randoms())
def test_tables_that_were_rebuilt_from_rows_go_on_exactly_as_those_that_wrote_them(
    first: list[Touch], second: list[Touch], after: list[Touch], limits: Limits, chance
) -> None:
    straight, resumed = Tables(limits), Tables(limits)
    rows: list[Row] = []
    for batch in (first, second):
        for touch in batch:
            straight.observe(touch)
        rows += straight.changed(ALL_ROWS)
    compacted = list(kept(rows).items())
    chance.shuffle(compacted)
    for key, value in compacted:
        resumed.restore(key, value)
    assert len(resumed) == len(straight) == len(compacted)
    for touch in after:
        straight.observe(touch)
        resumed.observe(touch)
    assert resumed.changed(ALL_ROWS) == straight.changed(ALL_ROWS)


@given(touches, touches)
def test_rows_of_a_topic_that_was_not_compacted_rebuild_the_same(first: list[Touch], second: list[Touch]) -> None:
    tables, rows = Tables(TINY), []
    for batch in (first, second):
        for touch in batch:
            tables.observe(touch)
        rows += tables.changed(ALL_ROWS)
    whole, compacted = Tables(TINY), Tables(TINY)
    for key, value in rows:
        whole.restore(key, value)
    for key, value in kept(rows).items():
        compacted.restore(key, value)
    for one in (whole, compacted):
        for touch in first:
            one.observe(touch)
    assert whole.changed(ALL_ROWS) == compacted.changed(ALL_ROWS)


@given(touches, st.integers(1, 5))
def test_rows_are_taken_in_pieces_the_oldest_change_first_and_none_twice(history: list[Touch], most: int) -> None:
    tables = Tables()
    for touch in history:
        tables.observe(touch)
    rows: list[Row] = []
    while tables.waiting:
        piece = tables.changed(most)
        assert 0 < len(piece) <= most
        rows += piece
    assert tables.changed(most) == []
    assert len(kept(rows)) == len(rows) == len(tables)
    numbers = [
        (decode_item if decode_key(key).kind is RowKind.ITEM else decode_category)(value or b"").number
        for key, value in rows
    ]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "format none"),
        (bytes([FORMAT + 1]), f"format {FORMAT + 1}, this version reads {FORMAT}"),
        (bytes([FORMAT]) + b"\x93", "damaged"),
    ],
)
@pytest.mark.parametrize("kind", RowKind)
def test_a_damaged_row_is_refused_and_changes_nothing(kind: RowKind, value: bytes, words: str) -> None:
    tables = Tables()
    visit(tables, "a b", "shoes")
    tables.changed(ALL_ROWS)
    with pytest.raises(RowError, match=words):
        tables.restore(encode_key("s", kind, "a" if kind is RowKind.ITEM else "shoes"), value)
    with pytest.raises(RowError, match="not the key"):
        tables.restore(b"\xc1", value)
    assert len(tables) == 4, "two items, a category and all"


# -- limits


@given(touches)
def test_no_table_grows_over_its_limit_and_what_made_room_is_gone_from_the_rows(history: list[Touch]) -> None:
    tables, rows = Tables(TINY), []
    for touch in history:
        tables.observe(touch)
        rows += tables.changed(ALL_ROWS)
    left = kept(rows)
    assert len(left) == len(tables)
    kinds = [decode_key(key).kind for key in left]
    assert kinds.count(RowKind.ITEM) <= TINY.items
    assert kinds.count(RowKind.CATEGORY) <= TINY.categories
    for kind, value in zip(kinds, left.values(), strict=True):
        if kind is RowKind.ITEM:
            row = decode_item(value)
            assert max(len(row.pulls), len(row.untold)) <= RANKED
            assert len(row.near) <= 2 * TINY.near
            assert all(0 < weight < CEILING for weight in row.near)
        else:
            popular = decode_category(value)
            assert len(popular.names) <= 2 * TINY.popular
            best, more = popular.weights[: len(popular.names)], popular.weights[len(popular.names) :]
            assert best == sorted(best, reverse=True)
            assert more == sorted(more, reverse=True)


def test_what_did_not_change_for_longest_makes_room() -> None:
    tables = Tables(Limits(items=2))
    for item in ("first", "second", "first", "third"):
        visit(tables, item)
    left = {decode_key(key).name for key in kept(tables.changed(ALL_ROWS))}
    assert left == {"", "first", "third"}


def test_an_item_has_its_row_though_all_of_its_site_made_room_for_another_site() -> None:
    tables = Tables(Limits(categories=1))
    told(tables, "a b")
    visit(tables, "c", site="t")
    assert list(item_of(tables, "a").pulls) == ["b"]


def test_a_new_favourite_overtakes_an_old_one_since_weights_age() -> None:
    tables = Tables(Limits(popular=2))
    for item, times in (("old", 1_000), ("new", 400)):
        for _ in range(times):
            visit(tables, item)
    assert popular_of(tables).names[0] == "new"


# -- what is learned


def test_items_of_one_visit_are_near_each_other_the_closer_the_nearer() -> None:
    of = {name: near(item_of(_visited("a b c"), name)) for name in "abc"}
    assert of["a"]["b"] > of["a"]["c"] > 0
    assert of["c"]["b"] == of["b"]["c"]


def _visited(items: str) -> Tables:
    tables = Tables()
    visit(tables, items)
    return tables


def test_items_of_different_visits_and_of_different_sites_are_not_near() -> None:
    tables = Tables()
    visit(tables, "a")
    visit(tables, "b")
    visit(tables, "a c", site="t")
    assert near(item_of(tables, "a")) == {}


def test_of_two_that_were_seen_as_often_the_rare_one_is_more_alike() -> None:
    tables = Tables()
    for _ in range(40):
        visit(tables, "common")
    told(tables, "a common")
    told(tables, "a rare")
    row = item_of(tables, "a")
    alike = dict(zip(row.pulls, row.alike, strict=True))
    assert alike["rare"] > alike["common"]


def test_what_is_of_the_same_category_follows_an_item_first() -> None:
    tables = Tables()
    visit(tables, "sandals", "shoes")
    visit(tables, "lamp", "light")
    visit(tables, "boots", "shoes")
    for _ in range(2):
        told(tables, "boots lamp")
    told(tables, "boots sandals")
    assert list(item_of(tables, "boots").pulls) == ["sandals", "lamp"]


def test_the_category_of_an_item_is_the_one_told_last() -> None:
    tables = Tables()
    for category in ("shoes", "boots", ""):
        visit(tables, "a", category)
    assert item_of(tables, "a").category == "boots"


REPLAY = """
from hashlib import sha256
from pipeline.next_item.shelf import Shelf
from pipeline.next_item.tables import Limits, Tables
from pipeline.next_item.touch import Touch
tables, shelf = Tables(Limits(items=40, near=4, categories=3, popular=4)), Shelf()
said = sha256()
for n in range(3_000):
    item, before = f"i{n * n % 53}", tuple(f"i{n * m % 53}" for m in range(2, 5))
    tables.observe(Touch("s", item, f"c{n * n % 5}", before, n % 3 == 0))
    if n % 50 == 0:
        for key, value in tables.changed(1_000):
            said.update(key + (value or b""))
            shelf.put(key, value)
    said.update(repr(shelf.suggest("s", dict.fromkeys((*before, item), 64), 10, lambda one: one != "i4")).encode())
print(said.hexdigest())
"""


def test_a_replay_in_another_process_gives_the_same_bytes_whatever_strings_hash_to() -> None:
    outs = {
        subprocess.run(
            [sys.executable, "-c", REPLAY],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outs) == 1
