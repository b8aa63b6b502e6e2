"""What the next-item head is held against: simple rankings over the same events. Their memory is not bounded.

- own: what the person touched before, the latest first;
- popularity: what is touched most, of all that was read so far;
- covisit: what was seen near the last item in a session, by .85 to the power of how many items were between;
- vsknn: session kNN as in "Evaluation of session-based recommendation algorithms" (Ludewig and Jannach, 2018): of the
  500 latest sessions of each of the last ten items the 100 that are most alike, weights falling linearly, idf.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice

from msgspec import Struct, field

from pipeline.heads.intent import GAP

_WINDOW = 5
_FALL = 0.85
_ITEMS = 10
_SAMPLE = 500
_ALIKE = 100
_TOP = 1_000


class Visit(Struct, gc=False):
    """A person's open session and all that they touched, the latest last."""

    session: int
    at: int
    items: dict[str, None]


class Baselines(Struct):
    """What the baselines know."""

    visits: dict[str, Visit] = field(default_factory=dict)
    sessions: list[dict[str, None]] = field(default_factory=list)
    sessions_of: dict[str, deque[int]] = field(default_factory=dict)
    near: dict[str, dict[str, float]] = field(default_factory=dict)
    touches: dict[str, int] = field(default_factory=dict)
    top: list[tuple[int, str]] = field(default_factory=list)
    """The items with the most touches, as (minus touches, item), sorted."""
    total: int = 0


def learn(known: Baselines, person: str, item: str, at: int) -> None:
    """Learn that a person touched an item at `at`, epoch milliseconds."""
    visit = known.visits.get(person)
    if visit is None:
        visit = known.visits[person] = Visit(-1, at, {})
    if visit.session < 0 or at - visit.at > GAP:
        visit.session = len(known.sessions)
        known.sessions.append({})
    visit.at = max(visit.at, at)
    seen = known.sessions[visit.session]
    others = islice((other for other in reversed(seen) if other != item), _WINDOW)
    for between, other in enumerate(others):
        for one, two in ((item, other), (other, item)):
            near = known.near.setdefault(one, {})
            near[two] = near.get(two, 0.0) + _FALL**between
    if item not in seen:
        known.sessions_of.setdefault(item, deque(maxlen=_SAMPLE)).append(visit.session)
    seen.pop(item, None)
    seen[item] = None
    visit.items.pop(item, None)
    visit.items[item] = None
    _count(known, item)


def rank(known: Baselines, person: str) -> dict[str, Iterator[str]]:
    """By the name of the baseline what comes next, the best first, without the last item. The person is known."""
    visit = known.visits[person]
    last = next(reversed(visit.items))
    session = known.sessions[visit.session]
    return {
        "own": islice(reversed(visit.items), 1, None),
        "popularity": (item for _, item in known.top if item != last),
        "covisit": _sorted(known.near.get(last, {}), last),
        "vsknn": _sorted(_alike(known, visit.session, list(islice(reversed(session), _ITEMS))), last),
    }


def _count(known: Baselines, item: str) -> None:
    """Counts only rise, so an item comes among the top with a touch of its own."""
    known.total += 1
    touches = known.touches.get(item, 0)
    known.touches[item] = touches + 1
    place = bisect_left(known.top, (-touches, item))
    if place < len(known.top) and known.top[place][1] == item:
        del known.top[place]
    insort(known.top, (-touches - 1, item))
    del known.top[_TOP:]


def _alike(known: Baselines, own: int, items: list[str]) -> dict[str, float]:
    alike: dict[int, float] = {}
    latest: dict[int, float] = {}
    for place, item in enumerate(items):
        weight = 1 - place / _ITEMS
        for session in known.sessions_of[item]:
            alike[session] = alike.get(session, 0.0) + weight
            latest.setdefault(session, weight)
    alike.pop(own, None)
    scores: dict[str, float] = {}
    for session in sorted(alike, key=lambda session: (-alike[session], -session))[:_ALIKE]:
        for item in known.sessions[session]:
            rarity = math.log(known.total / known.touches[item])
            scores[item] = scores.get(item, 0.0) + alike[session] * latest[session] * rarity
    return scores


def _sorted(scores: Mapping[str, float], last: str) -> Iterator[str]:
    for item in sorted(sorted(scores), key=scores.__getitem__, reverse=True):
        if item != last:
            yield item
