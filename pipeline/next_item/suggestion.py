"""What a query for the next item goes by, and what it says."""

from enum import StrEnum

from msgspec import Struct

from pipeline.next_item.rows import ItemLists


class Source(StrEnum):
    """Which ranking named an item."""

    OWN = "own"
    TOGETHER = "together"
    ALIKE = "alike"
    CATEGORY = "category"
    ALL = "all"


class Reason(Struct, frozen=True, gc=False):
    """A source that named the item, and what of the score it gave; `of` is the item or category it goes by, if any."""

    source: Source
    part: int
    of: str = ""


class Suggestion(Struct, frozen=True, gc=False):
    """An item, its score, and its reasons, the one that counted most first."""

    item: str
    score: int
    reasons: tuple[Reason, ...]


class Heard(Struct, gc=False):
    """What one query goes by: what own items score, the rows of the last items, and what is popular where."""

    own: dict[str, int]
    rows: list[tuple[int, str, ItemLists]]
    popular: list[tuple[Source, str, int, dict[str, int]]]
    """Source, category, weight in 1,024ths, and what the ranks give."""
