"""What has been looked at: by whom, after what, with what; bounded, and the same for the same events.

Four things are kept, each within `Limits`:

- of a person the last `own` items, each with what its touches count for, and the session that is open;
- of an item its category, the last `sessions_of_item` sessions it was in, and the items seen near it in a session;
- the last `sessions` sessions, of each its last `session_items` items;
- of a category how often its items are touched; the category "" counts all items.

Persons, items and categories that were not touched for longest make room for new ones. Weights are integers and age:
all of a map are halved where one reaches CEILING, and where the map is twice its limit, of which the strongest stay,
of equals the latest. No order of a set and no hash of a string decides anything, so the same events give the same
bytes on every machine.

At its largest a person takes 11 KB, an item 12 KB, a session 3 KB and a category 15 KB: 1.5 GB where all tables of
the default limits are full. A backtest says what a log takes.
"""

from collections import OrderedDict
from enum import IntEnum

from msgspec import Struct, field

from pipeline.config.durations import MINUTE

SESSION_GAP = 30 * MINUTE
"""A session ends after this much silence, milliseconds."""

CEILING = 4_096
NEAR_WEIGHTS = (16, 14, 12, 10, 8, 7, 6, 5, 4, 3)
"""What a pair in one session weighs, by how many other items were seen between."""

_TOUCH = 16


class Touch(IntEnum):
    """What a touch of an item counts for among the person's own: putting it aside more than looking or buying."""

    LOOKED = 1
    KEPT = 3


class Limits(Struct, frozen=True, array_like=True):
    """Most entries of each table; maps of `near` and `popular` hold up to twice as many before they are cut."""

    persons: int = 50_000
    own: int = 100
    items: int = 50_000
    near: int = 64
    sessions: int = 100_000
    session_items: int = 30
    sessions_of_item: int = 100
    categories: int = 2_000
    popular: int = 100


class Person(Struct, gc=False):
    """A person: number of the open session, the time of the last touch, touches of each item by the last of them."""

    session: int
    last_at: int
    items: dict[str, int]


class Item(Struct, gc=False):
    """An item: its category, its touches, weights of the items near it, numbers of the sessions it was in."""

    category: str
    touches: int = 0
    near: dict[str, int] = field(default_factory=dict)
    sessions: list[int] = field(default_factory=list)


class Memory(Struct):
    """All tables, each by what was touched last. `touches` counts all, `opened` the sessions."""

    limits: Limits = Limits()
    touches: int = 0
    opened: int = 0
    persons: OrderedDict[str, Person] = field(default_factory=OrderedDict)
    items: OrderedDict[str, Item] = field(default_factory=OrderedDict)
    sessions: OrderedDict[int, dict[str, None]] = field(default_factory=OrderedDict)
    popular: OrderedDict[str, dict[str, int]] = field(default_factory=OrderedDict)


def observe(memory: Memory, person: str, item: str, category: str, touch: Touch, at: int) -> None:
    """Learn that a person touched an item at `at`, epoch milliseconds. The category is "" where it is not known.

    A touch earlier than the one before it belongs to the session that is open.
    """
    memory.touches += 1
    limits = memory.limits
    who, seen = _session(memory, person, at)
    what = _item(memory, item, category)
    what.touches += 1
    _pair(memory, item, what, seen)
    if item not in seen:
        what.sessions.append(who.session)
        if len(what.sessions) > 2 * limits.sessions_of_item:
            del what.sessions[: -limits.sessions_of_item]
    else:
        del seen[item]
    seen[item] = None
    if len(seen) > limits.session_items:
        del seen[next(iter(seen))]
    who.items[item] = min(who.items.pop(item, 0) + touch, CEILING)
    if len(who.items) > limits.own:
        del who.items[next(iter(who.items))]
    _count(memory, what.category, item)
    if what.category:
        _count(memory, "", item)


def _session(memory: Memory, person: str, at: int) -> tuple[Person, dict[str, None]]:
    """The person, moved to the last touched, and the items of the session that is open, the last one last."""
    who = memory.persons.get(person)
    if who is None:
        who = memory.persons[person] = Person(-1, at, {})
        if len(memory.persons) > memory.limits.persons:
            memory.persons.popitem(last=False)
    else:
        memory.persons.move_to_end(person)
    seen = memory.sessions.get(who.session)
    if seen is None or at - who.last_at > SESSION_GAP:
        who.session = memory.opened
        memory.opened += 1
        seen = memory.sessions[who.session] = {}
        if len(memory.sessions) > memory.limits.sessions:
            memory.sessions.popitem(last=False)
    who.last_at = max(who.last_at, at)
    return who, seen


def _item(memory: Memory, item: str, category: str) -> Item:
    what = memory.items.get(item)
    if what is None:
        what = memory.items[item] = Item(category)
        if len(memory.items) > memory.limits.items:
            memory.items.popitem(last=False)
    else:
        memory.items.move_to_end(item)
        if category:
            what.category = category
    return what


def _pair(memory: Memory, item: str, what: Item, seen: dict[str, None]) -> None:
    """Bring an item near to those that the session saw last, and them near to it."""
    most = memory.limits.near
    weights = iter(NEAR_WEIGHTS)
    for other in reversed(seen):
        if other == item:
            continue
        if (weight := next(weights, 0)) == 0:
            return
        _add(what.near, other, weight, most)
        if (near := memory.items.get(other)) is not None:
            _add(near.near, item, weight, most)


def _count(memory: Memory, category: str, item: str) -> None:
    popular = memory.popular.get(category)
    if popular is None:
        popular = memory.popular[category] = {}
        if len(memory.popular) > memory.limits.categories:
            memory.popular.popitem(last=False)
    else:
        memory.popular.move_to_end(category)
    _add(popular, item, _TOUCH, memory.limits.popular)


def _add(weights: dict[str, int], key: str, weight: int, most: int) -> None:
    """Add to a weight, which becomes the latest; age the map where it has grown too large."""
    total = weights[key] = weights.pop(key, 0) + weight
    if len(weights) > 2 * most:
        latest_first = list(reversed(weights))
        kept = dict.fromkeys(sorted(latest_first, key=weights.__getitem__, reverse=True)[:most])
        for weak in [name for name in weights if name not in kept]:
            del weights[weak]
    elif total < CEILING:
        return
    for name in weights:
        weights[name] = (weights[name] + 1) >> 1
