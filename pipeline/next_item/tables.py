"""What has been touched after what, of all sites: items and categories; bounded, and the same for the same touches.

Of an item is kept its category, how often it was touched, and what was seen near it in a visit; of a category (and of
all items of a site, by the name "") what of it is touched most. What was not changed for longest makes room for what is
new. Weights are integers and age: all of a map are halved where one reaches CEILING, and where a map is twice its
limit, of which the strongest stay, of equals the latest. No order of a set and no hash of a string decides anything.

What changed is taken as rows (`changed`), and the rows are the checkpoint: tables that were rebuilt from all rows taken
so far (`restore`) go on exactly as those that wrote them. So rows and the position in the touches belong into one
transaction, and all that has changed into the same one; how often that is done is how often a busy item is published.
"""

from collections import OrderedDict

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

_SHIFT = 16
_NEAR = (1 << _SHIFT) - 1
"""A pair is one integer: these bits say how near it was seen, those above how often."""
_ONCE = 1 << _SHIFT
_TOUCH = 16

_ITEM, _CATEGORY = RowKind.ITEM, RowKind.CATEGORY


class Limits(Struct, frozen=True):
    """Most entries of each table, of all sites; maps hold up to twice as many before they are cut."""

    items: int = 50_000
    near: int = 64
    categories: int = 2_000
    popular: int = 100


class Item(Struct, gc=False):
    """An item: its category, its touches, and the pairs that it is of."""

    number: int = 0
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
        most = self.limits.near
        for weight, other in zip(NEAR_WEIGHTS, touch.before, strict=False):
            if other == item:
                continue
            what.pairs = _pair(what.pairs, other, _ONCE | weight, most)
            if (site, other) in self._items:
                of_other = self._item(site, other)
                of_other.pairs = _pair(of_other.pairs, item, _ONCE | weight, most)
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
        """The row as it is now, None where it made room. Its map is left in the order in which the row ranks it."""
        if kind is _CATEGORY:
            category = self._categories.get((site, name))
            if category is None:
                return None
            category.weights = dict(sorted(category.weights.items(), key=_weight))
            ranked = list(reversed(category.weights.items()))
            names, weights = [name for name, _ in ranked], [weight for _, weight in ranked]
            best, more = names[:POPULAR], names[POPULAR:]
            return encode_row(CategoryRow(best, category.number, category.touches, more, weights))
        item = self._items.get((site, name))
        if item is None:
            return None
        pulls, alike = self._pulls(site, item)
        names = sorted(pulls, key=pulls.__getitem__, reverse=True)
        item.pairs = {name: item.pairs[name] for name in reversed(names)}
        near = [item.pairs[name] & _NEAR for name in names]
        visits = [item.pairs[name] >> _SHIFT for name in names]
        best, more = names[:RANKED], names[RANKED:]
        of_best, alike_of_best = {name: pulls[name] for name in best}, [alike.get(name, 0) for name in best]
        row = ItemRow(item.category, item.touches, of_best, alike_of_best, item.number, more, near, visits)
        return encode_row(row)

    def _pulls(self, site: str, item: Item) -> tuple[dict[str, int], dict[str, int]]:
        """How well each item follows this one, the latest of equals first; and what of it comes of sessions alike.

        In sessions alike a rare item says more than one that all have seen: it counts by the logarithm of its rarity.
        """
        items, category = self._items, item.category
        of_all = self._categories.get((site, ""))  # None where it made room meanwhile
        total = item.touches if of_all is None else of_all.touches
        near: dict[str, int] = {}
        likeness: dict[str, int] = {}
        for name in reversed(item.pairs):
            pair, other = item.pairs[name], items.get((site, name))
            near[name], likeness[name] = pair & _NEAR, 0
            if other is not None:
                alike = (pair >> _SHIFT) * (total // (1 + other.touches)).bit_length()
                same = SAME_CATEGORY if category and other.category == category else 1
                near[name], likeness[name] = near[name] * same, alike * same
        pulls = dict.fromkeys(near, 0)
        pulls.update(zip(sorted(near, key=near.__getitem__, reverse=True), _NEAR_PULLS, strict=False))
        of_alike = dict(zip(sorted(near, key=likeness.__getitem__, reverse=True), _ALIKE_PULLS, strict=False))
        for name, pull in of_alike.items():
            pulls[name] += pull
        return pulls, of_alike


def _weight(entry: tuple[str, int]) -> int:
    return entry[1]


def _strongest(weights: dict[str, int], most: int) -> dict[str, int]:
    """The strongest, where there are more than twice as many as may be; of equals the latest. Their order stays."""
    if len(weights) <= 2 * most:
        return weights
    kept = dict(sorted(weights.items(), key=_weight)[-most:])
    return {name: weight for name, weight in weights.items() if name in kept}


def _pair(pairs: dict[str, int], other: str, weight: int, most: int) -> dict[str, int]:
    """Count a pair, which becomes the latest; age all where it has grown too large, or they too many."""
    total = pairs[other] = pairs.pop(other, 0) + weight
    if total & _NEAR < CEILING and len(pairs) <= 2 * most:
        return pairs
    near = {name: pair & _NEAR for name, pair in pairs.items()}
    return {
        name: (weight + 1 >> 1) | ((pairs[name] >> _SHIFT) + 1 >> 1) << _SHIFT
        for name, weight in _strongest(near, most).items()
    }


def _restored_item(row: ItemRow) -> Item:
    """What is ranked first was the last of its map."""
    paired = list(zip((*row.pulls, *row.more), row.near, row.visits, strict=True))
    pairs = {name: visits << _SHIFT | near for name, near, visits in reversed(paired)}
    return Item(row.number, row.category, row.touches, pairs)


def _restored_category(row: CategoryRow) -> Category:
    ranked = list(zip((*row.names, *row.more), row.weights, strict=True))
    return Category(row.number, row.touches, dict(reversed(ranked)))
