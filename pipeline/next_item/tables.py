"""What has been touched after what, of all sites: items and categories; bounded, and the same for the same touches.

Of an item is kept its category, how often it was touched, and what was seen near it in a visit; of a category (and of
all items of a site, by the name "") what of it is touched most. What was not changed for longest makes room for what is
new. Weights are integers and age: all of a map are halved where one reaches CEILING, and where a map is twice its
limit, of which the strongest stay, of equals the latest. No order of a set and no hash of a string decides anything.

What fewer than LEAST_PEOPLE have done is kept, and names no item to anybody: a pair is told, and an item is popular,
when so many people came to it to whom it was new. That is no proof: who has looked at much else since is counted again
where they come back to it, and so is who comes by another name.

What changed is taken as rows (`changed`), and the rows are the checkpoint: tables that were rebuilt from all rows taken
so far (`restore`) go on exactly as those that wrote them. So rows and the position in the touches belong into one
transaction, and all that has changed into the same one; how often that is done is how often a busy item is published.
"""

from collections import OrderedDict
from itertools import islice

from msgspec import Struct, field

from pipeline.next_item.rows import (
    CategoryRow,
    ItemRow,
    RowKind,
    decode_category,
    decode_item,
    decode_key,
    encode_key,
    encode_row,
)
from pipeline.next_item.touch import Touch

LEAST_PEOPLE = 2
"""So many have seen an item, or a pair in one visit, before it is told. Who is told an item that is not among their own
is none of them, so they hear of two others at least, never of one alone."""

CEILING = 4_096
NEAR_WEIGHTS = (16, 14, 12, 10, 8, 7, 6)
"""What a pair in one visit weighs, by how many other items were seen between."""

