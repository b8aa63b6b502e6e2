"""Whether a suggested item might be suggested is judged as of the moment at which it was."""

from collections.abc import Callable
from random import Random

import pytest

from pipeline.config.namespace import DECISIONS
from pipeline.config.policy import PermissionPolicy
from pipeline.engine.partition import PartitionEngine
from pipeline.events.customer import Basis, Purpose
from pipeline.log.rows import Click, ClickKind
from pipeline.triggers.contract import ENGINE_VERSION, Kind, Suggestion, Why
from pipeline.triggers.site_now import Suggest
from pipeline.verify.align import Record
from pipeline.verify.allowed import PART, Allowed
from pipeline.verify.report import Part
from tests.engine.shop import Shop, add, click, line, order, product, remove, site_policy

ONSITE = PermissionPolicy(without_record=dict.fromkeys(Purpose, Basis.LEGITIMATE_INTEREST))
ITEMS = ("a", "b", "c", "d")


class SuggestingShop(Shop):
    """A shop that suggests from tables of its own, and keeps its frames."""

    def __init__(self, tables: Suggest) -> None:
        self.tables, self.frames, self.told = tables, [], []
        super().__init__(site_policy(permission=ONSITE), kind=Kind.PERSONALIZATION)

    def reopen(self) -> None:
        self.engine = PartitionEngine(0, self.store.get, [], 100_000, self.tables)

    def apply(self, data: bytes) -> None:
        self.frames.append(data)
        super().apply(data)
        self.told += [Record(len(self.told), o.key, o.value, ()) for o in self.outputs if o.topic == DECISIONS]
        self.outputs.clear()


def judged(shop: SuggestingShop, told: list[Record] | None = None, batch: int = 3) -> Part:
    """Fold the shop's frames anew beside what it told, which is read a few records at a time."""
    part, told = Part(PART), shop.told.copy() if told is None else told
    allowed, store = Allowed(part), {}
    engine = PartitionEngine(0, store.get, [], 100_000, allowed.suggest)
    for offset, frame in enumerate(shop.frames):
        while allowed.reached <= offset and told:
            allowed.read(told[:batch])
            del told[:batch]
        allowed.begin(offset)
        engine.apply(offset, frame)
        made = engine.take()
        store.update(made.rows)
        allowed.judge(made.outputs)
    return part


def view(minute: float, sku: str) -> Click:
    return click(minute, kind=int(ClickKind.VIEW_ITEM), lines=(line(sku, 1, 1_000, f"category {sku}"),))


def always(*items: str) -> Suggest:
    return lambda _site, _recent, _may: tuple(Suggestion(item, Why.ALL) for item in items)


def counts(part: Part) -> tuple[int, int, int]:
    return part.equal, part.found.total(), part.not_judged


def test_what_was_in_stock_then_might_be_suggested_whatever_came_later() -> None:
    shop = SuggestingShop(always("b"))
    shop.broadcast(product("b", stock=1))
    shop.tell(view(0, "a"), view(1, "c"))
    shop.broadcast(product("b", stock=0))
    shop.tell(add(9, "b"), order(9, "b"))
    assert counts(judged(shop))[1:] == (1, 0)  # of the last one, not of the first
    assert counts(judged(shop))[0] > 0


@pytest.mark.parametrize(
    "reason",
    [
        lambda shop: shop.broadcast(product("b", stock=0)),
        lambda shop: shop.broadcast(product("b", restricted=True)),
        lambda shop: shop.tell(add(0, "b")),
        lambda shop: shop.tell(order(0, "b")),
    ],
    ids=["out of stock", "restricted", "in the cart", "bought"],
)
def test_what_might_not_be_suggested_then_is_found_whatever_came_later(reason: Callable[[Shop], None]) -> None:
    shop = SuggestingShop(lambda _site, recent, _may: always("b")("", {}, bool) if "a" not in recent else ())
    shop.tell(click(-1))
    reason(shop)
    shop.tell(view(1, "c"))
    shop.broadcast(product("b"))
    shop.tell(view(3, "a"), remove(4, "b"))
    part = judged(shop)
    assert (part.equal, part.not_judged) == (0, 0)
    assert part.found.total() > 0


def test_the_item_that_was_looked_at_last_is_found() -> None:
    shop = SuggestingShop(always("b"))
    shop.tell(view(0, "a"), view(1, "b"))
    assert counts(judged(shop)) == (0, 1, 0)


def test_an_item_that_is_suggested_twice_is_found() -> None:
    shop = SuggestingShop(always("b", "b"))
    shop.tell(view(0, "a"), view(1, "c"))
    part = judged(shop)
    assert part.found.total() == 1
    assert "1 of 2 items" in part.first[0]
    assert "ann" not in part.first[0]


def random_shop(random: Random) -> tuple[SuggestingShop, list[bool]]:
    """A shop that suggests at random, and of each trigger that suggests anything whether all of it was allowed."""
    allowed: list[bool] = []

    def anything(_site: str, recent: dict[str, int], may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
        items = random.sample(ITEMS, random.randint(0, 2))
        if items:
            allowed.append(all(may(item) and item != next(reversed(recent), None) for item in items))
        return tuple(Suggestion(item, Why.ALL) for item in items)

    shop, people = SuggestingShop(anything), [f"s|c|{number}" for number in range(3)]
    for minute in range(40):
        happens = random.choice([view, view, view, add, remove, order])
        sku = random.choice(ITEMS)
        rows = [shop.row(happens(minute + n / 60, sku), random.choice(people)) for n in range(random.randint(1, 6))]
        shop.frame(*rows)
        if random.random() < 0.3:
            shop.broadcast(product(sku, stock=random.choice([0, 1]), restricted=random.random() < 0.2))
        if random.random() < 0.3:
            shop.clock(minute - 1)
    return shop, allowed


def test_of_random_shops_just_what_was_not_allowed_is_found() -> None:
    seen = [0, 0]
    for seed in range(40):
        random = Random(seed)
        shop, allowed = random_shop(random)
        part = judged(shop, batch=random.choice([1, 2, 7, 1_000]))
        assert counts(part) == (sum(allowed), len(allowed) - sum(allowed), 0), seed
        seen = [seen[0] + part.equal, seen[1] + part.found.total()]
    assert min(seen) > 100


def test_what_does_not_fit_is_not_judged_and_the_next_frame_is() -> None:
    shop = SuggestingShop(always("d"))
    for minute in range(10):
        shop.frame(*[shop.row(view(minute, ITEMS[minute % 3]), f"s|c|{n}") for n in range(3)])
    whole = counts(judged(shop))
    assert whole[1:] == (0, 0)
    first = next(record for record in shop.told if b'"suggestions"' in record.value)
    doubled = judged(shop, [first, *shop.told])
    assert (doubled.equal + doubled.not_judged, doubled.found.total()) == (whole[0] + 1, 0)
    assert 0 < doubled.not_judged < 5


def test_of_another_version_of_the_engine_nothing_is_said() -> None:
    shop = SuggestingShop(always("c"))
    shop.tell(view(0, "a"), view(1, "c"))
    ours, other = (f'"engine_version":"{version}"'.encode() for version in (ENGINE_VERSION, "0"))
    told = [record._replace(value=record.value.replace(ours, other)) for record in shop.told]
    assert counts(judged(shop)) == (0, 1, 0)
    assert counts(judged(shop, told)) == (0, 0, 0)
