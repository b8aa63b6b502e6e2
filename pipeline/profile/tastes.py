"""Affinities: scores that halve with time, kept so that nothing has to be decayed until numbers grow large.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu: ICDE 2009): a touch at t weighs 2^((t - landmark) / half-life), in
integers, so that every machine comes to the same bits. All scores are on one scale, so ranks need no decay.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from pipeline.state.recent import digest
from pipeline.state.tastes import Tastes

UNIT: Final = 64
"""Score of a touch of weight 1 at the landmark."""

VIEWED: Final = 1
WISHED: Final = 3
CARTED: Final = 4
BOUGHT: Final = 6
"""Weights of what a person does with a product."""

MAX_NAMES: Final = 6
MAX_ITEMS: Final = 32
LATEST: Final = 18
"""So many items that were touched last stay whatever they score, or favourites would hide what is looked at now."""
MAX_BOUGHT: Final = 8
HELD: Final = 11
BEATEN: Final = 10
"""Who holds a place keeps it up to this ratio of scores, or small changes would swing it."""

_FINE: Final = 64
_POWERS: Final = tuple(round(2 ** (i / _FINE) * 65_536) for i in range(_FINE))
"""2^(i/64), 16 binary digits after the point."""

_FAR: Final = 8
"""Half-lives after which the landmark follows."""

_DEAREST: Final = 64
_SHELVES: Final = tuple(map(str, range(_DEAREST + 1)))

_MARK: Final = 5
"""Bytes of a digest."""

_SHIFT: Final = 63
"""What is shifted so far comes to nothing."""


def shelf_of(price: int) -> str:
    """Price shelf of a price in minor units of the base currency: powers of two, "" where the price is unknown."""
    if price <= 0:
        return ""
    bits = price.bit_length()
    return _SHELVES[bits if bits < _DEAREST else _DEAREST]


def touched(
    tastes: Tastes | None,
    weight: int,
    at: int,
    half_life: int,
    category: str = "",
    brand: str = "",
    shelf: str = "",
    facets: tuple[str, ...] = (),
    item: str = "",
) -> Tastes:
    """The affinities after a touch of `weight` at `at`, epoch milliseconds; a half-life is in milliseconds too.

    What of the product is unknown is left empty. A score is right to one hundredth of a fresh touch and one hundredth
    of itself.
    """
    if tastes is None:
        tastes = Tastes(at)
    steps = ((at - tastes.landmark) * _FINE + (half_life >> 1)) // half_life
    if steps >= _FAR * _FINE:
        tastes = _rebased(tastes, steps // _FINE, half_life)
        steps = ((at - tastes.landmark) * _FINE + (half_life >> 1)) // half_life
    gain = _halved(weight * UNIT * _POWERS[steps % _FINE], 16 - steps // _FINE)
    if not gain:
        return tastes  # so long ago that it weighs nothing beside what came since
    of_facets = tastes.facets
    for facet in facets:
        of_facets = _added(of_facets, facet, gain, MAX_NAMES)
    return Tastes(
        tastes.landmark,
        _added(tastes.categories, category, gain, MAX_NAMES) if category else tastes.categories,
        _added(tastes.brands, brand, gain, MAX_NAMES) if brand else tastes.brands,
        _added(tastes.shelves, shelf, gain, MAX_NAMES) if shelf else tastes.shelves,
        of_facets,
        _seen(tastes.items, item, gain) if item else tastes.items,
        tastes.bought,
    )


def bought(tastes: Tastes, items: Sequence[str]) -> Tastes:
    """The affinities without some items: what was bought is not shown again. The last MAX_BOUGHT are remembered."""
    gone = frozenset(items)
    kept = {item: score for item, score in tastes.items.items() if item not in gone}
    marks = [tastes.bought[i : i + _MARK] for i in range(0, len(tastes.bought), _MARK)]
    new = [digest(item) for item in dict.fromkeys(items[-MAX_BOUGHT:])]
    remembered = b"".join([*[mark for mark in marks if mark not in new], *new][-MAX_BOUGHT:])
    return Tastes(tastes.landmark, tastes.categories, tastes.brands, tastes.shelves, tastes.facets, kept, remembered)


def bought_lately(tastes: Tastes, item: str) -> bool:
    """Whether an item was bought lately, and not looked at since."""
    if not tastes.bought or item in tastes.items:
        return False
    mark = digest(item)
    place = tastes.bought.find(mark)
    while place % _MARK and place >= 0:  # found across two marks
        place = tastes.bought.find(mark, place + 1)
    return place >= 0


def first(scores: dict[str, int], holder: str) -> str:
    """The name with the highest score; the `holder` of the place keeps it unless the margin is exceeded."""
    if not scores:
        return ""
    best = max(scores.values())
    held = scores.get(holder)
    if held is not None and best * BEATEN <= held * HELD:
        return holder
    return _named(scores, best)


def top(scores: dict[str, int], holders: tuple[str, ...], places: int, may: Callable[[str], bool]) -> tuple[str, ...]:
    """The names for so many places, the highest score first, each of which `may` take a place.

    The holder of a place keeps it unless the margin is exceeded, or it has gone to another place.
    """
    left = scores.copy()
    found: list[str] = []
    while left and len(found) < places:
        best = max(left.values())
        place = len(found)
        name = holders[place] if place < len(holders) else ""
        held = left.get(name)
        if held is None or best * BEATEN > held * HELD:
            name = _named(left, best)
        del left[name]
        if may(name):
            found.append(name)
    return tuple(found)


def _named(scores: dict[str, int], score: int) -> str:
    """The name with a score; of several the first by name."""
    names = [name for name, value in scores.items() if value == score]
    return names[0] if len(names) == 1 else min(names)


def _added(scores: dict[str, int], name: str, gain: int, most: int) -> dict[str, int]:
    """With a gain. Where there are too many the lowest of the others goes, of equals the one known longest."""
    known = scores.get(name, 0)
    if known or len(scores) < most:
        return {**scores, name: known + gain}
    weakest, lowest = "", -1
    for weak, score in scores.items():
        if lowest < 0 or score < lowest:
            weakest, lowest = weak, score
    scores = scores.copy()
    del scores[weakest]
    scores[name] = gain
    return scores


def _seen(items: dict[str, int], item: str, gain: int) -> dict[str, int]:
    """With a gain, the newest last. Where there are too many, of those touched longest ago the lowest goes."""
    items = items.copy()
    known = items.get(item, 0)
    if known:
        del items[item]
    elif len(items) >= MAX_ITEMS:
        older = islice(items, len(items) - LATEST + 1)
        del items[min(older, key=items.__getitem__)]
    items[item] = known + gain
    return items


def _halved(number: int, times: int) -> int:
    """A number halved so many times, rounded; `times` is at least one."""
    return number + (1 << times - 1) >> times if times < _SHIFT else 0


def _rebased(tastes: Tastes, halvings: int, half_life: int) -> Tastes:
    """The same affinities on a later landmark; what comes to nothing is dropped."""

    def rebased(scores: dict[str, int]) -> dict[str, int]:
        return {name: less for name, score in scores.items() if (less := _halved(score, halvings))}

    return Tastes(
        tastes.landmark + halvings * half_life,
        rebased(tastes.categories),
        rebased(tastes.brands),
        rebased(tastes.shelves),
        rebased(tastes.facets),
        rebased(tastes.items),
        tastes.bought,
    )
