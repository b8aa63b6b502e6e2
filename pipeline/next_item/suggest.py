"""What a person may look at next: the rankings of all sources fused by reciprocal rank, each suggestion with its why.

A suggestion scores the sum of weight / (RANK_OFFSET + rank) over the sources that rank it ("Reciprocal rank fusion",
Cormack, Clarke and Büttcher, 2009). Nothing is learned in the fusion. What is popular stands in for what is not known
of an item: the more touches the item of now has, the less it counts.
"""

from enum import StrEnum
from itertools import count

from msgspec import Struct

from pipeline.next_item.memory import Memory, Person
from pipeline.next_item.sources import (
    NEAR_FALLS,
    May,
    own_items,
    popular_in,
    recent_items,
    seen_together,
    sessions_alike,
)

RANK_OFFSET = 5

HALF_POPULAR = 20
"""Touches of the item of now at which what is popular counts half."""


class Source(StrEnum):
    """Which table ranked an item."""

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


def suggest(memory: Memory, person: str, k: int, may: May) -> tuple[Suggestion, ...]:
    """The best `k` items for a person, or fewer. Never the one they look at now, nor one that `may` refuses.

    A person that is not known gets what is popular.
    """
    who = memory.persons.get(person)
    weights = _weights(memory, who)
    rankings = {source: _ranks(ranking) for source, ranking in _rankings(memory, who, may).items()}
    scores: dict[str, float] = {}
    for source, ranking in rankings.items():
        weight = weights[source]
        for item, rank in ranking.items():
            scores[item] = scores.get(item, 0.0) + weight / (RANK_OFFSET + rank)
    best = sorted(sorted(scores), key=scores.__getitem__, reverse=True)[:k]
    return tuple(Suggestion(item, scores[item], _reasons(memory, who, item, rankings, weights)) for item in best)


def _weights(memory: Memory, who: Person | None) -> dict[Source, float]:
    item = None if who is None else memory.items.get(next(reversed(who.items)))
    popular = HALF_POPULAR / (HALF_POPULAR + (0 if item is None else item.touches))
    return {source: weight * (popular if source in _POPULAR else 1.0) for source, weight in _WEIGHTS.items()}


def _rankings(memory: Memory, who: Person | None, may: May) -> dict[Source, list[str]]:
    if who is None:
        return {Source.ALL: popular_in(memory, "", "", may)}
    now = next(reversed(who.items))
    rankings = {
        Source.OWN: own_items(memory, who, may),
        Source.TOGETHER: seen_together(memory, who, may),
        Source.ALIKE: sessions_alike(memory, who, may),
    }
    if category := _category_of_now(memory, now):
        rankings[Source.CATEGORY] = popular_in(memory, category, now, may)
    rankings[Source.ALL] = popular_in(memory, "", now, may)
    return rankings


def _ranks(ranking: list[str]) -> dict[str, int]:
    return dict(zip(ranking, count(1), strict=False))


def _category_of_now(memory: Memory, now: str) -> str:
    item = memory.items.get(now)
    return "" if item is None else item.category


def _reasons(
    memory: Memory, who: Person | None, item: str, rankings: dict[Source, dict[str, int]], weights: dict[Source, float]
) -> tuple[Reason, ...]:
    found: list[tuple[float, Reason]] = []
    for source, ranking in rankings.items():
        if (rank := ranking.get(item)) is not None:
            found.append((weights[source] / (RANK_OFFSET + rank), Reason(source, rank, _of(memory, who, item, source))))
    found.sort(key=lambda scored: -scored[0])
    return tuple(reason for _, reason in found)


def _of(memory: Memory, who: Person | None, item: str, source: Source) -> str:
    if who is None:
        return ""
    if source is Source.CATEGORY:
        return _category_of_now(memory, next(reversed(who.items)))
    if source is not Source.TOGETHER:
        return ""
    pulls: dict[str, int] = {}
    for falls, name in zip(NEAR_FALLS, recent_items(who), strict=False):
        if (near := memory.items.get(name)) is not None:
            pulls[name] = falls * near.near.get(item, 0)
    return max(pulls, key=pulls.__getitem__)
