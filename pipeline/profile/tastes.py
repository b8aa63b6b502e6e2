"""Affinities: scores that halve with time, kept so that nothing has to be decayed until numbers grow large.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu: ICDE 2009): a touch at t weighs 2^((t - landmark) / half-life), in
integers, so that every machine comes to the same bits.
"""

from typing import NamedTuple

from pipeline.state.tastes import Tastes

UNIT = 64
"""Score of a touch of weight 1 at the landmark."""

VIEWED, WISHED, CARTED, BOUGHT = 1, 3, 4, 6
"""Weights of what a person does with a product."""

MAX_NAMES = 6
MAX_ITEMS = 8
MARGIN = (11, 10)
"""A new first must beat the last one by this ratio, or small changes would swing it."""

_FINE = 64
_POWERS = tuple(round(2 ** (i / _FINE) * 65_536) for i in range(_FINE))
"""2^(i/64), 16 binary digits after the point."""

_FAR = 8
"""Half-lives after which the landmark follows."""


class Touch(NamedTuple):
    """What of a product was touched; empty where unknown."""

    category: str = ""
    brand: str = ""
    shelf: str = ""
    facets: tuple[str, ...] = ()
    item: str = ""


def shelf_of(price: int) -> str:
    """Price shelf of a price in minor units of the base currency: powers of two, "" where the price is unknown."""
    return str(price.bit_length()) if price > 0 else ""


def touched(tastes: Tastes | None, touch: Touch, weight: int, at: int, half_life: int) -> Tastes:
    """The affinities after a touch of `weight` at `at`."""
    if tastes is None:
        tastes = Tastes(at)
    steps = (at - tastes.landmark) * _FINE // half_life
    if steps >= _FAR * _FINE:
        tastes = _rebased(tastes, steps // _FINE, half_life)
        steps = (at - tastes.landmark) * _FINE // half_life
    whole = steps // _FINE
    gain = weight * UNIT * _POWERS[steps % _FINE] >> 16
    gain = gain << whole if whole >= 0 else gain >> -whole
    if not gain:
        return tastes  # so long ago that it weighs nothing beside what came since
    categories, brands, shelves, facets = tastes.categories, tastes.brands, tastes.shelves, tastes.facets
    if touch.category:
        categories = _added(categories, touch.category, gain)
    if touch.brand:
        brands = _added(brands, touch.brand, gain)
    if touch.shelf:
        shelves = _added(shelves, touch.shelf, gain)
    for facet in touch.facets:
        facets = _added(facets, facet, gain)
    items = _ring(tastes.items, touch.item, gain) if touch.item else tastes.items
    return Tastes(tastes.landmark, categories, brands, shelves, facets, items)


def without_items(tastes: Tastes, items: frozenset[str]) -> Tastes:
    """The affinities without some items: what was bought is not shown again."""
    kept = {item: score for item, score in tastes.items.items() if item not in items}
    if len(kept) == len(tastes.items):
        return tastes
    return Tastes(tastes.landmark, tastes.categories, tastes.brands, tastes.shelves, tastes.facets, kept)


def first(scores: dict[str, int], last: str) -> str:
    """The name with the highest score; the `last` first one stays unless it is beaten by the margin."""
    if not scores:
        return ""
    best, score = "", -1
    for name, value in scores.items():
        if value > score or (value == score and name < best):
            best, score = name, value
    if best != last and (held := scores.get(last)) is not None and score * MARGIN[1] <= held * MARGIN[0]:
        return last
    return best


def _added(scores: dict[str, int], name: str, gain: int) -> dict[str, int]:
    """With a gain; the newest last. The lowest of the others goes where there are too many."""
    scores = scores.copy()
    gain += scores.pop(name, 0)
    if len(scores) >= MAX_NAMES:
        del scores[min(scores, key=lambda other: (scores[other], other))]
    scores[name] = gain
    return scores


def _ring(items: dict[str, int], item: str, gain: int) -> dict[str, int]:
    """With a gain; the newest last. The one that was touched longest ago goes where there are too many."""
    items = items.copy()
    gain += items.pop(item, 0)
    if len(items) >= MAX_ITEMS:
        del items[next(iter(items))]
    items[item] = gain
    return items


def _rebased(tastes: Tastes, halvings: int, half_life: int) -> Tastes:
    """The same affinities on a later landmark; what comes to nothing is dropped."""

    def halved(scores: dict[str, int]) -> dict[str, int]:
        return {name: less for name, score in scores.items() if (less := score >> halvings)}

    return Tastes(
        tastes.landmark + halvings * half_life,
        halved(tastes.categories),
        halved(tastes.brands),
        halved(tastes.shelves),
        halved(tastes.facets),
        halved(tastes.items),
    )
