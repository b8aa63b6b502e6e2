"""What a person may look at next: the rankings of all sources fused by reciprocal rank, each suggestion with its why.

A suggestion scores the sum of weight / (RANK_OFFSET + rank) over the sources that rank it ("Reciprocal rank fusion",
Cormack, Clarke and Büttcher, 2009). Nothing is learned in the fusion. What is popular stands in for what is not known
of an item: the more touches the item of now has, the less it counts.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import islice
from typing import Protocol

from msgspec import Struct

from pipeline.next_item.rows import CategoryRow, ItemRow

May = Callable[[str], bool]
"""Whether an item may be suggested: in stock, not restricted, not excluded."""

DEPTH = 40
RECENT = 5
"""How many of the last items are asked what is near them."""
SAME_CATEGORY = 4
RANK_OFFSET = 5
HALF_POPULAR = 20
"""Touches of the item of now at which what is popular counts half."""

_NEAR_FALLS = (16, 11, 8, 5, 4)
_ALIKE_FALLS = (10, 9, 8, 7, 6)


class Rows(Protocol):
    """Where rows are found."""

    def item(self, site: str, name: str) -> ItemRow | None:
        """What is known of an item."""

    def category(self, site: str, name: str) -> CategoryRow | None:
        """What is popular in a category, "" for all."""


class Source(StrEnum):
    """Which ranking named an item."""

    OWN = "own"
    TOGETHER = "together"
    ALIKE = "alike"
    CATEGORY = "category"
    ALL = "all"


_WEIGHTS = {Source.OWN: 3.0, Source.TOGETHER: 1.0, Source.ALIKE: 1.0, Source.CATEGORY: 1.0, Source.ALL: 0.25}
_POPULAR = (Source.CATEGORY, Source.ALL)
_WORDS = {
    Source.OWN: "looked at before",
    Source.TOGETHER: "viewed together with {}",
    Source.ALIKE: "viewed in sessions like this one",
    Source.CATEGORY: "popular in {}",
    Source.ALL: "popular in this shop",
}


class Reason(Struct, frozen=True):
    """A source that ranked the item, at `rank` from 1; `of` is the item or category that it goes by, if any."""

    source: Source
    rank: int
    of: str = ""

    def __str__(self) -> str:
        """In words for a merchant."""
        return _WORDS[self.source].format(self.of)


class Suggestion(Struct, frozen=True):
    """An item, its score, and its reasons, the one that counted most first."""

    item: str
    score: float
    reasons: tuple[Reason, ...]


def suggest(rows: Rows, site: str, recent: dict[str, int], k: int, may: May) -> tuple[Suggestion, ...]:
    """The best `k` items for whoever touched `recent` (scores, the newest last), or fewer, the best first."""
    latest = list(reversed(recent))
    now = latest[0] if latest else ""
    known = [(name, rows.item(site, name)) for name in latest]
    here = known[0][1] if known else None
    category = here.category if here is not None else ""
    rankings, pulls = _of_items(recent, known, category, now, may)
    if category and (of_category := rows.category(site, category)) is not None:
        rankings[Source.CATEGORY] = _first(of_category.names, now, may)
    if (of_all := rows.category(site, "")) is not None:
        rankings[Source.ALL] = _first(of_all.names, now, may)
    popular = HALF_POPULAR / (HALF_POPULAR + (0 if here is None else here.touches))
    weights = {source: weight * (popular if source in _POPULAR else 1.0) for source, weight in _WEIGHTS.items()}
    scores: dict[str, float] = {}
    for source, names in rankings.items():
        weight = weights[source]
        for rank, name in enumerate(names, 1):
            scores[name] = scores.get(name, 0.0) + weight / (RANK_OFFSET + rank)
    best = sorted(sorted(scores), key=scores.__getitem__, reverse=True)[:k]

    def reasons(item: str) -> tuple[Reason, ...]:
        found = []
        for source, names in rankings.items():
            if item in names:
                rank = names.index(item) + 1
                of = {Source.TOGETHER: pulls.get(item, (0, ""))[1], Source.CATEGORY: category}.get(source, "")
                found.append((weights[source] / (RANK_OFFSET + rank), Reason(source, rank, of)))
        found.sort(key=lambda scored: -scored[0])
        return tuple(reason for _, reason in found)

    return tuple(Suggestion(item, scores[item], reasons(item)) for item in best)


def _of_items(
    recent: dict[str, int], known: list[tuple[str, ItemRow | None]], category: str, now: str, may: May
) -> tuple[dict[Source, list[str]], dict[str, tuple[float, str]]]:
    """The rankings that go by the items, and which of them each item is near to."""
    rankings: dict[Source, list[str]] = {}
    own: dict[str, float] = {}
    for place, (name, row) in enumerate(known[1:], 2):
        same = bool(category) and row is not None and row.category == category
        own[name] = recent[name] * (SAME_CATEGORY if same else 1) / place
    rankings[Source.OWN] = _best(own, now, may)
    together: dict[str, float] = {}
    alike: dict[str, float] = {}
    pulls: dict[str, tuple[float, str]] = {}
    for near_fall, alike_fall, (name, row) in zip(_NEAR_FALLS, _ALIKE_FALLS, known[:RECENT], strict=False):
        if row is None:
            continue
        boosted = int.from_bytes(row.same, "little") if category and row.category == category else 0
        for place, (other, near) in enumerate(zip(row.names, row.near, strict=True)):
            pull = near_fall * near
            gain = pull * SAME_CATEGORY if boosted >> place & 1 else pull
            together[other] = together.get(other, 0) + gain
            if pull > pulls.get(other, (0, ""))[0]:
                pulls[other] = pull, name
        for place, likeness in zip(row.alike, row.likeness, strict=True):
            other = row.names[place]
            gain = alike_fall * likeness * (SAME_CATEGORY if boosted >> place & 1 else 1)
            alike[other] = alike.get(other, 0) + gain
    rankings[Source.TOGETHER] = _best(together, now, may)
    rankings[Source.ALIKE] = _best(alike, now, may)
    return rankings, pulls


def _best(scores: Mapping[str, float], now: str, may: May) -> list[str]:
    return _first(sorted(sorted(scores), key=scores.__getitem__, reverse=True), now, may)


def _first(names: list[str], now: str, may: May) -> list[str]:
    return list(islice((name for name in names if name != now and may(name)), DEPTH))
