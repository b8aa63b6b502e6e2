"""An example tells what was said of it as it began, and by which snapshot: so it is known how good that was."""

from msgspec.structs import replace

from pipeline.heads.table import SPECS
from pipeline.log.rows import ClickKind
from pipeline.scoring.example import Example
from pipeline.scoring.hazard import CART_EDGES, DAY, REORDER_EDGES
from pipeline.scoring.scorer import Scorer
from tests.engine.learned import LearningShop, constant, row
from tests.engine.shop import T0, add, at, click, line, order

MINUTES = 60_000
HALF_AN_HOUR = 4
"""The bin that ends then: of the first ones nothing is said, for they are over before the clock looks."""


def told(shop: LearningShop, head: str) -> dict[int, tuple[float | None, int]]:
    """What the examples of a head tell, by bin."""
    return {one.bin: (one.served, one.version) for one in shop.examples if one.head == head}


def passed(shop: LearningShop, begin: int, edges: tuple[int, ...]) -> None:
    """Let the clock stand at each of these times of silence."""
    for edge in edges:
        shop.clock((begin + edge - T0) / MINUTES)


def day_end(time: int) -> int:
    return (time // DAY + 1) * DAY


def said(example: Example, scorer: Scorer) -> float:
    return scorer.log_odds(example.inputs, scorer.shop(example.site))


def test_of_a_visit_the_calibrated_chance_is_told() -> None:
    shop = LearningShop()
    shop.broadcast(row(replace(constant("intent", -1.5, version=7), calibration=(2.0, 0.25))))
    shop.tell(*(click(minute, kind=ClickKind.VIEW_ITEM, lines=(line("a"),)) for minute in (0, 1)))
    shop.clock(60)
    assert told(shop, "intent") == {0: (2.0 * -1.5 + 0.25, 7)}


def test_of_a_cart_each_bin_is_told_of_from_half_an_hour_on_by_the_snapshot_of_its_beginning() -> None:
    shop = LearningShop(granted=False)
    shop.broadcast(row(constant("cart", -2.0, bin_6=0.5, version=3)))
    shop.tell(add(0))
    passed(shop, at(0), CART_EDGES[: HALF_AN_HOUR + 2])
    shop.broadcast(row(constant("cart", -4.0, version=4)))
    passed(shop, at(0), CART_EDGES[HALF_AN_HOUR + 2 :])
    assert told(shop, "cart") == {
        **dict.fromkeys(range(HALF_AN_HOUR + 1), (None, 0)),
        5: (-2.0, 3),
        6: (-1.5, 3),
        7: (-4.0, 4),
        8: (-4.0, 4),
    }


def test_of_the_next_order_each_bin_is_told_of_by_the_snapshot_of_its_beginning() -> None:
    shop = LearningShop()
    shop.broadcast(row(constant("reorder", -3.0, bin_1=1.0, version=3)))
    shop.tell(order(0))
    passed(shop, day_end(at(0)), REORDER_EDGES[:2])
    shop.broadcast(row(constant("reorder", -5.0, version=4)))
    passed(shop, day_end(at(0)), REORDER_EDGES[2:4])
    assert told(shop, "reorder") == {0: (-3.0, 3), 1: (-2.0, 3), 2: (-3.0, 3), 3: (-5.0, 4)}


def test_of_bins_that_the_clock_jumps_over_nothing_was_said() -> None:
    shop = LearningShop()
    shop.broadcast(row(constant("reorder", -3.0, version=3)))
    shop.tell(order(0))
    passed(shop, day_end(at(0)), (REORDER_EDGES[2], REORDER_EDGES[3]))
    assert told(shop, "reorder") == {0: (-3.0, 3), 1: (None, 0), 2: (None, 0), 3: (-3.0, 3)}


def test_a_second_order_of_a_day_is_in_what_is_told() -> None:
    snapshot = constant("reorder", -3.0, version=3)
    weights = [0.5] * len(snapshot.weights)
    shop = LearningShop()
    shop.broadcast(row(replace(snapshot, weights=weights)))
    shop.tell(order(0, value=1_000), order(1, value=9_000))
    passed(shop, day_end(at(0)), REORDER_EDGES[:1])
    (example,) = [one for one in shop.examples if one.head == "reorder"]
    scorer = Scorer(SPECS["reorder"], replace(snapshot, weights=weights))
    assert example.inputs[SPECS["reorder"].places["value"]] == 10_000
    assert example.served == said(example, scorer)
