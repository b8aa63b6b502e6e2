"""Four rankings of what a person may look at next, each from one table of the memory.

Each gives at most DEPTH items, the best first, ties by the item's key; only known items that `may` lets through. The
item that the person looks at now, the last one touched, is in none of them.

Seen together and sessions alike follow "Evaluation of session-based recommendation algorithms" (Ludewig and Jannach,
2018): co-visitation, and session kNN with linearly falling weights (VSKNN). What is of the category that the person
looks at now counts SAME_CATEGORY times as much.
"""

from collections.abc import Callable, Mapping
from itertools import islice

from pipeline.next_item.memory import Memory, Person

May = Callable[[str], bool]
"""Whether an item may be suggested: in stock, not restricted, not excluded."""

DEPTH = 40
RECENT = 5
"""How many of the last items of a person, or of a session, are asked what is near them."""
SAME_CATEGORY = 4
NEIGHBOURS = 50
"""How many sessions alike are heard."""

NEAR_FALLS = (16, 11, 8, 5, 4)
_SESSION_FALLS = (10, 9, 8, 7, 6)


def recent_items(who: Person) -> list[str]:
    """The last RECENT items of a person, the last one first."""
    return list(islice(reversed(who.items), RECENT))


def own_items(memory: Memory, who: Person, may: May) -> list[str]:
    """What the person touched before: by how much, how lately, and whether it is of the category of now."""
    latest_first = reversed(who.items.items())
    category = _category(memory, next(latest_first)[0])
    scores: dict[str, float] = {}
    for rank, (name, touches) in enumerate(latest_first, 2):
        item = memory.items.get(name)
        same = item is not None and item.category == category
        scores[name] = touches * (SAME_CATEGORY if same else 1) / rank
    return _best(scores, may)


def seen_together(memory: Memory, who: Person, may: May) -> list[str]:
    """What was seen in a session near to the person's last items."""
    recent = recent_items(who)
    scores: dict[str, int] = {}
    for falls, name in zip(NEAR_FALLS, recent, strict=False):
        if (item := memory.items.get(name)) is not None:
            for other, weight in item.near.items():
                scores[other] = scores.get(other, 0) + falls * weight
    return _best_of_now(memory, recent[0], scores, may)


def sessions_alike(memory: Memory, who: Person, may: May) -> list[str]:
    """What was seen in the sessions that share the most with the last items of the person's session.

    A rare item says more than one that all have seen: it counts by the logarithm of its rarity.
    """
    session = memory.sessions.get(who.session, {})
    alike: dict[int, int] = {}
    for falls, name in zip(_SESSION_FALLS, reversed(session), strict=False):
        if (item := memory.items.get(name)) is not None:
            for number in item.sessions[-memory.limits.sessions_of_item :]:
                alike[number] = alike.get(number, 0) + falls
    alike.pop(who.session, None)
    scores: dict[str, int] = {}
    latest_first = sorted(alike, reverse=True)
    for number in sorted(latest_first, key=alike.__getitem__, reverse=True)[:NEIGHBOURS]:
        likeness = alike[number]
        for other in memory.sessions.get(number, ()):
            scores[other] = scores.get(other, 0) + likeness
    for name in scores:
        if (item := memory.items.get(name)) is not None:
            scores[name] *= (memory.touches // (1 + item.touches)).bit_length()
    return _best_of_now(memory, next(reversed(who.items)), scores, may)


def popular_in(memory: Memory, category: str, now: str, may: May) -> list[str]:
    """What is touched most in a category, "" for all, other than what the person looks at `now`."""
    scores = {name: weight for name, weight in memory.popular.get(category, {}).items() if name != now}
    return _best(scores, may)


def _category(memory: Memory, name: str) -> str | None:
    """The category of an item; None where it has none, or is not known any more."""
    item = memory.items.get(name)
    return None if item is None else item.category or None


def _best_of_now(memory: Memory, now: str, scores: dict[str, int], may: May) -> list[str]:
    category = _category(memory, now)
    items = memory.items
    of_now: dict[str, int] = {}
    for name, score in scores.items():
        if name != now and (item := items.get(name)) is not None:
            of_now[name] = score * SAME_CATEGORY if item.category == category else score
    return _best(of_now, may)


def _best(scores: Mapping[str, float], may: May) -> list[str]:
    by_score = sorted(sorted(scores), key=scores.__getitem__, reverse=True)
    return list(islice(filter(may, by_score), DEPTH))