RANKED = 20
POPULAR = 40
"""How many items the row of an item, and of a category, has for queries."""
SAME_CATEGORY = 4
"""An item of the same category counts so many times as much."""
RANK_OFFSET = 5
_NEAR_PULLS = tuple(1_000 // (RANK_OFFSET + rank) for rank in range(1, RANKED + 1))
_ALIKE_PULLS = tuple(500 // (RANK_OFFSET + rank) for rank in range(1, RANKED + 1))
"""What the places of two rankings add up to: by what was seen near, and by sessions alike, which counts half."""

_VISIT, _PERSON = 16, 32
"""A pair is one integer: the lowest bits say how near it was seen, those from here on how often, and by how many."""
_ONCE, _ONE = 1 << _VISIT, 1 << _PERSON
_NEAR, _TOLD = _ONCE - 1, LEAST_PEOPLE * _ONE
_TOUCH = 16

_ITEM, _CATEGORY = RowKind.ITEM, RowKind.CATEGORY


class Limits(Struct, frozen=True):
    """Most entries of each table, of all sites; maps hold up to twice as many before they are cut."""

    items: int = 50_000
    near: int = 64
    categories: int = 2_000
    popular: int = 100


class Item(Struct, gc=False):
    """An item: its category, its touches, how many it was new to, and the pairs that it is of."""

    number: int = 0
    people: int = 0
    category: str = ""
    touches: int = 0
    pairs: dict[str, int] = field(default_factory=dict)


class Category(Struct, gc=False):
    """A category: its touches, and by item what they weigh now."""

    number: int = 0
    touches: int = 0
    weights: dict[str, int] = field(default_factory=dict)


class Tables:
    """All tables, each by what was changed last."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008
        self.limits = limits
        self._number = 0
        self._items: OrderedDict[tuple[str, str], Item] = OrderedDict()
        self._categories: OrderedDict[tuple[str, str], Category] = OrderedDict()
        self._changed: OrderedDict[tuple[RowKind, str, str], None] = OrderedDict()
        self._sorted = True

    def __len__(self) -> int:
        """Rows that the tables have."""
        return len(self._items) + len(self._categories)

    @property
    def waiting(self) -> int:
        """Rows that changed and were not taken yet."""
        return len(self._changed)

    def observe(self, touch: Touch) -> None:
        """Learn a touch. The same touch is learned as often as it is given."""
        if not self._sorted:
            self._sort()
        site, item = touch.site, touch.item
        what = self._item(site, item)
        what.touches += 1
        if touch.category:
            what.category = touch.category
        if touch.new and what.people < LEAST_PEOPLE:
            what.people += 1
        most, once = self.limits.near, _ONE | _ONCE if touch.new else _ONCE
        for weight, other in zip(NEAR_WEIGHTS, touch.before, strict=False):
            if other == item:
                continue
            what.pairs = _pair(what.pairs, other, once | weight, most)
            if (site, other) in self._items:
                of_other = self._item(site, other)
                of_other.pairs = _pair(of_other.pairs, item, once | weight, most)
        self._count(site, "", item)
        if what.category:
            self._count(site, what.category, item)

    def changed(self, most: int) -> list[tuple[bytes, bytes | None]]:
        """Rows that changed since they were last taken, the oldest change first, at most so many; None: it is gone."""
        taken: list[tuple[bytes, bytes | None]] = []
        while self._changed and len(taken) < most:
            (kind, site, name), _ = self._changed.popitem(last=False)
            taken.append((encode_key(site, kind, name), self._row(kind, site, name)))
        return taken

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take a row that tables wrote, in any order of the keys.

        Raises RowError, and changes nothing, where it is damaged.
        """
        of = decode_key(key)
        place = of.site, of.name
        if of.kind is _ITEM:
            item = None if value is None else _restored_item(decode_item(value))
            self._items.pop(place, None)
            if item is not None:
                self._items[place] = item
        else:
            category = None if value is None else _restored_category(decode_category(value))
            self._categories.pop(place, None)
            if category is not None:
                self._categories[place] = category
        self._sorted = False

    def _sort(self) -> None:
        """Rows come back in the order of the topic, which says little; their numbers say what was changed last."""
        self._items = OrderedDict(sorted(self._items.items(), key=lambda known: known[1].number))
        self._categories = OrderedDict(sorted(self._categories.items(), key=lambda known: known[1].number))
        numbers = (one.number for table in (self._items, self._categories) for one in table.values())
        self._number = max(numbers, default=0)
        self._sorted = True

    def _item(self, site: str, name: str) -> Item:
        """An item that changes now."""
        place = site, name
        what = self._items.get(place)
        if what is None:
            what = self._items[place] = Item()
            if len(self._items) > self.limits.items:
                gone, _ = self._items.popitem(last=False)
                self._note(_ITEM, *gone)
        else:
            self._items.move_to_end(place)
        what.number = self._note(_ITEM, site, name)
        return what

    def _count(self, site: str, name: str, item: str) -> None:
        place = site, name
        category = self._categories.get(place)
        if category is None:
            category = self._categories[place] = Category()
            if len(self._categories) > self.limits.categories:
                gone, _ = self._categories.popitem(last=False)
                self._note(_CATEGORY, *gone)
        else:
            self._categories.move_to_end(place)
        category.number = self._note(_CATEGORY, site, name)
        category.touches += 1
        weights, most = category.weights, self.limits.popular
        total = weights[item] = weights.pop(item, 0) + _TOUCH
        if total >= CEILING or len(weights) > 2 * most:
            category.weights = {name: weight + 1 >> 1 for name, weight in _strongest(weights, most).items()}

    def _note(self, kind: RowKind, site: str, name: str) -> int:
        """Remember that a row has changed. Returns the number of the change."""
        self._number += 1
        changed = kind, site, name
        self._changed[changed] = None
        self._changed.move_to_end(changed)
        return self._number

    def _row(self, kind: RowKind, site: str, name: str) -> bytes | None:
        """The row as it is now, None where it made room. Its map is left in the order in which the row has it."""
        if kind is _CATEGORY:
            category = self._categories.get((site, name))
            return None if category is None else encode_row(self._category_row(site, category))
        item = self._items.get((site, name))
        return None if item is None else encode_row(self._item_row(site, item))

    def _category_row(self, site: str, category: Category) -> CategoryRow:
        ranked = sorted(category.weights, key=category.weights.__getitem__)[::-1]
        best = list(islice((name for name in ranked if self._is_told(site, name)), POPULAR))
        ahead = frozenset(best)
        more = [name for name in ranked if name not in ahead]
        category.weights = {name: category.weights[name] for name in (*reversed(more), *reversed(best))}
        weights = list(reversed(category.weights.values()))
        return CategoryRow(best, category.number, category.touches, more, weights)

    def _is_told(self, site: str, name: str) -> bool:
        item = self._items.get((site, name))  # None where it made room meanwhile
        return item is not None and item.people >= LEAST_PEOPLE

    def _item_row(self, site: str, item: Item) -> ItemRow:
        told = [name for name in reversed(item.pairs) if item.pairs[name] >= _TOLD]
        pulls, alike = self._pulls(site, item, told)
        untold, _ = self._pulls(site, item, [name for name in reversed(item.pairs) if item.pairs[name] < _TOLD])
        ahead = pulls.keys() | untold.keys()
        more = [name for name in reversed(item.pairs) if name not in ahead]
        item.pairs = {name: item.pairs[name] for name in (*reversed(more), *reversed(untold), *reversed(pulls))}
        pairs = list(reversed(item.pairs.values()))
        return ItemRow(
            item.category,
            item.touches,
            pulls,
            alike,
            untold,
            item.number,
            item.people,
            more,
            [pair & _NEAR for pair in pairs],
            [pair % _ONE >> _VISIT for pair in pairs],
            [pair >> _PERSON for pair in pairs],
        )

    def _pulls(self, site: str, item: Item, names: list[str]) -> tuple[dict[str, int], list[int]]:
        """Which of `names`, the latest first, follow this item best, and how well; what of it comes of visits alike.

        In sessions alike a rare item says more than one that all have seen: it counts by the logarithm of its rarity.
        """
        items, category = self._items, item.category
        of_all = self._categories.get((site, ""))  # None where it made room meanwhile
        total = item.touches if of_all is None else of_all.touches
        near: dict[str, int] = {}
        likeness: dict[str, int] = {}
        for name in names:
            pair, other = item.pairs[name], items.get((site, name))
            near[name], likeness[name] = pair & _NEAR, 0
            if other is not None:
                alike = (pair % _ONE >> _VISIT) * (total // (1 + other.touches)).bit_length()
                same = SAME_CATEGORY if category and other.category == category else 1
                near[name], likeness[name] = near[name] * same, alike * same
        pulls = dict.fromkeys(names, 0)
        pulls.update(zip(sorted(names, key=near.__getitem__, reverse=True), _NEAR_PULLS, strict=False))
        of_alike = dict(zip(sorted(names, key=likeness.__getitem__, reverse=True), _ALIKE_PULLS, strict=False))
        for name, pull in of_alike.items():
            pulls[name] += pull
        best = sorted(names, key=pulls.__getitem__, reverse=True)[:RANKED]
        return {name: pulls[name] for name in best}, [of_alike.get(name, 0) for name in best]


def _strongest(weights: dict[str, int], most: int) -> dict[str, int]:
    """The strongest, where there are more than twice as many as may be; of equals the latest. Their order stays."""
    if len(weights) <= 2 * most:
        return weights
    kept = frozenset(sorted(weights, key=weights.__getitem__)[-most:])
    return {name: weight for name, weight in weights.items() if name in kept}


def _pair(pairs: dict[str, int], other: str, weight: int, most: int) -> dict[str, int]:
    """Count a pair, which becomes the latest; age all where it has grown too large, or they too many.

    People do not age, and are counted no further than has to be known.
    """
    total = pairs.pop(other, 0) + weight
    if total >= _TOLD + _ONE:
        total -= _ONE
    pairs[other] = total
    if total & _NEAR < CEILING and len(pairs) <= 2 * most:
        return pairs
    near = {name: pair & _NEAR for name, pair in pairs.items()}
    return {
        name: (weight + 1 >> 1) | (pair % _ONE >> _VISIT) + 1 >> 1 << _VISIT | pair >> _PERSON << _PERSON
        for name, weight, pair in [(name, weight, pairs[name]) for name, weight in _strongest(near, most).items()]
    }


def _restored_item(row: ItemRow) -> Item:
    """What is ranked first was the last of its map."""
    paired = list(zip((*row.pulls, *row.untold, *row.more), row.near, row.visits, row.people_of, strict=True))
    pairs = {name: people << _PERSON | visits << _VISIT | near for name, near, visits, people in reversed(paired)}
    return Item(row.number, row.people, row.category, row.touches, pairs)


def _restored_category(row: CategoryRow) -> Category:
    ranked = list(zip((*row.names, *row.more), row.weights, strict=True))
    return Category(row.number, row.touches, dict(reversed(ranked)))
