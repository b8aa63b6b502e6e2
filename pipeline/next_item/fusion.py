"""What a person may look at next: the rankings of all sources fused by reciprocal rank, each suggestion with its why.

A suggestion scores the sum of weight / (RANK_OFFSET + rank) over the lists that rank it ("Reciprocal rank fusion",
Cormack, Clarke and Büttcher, 2009). Nothing is learned in the fusion. What follows each of the last items is ranked in
its row; the later it was touched the more the row counts. What is popular stands in for what is not known of an item:
the more touches the item of now has, the less it counts. All numbers are integers, and of equals the one met first
leads: so the same rows give the same suggestions on every machine.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from pipeline.next_item.rows import CategoryRow, ItemLists
from pipeline.next_item.tables import RANK_OFFSET

May = Callable[[str], bool]
"""Whether an item may be suggested: in stock, not restricted, not excluded."""

FALLS = (16, 11, 8, 5, 4)
"""How much the rows of the last items count, the last one first."""
OWN = 3 * FALLS[0]
"""How much a person's own items count, beside the row of the last one."""
HALF_POPULAR = 20
"""Touches of the item of now at which what is popular counts half."""
DEPTH = 40
"""How many popular items are ranked."""

_RANKS = tuple(1_000 // (RANK_OFFSET + rank) for rank in range(1, DEPTH + 1))
_OWN = tuple(OWN * pull for pull in _RANKS)


class Rows(Protocol):
    """Where rows are found."""

    def item(self, site: str, name: str) -> ItemLists | None:
        """What follows an item."""

    def category(self, site: str, name: str) -> CategoryRow | None:
        """What is popular in a category, "" for all."""


class Source(StrEnum):
    """Which ranking named an item."""

    OWN = "own"
    TOGETHER = "together"
    ALIKE = "alike"
    CATEGORY = "category"
    ALL = "all"


_POPULAR = ((Source.CATEGORY, 4), (Source.ALL, 1))
"""What is popular counts so many quarters."""

_WORDS = {
    Source.OWN: "looked at before",
    Source.TOGETHER: "viewed together with {}",
    Source.ALIKE: "viewed in sessions like this one",
    Source.CATEGORY: "popular in {}",
    Source.ALL: "popular in this shop",
}


class Reason(Struct, frozen=True):
    """A source that named the item, and what of the score it gave; `of` is the item or category it goes by, if any."""

    source: Source
    part: int
    of: str = ""

    def __str__(self) -> str:
        """In words for a merchant."""
        return _WORDS[self.source].format(self.of)


class Suggestion(Struct, frozen=True):
    """An item, its score, and its reasons, the one that counted most first."""

    item: str
    score: int
    reasons: tuple[Reason, ...]


class _Heard(Struct):
    """The lists of one query: own items as they rank, rows of the last items, and what is popular where."""

    own: list[str]
    rows: list[tuple[int, str, ItemLists]]
    popular: list[tuple[Source, int, str, list[str]]]


def suggest(rows: Rows, site: str, recent: dict[str, int], k: int, may: May) -> tuple[Suggestion, ...]:
    """The best `k` items for whoever touched `recent` (scores, the newest last), or fewer, the best first.

    Never the newest of `recent`, nor one that `may` refuses. Without recent items what is popular.
    """
    heard = _heard(rows, site, recent)
    scores = dict(zip(heard.own, _OWN, strict=False))
    get = scores.get
    for fall, _, row in heard.rows:
        for name, pull in zip(row.names, row.pulls, strict=True):
            scores[name] = get(name, 0) + fall * pull
    for _, weight, _, names in heard.popular:
        for name, pull in zip(names, _RANKS, strict=False):
            scores[name] = get(name, 0) + weight * pull // 1_024
    now = next(reversed(recent), None)
    found: list[Suggestion] = []
    for name in sorted(scores, key=scores.__getitem__, reverse=True):
        if len(found) >= k:
            break
        if name != now and may(name):
            found.append(Suggestion(name, scores[name], _reasons(heard, name)))
    return tuple(found)


def _heard(rows: Rows, site: str, recent: dict[str, int]) -> _Heard:
    latest = list(reversed(recent))
    by_place = {name: recent[name] // place for place, name in enumerate(latest[1:], 2)}
    own = sorted(by_place, key=by_place.__getitem__, reverse=True)
    here: ItemLists | None = None
    of_items: list[tuple[int, str, ItemLists]] = []
    for fall, name in zip(FALLS, latest, strict=False):
        if (row := rows.item(site, name)) is not None:
            of_items.append((fall, name, row))
            if fall == FALLS[0]:
                here = row
    known = 0 if here is None else here.touches
    popular: list[tuple[Source, int, str, list[str]]] = []
    for source, quarters in _POPULAR:
        name = here.category if here is not None and source is Source.CATEGORY else ""
        if (name or source is Source.ALL) and (of := rows.category(site, name)) is not None:
            weight = 1_024 * FALLS[0] * quarters * HALF_POPULAR // (4 * (HALF_POPULAR + known))
            popular.append((source, weight, name, of.names[:DEPTH]))
    return _Heard(own, of_items, popular)


def _reasons(heard: _Heard, item: str) -> tuple[Reason, ...]:
    """Why an item is suggested. What was seen together is said of the item with which it was seen most."""
    found: list[Reason] = []
    if item in heard.own:
        found.append(Reason(Source.OWN, _OWN[heard.own.index(item)]))
    near, alike, nearest, of = 0, 0, 0, ""
    for fall, name, row in heard.rows:
        if item in row.names:
            place = row.names.index(item)
            of_alike = fall * row.alike[place]
            of_near = fall * row.pulls[place] - of_alike
            near, alike = near + of_near, alike + of_alike
            if of_near > nearest:
                nearest, of = of_near, name
    if near:
        found.append(Reason(Source.TOGETHER, near, of))
    if alike:
        found.append(Reason(Source.ALIKE, alike))
    for source, weight, name, names in heard.popular:
        if item in names:
            found.append(Reason(source, weight * _RANKS[names.index(item)] // 1_024, name))
    found.sort(key=lambda reason: reason.part, reverse=True)
    return tuple(found)
