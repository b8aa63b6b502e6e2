"""What a person may look at next: the rankings of all sources fused by reciprocal rank, each suggestion with its why.

A suggestion scores the sum of weight / (RANK_OFFSET + rank) over the lists that rank it ("Reciprocal rank fusion",
Cormack, Clarke and Büttcher, 2009). Nothing is learned in the fusion. What follows each of the last items is ranked in
its row; the later it was touched the more the row counts. What is popular stands in for what is not known of an item:
the more touches the item of now has, the less it counts. What too few people have seen together moves a person's own
items among each other, and names none that the person does not know. All numbers are integers, and of equals the one
met first leads: so the same rows give the same suggestions on every machine.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Final, Protocol

from pipeline.next_item.rows import CategoryLists, ItemLists
from pipeline.next_item.suggestion import Heard, Reason, Source, Suggestion
from pipeline.next_item.tables import POPULAR, RANK_OFFSET

May = Callable[[str], bool]
"""Whether an item may be suggested: in stock, not restricted, not excluded."""

FALLS: Final = (16, 11, 8, 5, 4)
"""How much the rows of the last items count, the last one first."""
OWN: Final = 3 * FALLS[0]
"""How much a person's own items count, beside the row of the last one."""
HALF_POPULAR: Final = 20
"""Touches of the item of now at which what is popular counts half."""

_part: Final = attrgetter("part")
_RANKS: Final = tuple(1_000 // (RANK_OFFSET + rank) for rank in range(1, POPULAR + 1))
_OWN: Final = tuple(OWN * pull for pull in _RANKS)


class Rows(Protocol):
    """Where rows are found."""

    def item(self, site: str, name: str) -> ItemLists | None:
        """What follows an item."""

    def category(self, site: str, name: str) -> CategoryLists | None:
        """What is popular in a category, "" for all."""


_OWN_ITEM: Final = Source.OWN
_TOGETHER: Final = Source.TOGETHER
_ALIKE: Final = Source.ALIKE
_CATEGORY: Final = Source.CATEGORY
_ALL: Final = Source.ALL
_POPULAR: Final = ((_CATEGORY, 4), (_ALL, 1))
"""What is popular counts so many quarters."""


def suggest(rows: Rows, site: str, recent: dict[str, int], k: int, may: May) -> tuple[Suggestion, ...]:
    """The best `k` items for whoever touched `recent` (scores, the newest last), or fewer, the best first.

    Never the newest of `recent`, nor one that `may` refuses. Without recent items what is popular; where there is no
    row to go by, nothing.
    """
    heard = _heard(rows, site, recent)
    if not heard.rows and not heard.popular:
        return ()
    scores = heard.own.copy()
    get = scores.get
    for fall, _, row in heard.rows:
        for name, pull in row.pulls.items():
            scores[name] = get(name, 0) + fall * pull
        for name in row.untold.keys() & heard.own.keys():
            scores[name] += fall * row.untold[name]
    for _, _, weight, ranks in heard.popular:
        for name, pull in ranks.items():
            scores[name] = get(name, 0) + (weight * pull >> 10)
    now = next(reversed(recent), None)
    found: list[Suggestion] = []
    for name in sorted(scores, key=scores.__getitem__, reverse=True):
        if len(found) >= k:
            break
        if name != now and may(name):
            found.append(Suggestion(name, scores[name], _reasons(heard, name, scores[name])))
    return tuple(found)


def _heard(rows: Rows, site: str, recent: dict[str, int]) -> Heard:
    latest = list(reversed(recent))
    by_place = {name: recent[name] // place for place, name in enumerate(latest[1:], 2)}
    own = dict(zip(sorted(by_place, key=by_place.__getitem__, reverse=True), _OWN, strict=False))
    here: ItemLists | None = None
    of_items: list[tuple[int, str, ItemLists]] = []
    for fall, name in zip(FALLS, latest, strict=False):
        if (row := rows.item(site, name)) is not None:
            of_items.append((fall, name, row))
            if fall == FALLS[0]:
                here = row
    known = 0 if here is None else here.touches
    popular: list[tuple[Source, str, int, dict[str, int]]] = []
    for source, quarters in _POPULAR:
        name = here.category if here is not None and source is _CATEGORY else ""
        if (name or source is _ALL) and (of := rows.category(site, name)) is not None:
            weight = 1_024 * FALLS[0] * quarters * HALF_POPULAR // (4 * (HALF_POPULAR + known))
            popular.append((source, name, weight, dict(zip(of.names, _RANKS, strict=False))))
    return Heard(own, of_items, popular)


def _reasons(heard: Heard, item: str, score: int) -> tuple[Reason, ...]:
    """Why an item is suggested. What was seen together is said of the item with which it was seen most.

    Of a person's own item it says no more than that: what others did with it has only moved it.
    """
    if item in heard.own:
        return (Reason(_OWN_ITEM, score),)
    found: list[Reason] = []
    near, alike, nearest, of = 0, 0, 0, ""
    for fall, name, row in heard.rows:
        if (pull := row.pulls.get(item)) is not None:
            of_alike = fall * row.alike[list(row.pulls).index(item)]
            of_near = fall * pull - of_alike
            near, alike = near + of_near, alike + of_alike
            if of_near > nearest:
                nearest, of = of_near, name
    if near:
        found.append(Reason(_TOGETHER, near, of))
    if alike:
        found.append(Reason(_ALIKE, alike))
    for source, name, weight, ranks in heard.popular:
        if (pull := ranks.get(item)) is not None and (part := weight * pull >> 10):
            found.append(Reason(source, part, name))
    if len(found) > 1:
        found.sort(key=_part, reverse=True)
    return tuple(found)
