"""The backtest of the next item learns and asks with what the engine hands over and keeps, event by event."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.backtest.clicklog import Interaction
from pipeline.backtest.next_item_live import LATE, SITE, LivePath
from pipeline.engine.batch import Batch
from pipeline.log.rows import ClickKind, OrderRow
from pipeline.next_item.touch import Touch, decode_touches, encode_touches
from pipeline.replay.rows import Action
from tests.engine.shop import Shop, add, at, click, line, order, remove

STEPS = st.lists(
    st.tuples(
        st.sampled_from([Action.VIEW, Action.VIEW, Action.VIEW, Action.ADD, Action.WISH, Action.BUY, Action.REMOVE]),
        st.integers(0, 24),
        st.sampled_from([1, 2, 45]),
    ),
    min_size=1,
    max_size=40,
)
"""What is done with which item, and how many minutes after the step before."""


class HandingShop(Shop):
    """A shop whose touches are kept."""

    def __init__(self) -> None:
        self.touches: list[Touch] = []
        super().__init__()

    def commit(self) -> Batch:
        batch = super().commit()
        self.touches += decode_touches(encode_touches(batch.touches))
        return batch


class Recorder:
    """In the place of the tables."""

    def __init__(self) -> None:
        self.touches: list[Touch] = []

    def observe(self, touch: Touch) -> None:
        self.touches.append(touch)

    def changed(self, _: int) -> list[Any]:
        return []


def told(kind: Action, minute: float, sku: str) -> Any:
    category = f"c{sku[-1]}"
    of = (line(sku, 1, 1_000, category),)
    match kind:
        case Action.VIEW:
            return click(minute, kind=int(ClickKind.VIEW_ITEM), lines=of)
        case Action.WISH:
            return click(minute, kind=int(ClickKind.ADD_TO_WISHLIST), lines=of)
        case Action.ADD:
            return add(minute, sku, category=category)
        case Action.REMOVE:
            return remove(minute, sku)
    bought: OrderRow = order(minute, sku)
    return replace(bought, lines=of)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_the_engine_hands_over_the_touches_that_the_backtest_learns_and_keeps_the_items_that_it_asks_with(
    steps: list[tuple[Action, int, int]],
) -> None:
    shop, path = HandingShop(), LivePath()
    path.tables = recorder = Recorder()  # type: ignore[assignment]
    minute = 0.0
    for kind, number, later in steps:
        minute += later
        sku = f"item-{number}"
        shop.tell(told(kind, minute, sku))
        path.tell(Interaction(at(minute), "ann", kind, sku, f"c{sku[-1]}", "", 1_000))
    assert [replace(touch, site=SITE) for touch in shop.touches] == recorder.touches
    tastes = shop.customer().tastes
    assert list((tastes.items if tastes else {}).items()) == list(path.recent("ann").items())


def test_rows_reach_the_shelf_as_late_as_they_do_live() -> None:
    path = LivePath()
    for when, item in ((1_000_000, "a"), (1_000_001, "b"), (1_000_000 + LATE, "c")):
        assert len(path.shelf) == 0
        path.tell(Interaction(when, "p", Action.VIEW, item))
    assert len(path.shelf) == 3, "two items, and all; the third waits"
