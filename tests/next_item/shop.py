"""A small shop for the tests: visits told in one line each, and what is taken of them to the shelf."""

from hypothesis import strategies as st

from pipeline.next_item.shelf import Shelf
from pipeline.next_item.suggestion import Suggestion
from pipeline.next_item.tables import LEAST_PEOPLE, Limits, Tables
from pipeline.next_item.touch import MAX_BEFORE, Touch

TINY = Limits(items=6, near=2, categories=3, popular=2)
ALL_ROWS = 1_000_000

SITES = ["s", "t"]
ITEMS = [f"i{n}" for n in range(12)]

Row = tuple[bytes, bytes | None]


def anything(_: str) -> bool:
    return True


def visit(tables: Tables, items: str, category: str = "", site: str = "s") -> None:
    """One visit of a person who has not been here before: the items, in words, each once."""
    before: tuple[str, ...] = ()
    for item in items.split():
        tables.observe(Touch(site, item, category, before[:MAX_BEFORE], new=True))
        before = (item, *before)


def told(tables: Tables, items: str, category: str = "", site: str = "s") -> None:
    """Visits like this of as many people as it takes for it to be told."""
    for _ in range(LEAST_PEOPLE):
        visit(tables, items, category, site)


def shelf_of(tables: Tables) -> Shelf:
    """A shelf with all that has changed."""
    shelf = Shelf()
    for key, value in tables.changed(ALL_ROWS):
        shelf.put(key, value)
    return shelf


def recent(items: str) -> dict[str, int]:
    """A person's own items, each looked at once, the newest last."""
    return dict.fromkeys(items.split(), 64)


def named(suggestions: tuple[Suggestion, ...]) -> list[str]:
    return [suggestion.item for suggestion in suggestions]


def best(shelf: Shelf, items: str, k: int = 20) -> list[str]:
    return named(shelf.suggest("s", recent(items), k, anything))


touches = st.lists(
    st.builds(
        Touch,
        site=st.sampled_from(SITES),
        item=st.sampled_from(ITEMS),
        category=st.sampled_from(["", "a", "b", "c"]),
        before=st.lists(st.sampled_from(ITEMS), unique=True, max_size=MAX_BEFORE).map(tuple),
        new=st.booleans(),
    ),
    max_size=60,
)
"""Touches of few items, in and out of a limit; at times an item stands before itself, as no engine would have it."""
