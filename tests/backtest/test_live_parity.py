"""What a backtest says of a log is what the engine says live of the same events."""

from random import Random

import pytest

from pipeline.backtest import cart_stream, intent
from pipeline.backtest.clicklog import Interaction
from pipeline.config.durations import DAY, HOUR, MINUTE
from pipeline.log.frames import Mark
from pipeline.log.rows import CartOp, CartRow, Click, ClickKind, Line, OrderNews, OrderRow, PersonEvent
from pipeline.replay.rows import Action
from pipeline.scoring.scorer import Scorer
from tests.engine.learned import LearningShop
from tests.engine.shop import T0, site_policy

HALF_AN_HOUR = 30 * MINUTE
_CLICKS = {Action.VIEW: ClickKind.VIEW_ITEM, Action.WISH: ClickKind.ADD_TO_WISHLIST}


def visits(people: int, days: int, seed: int) -> list[Interaction]:
    """Visits of some steps; who put something into the cart is more likely to buy. No two at one moment."""
    random, found = Random(seed), {}
    for person in range(people):
        likes = random.random()
        at = T0 + random.randrange(DAY)
        while at < T0 + days * DAY:
            for _ in range(random.randrange(1, 14)):
                item = random.randrange(30)
                kind = random.choices(list(Action), [8, 1.0 + 3 * likes, 0.3, 0.5, 2 * likes])[0]
                while at in found:
                    at += 1
                found[at] = Interaction(at, f"p{person}", kind, str(item), str(item % 5))
                at += random.randrange(1_000, 10 * MINUTE)
            at += random.randrange(HOUR, 2 * DAY)
    return [found[at] for at in sorted(found)]


def event(row: Interaction) -> PersonEvent:
    name, lines = f"e{row.at}", (Line(row.item, 1, 1_000, row.category, ""),)
    if row.kind in _CLICKS:
        return Click(name, row.at, int(_CLICKS[row.kind]), "", "", "", 0, "", lines)
    if row.kind is Action.BUY:
        return OrderRow(name, row.at, int(OrderNews.PURCHASE), name, 0, False, False, 1_000, "EUR", "", lines)
    op = CartOp.ADD if row.kind is Action.ADD else CartOp.REMOVE
    return CartRow(name, row.at, int(op), 0, "EUR", "", "", "", 0, lines)


def told(shop: LearningShop, log: list[Interaction], clocks: set[int]) -> None:
    """Tell the log; the clock stops at each event, and at each of these times."""
    rows = {row.at: row for row in log}
    for time in sorted(clocks | rows.keys()):
        shop.frame(marks=tuple(Mark(source, time) for source in shop.namespace.clocked()))
        if row := rows.get(time):
            shop.tell(event(row), person=f"{intent.SITE}|c|{row.person}")


def live(log: list[Interaction], clocks: set[int]) -> tuple[dict[int, float], int]:
    """The chances that were served, by the time of the prediction, and how many came before the first snapshot."""
    shop = LearningShop(site_policy(), granted=False, learns=True)
    told(shop, log, clocks)
    served, unserved = {}, 0
    for example in shop.examples:
        if example.head != "intent":
            continue
        if example.served is None:
            unserved += 1
        else:
            scorer = Scorer(shop.specs["intent"], shop.snapshots["intent", example.version])
            served[example.made_at] = scorer.probability(example.served)
    return served, unserved


@pytest.mark.parametrize("seed", [1, 2])
def test_a_visits_intent_is_the_same_live_as_in_the_backtest(seed: int) -> None:
    log = visits(people=100, days=10, seed=seed)
    end = log[-1].at + DAY
    stream = intent.Stream()
    for row in log:
        stream.take(row)
    stream.pass_time(end)
    ends = {row.at + HALF_AN_HOUR for row in log}
    chances, unserved = live(log, ends | {end})
    assert len(chances) > 200
    assert len(chances) + unserved == len(stream.asked)
    backtest = {one.at: one.chance for one in stream.asked if one.at in chances}
    assert chances == pytest.approx(backtest, abs=1e-9)


def test_a_carts_labels_are_the_same_live_as_in_the_backtest() -> None:
    log = visits(people=40, days=6, seed=3)
    end = log[-1].at + 4 * DAY
    stream = cart_stream.Stream()
    for row in log:
        stream.take(row)
    stream.pass_time(end)
    shop = LearningShop(site_policy(), granted=False)
    told(shop, log, {end})
    labels = sorted((one.made_at, one.bin, one.label) for one in shop.examples if one.head == "cart")
    assert len(labels) > 1_000
    assert labels == sorted((one.made_at, one.bin, one.label) for one in stream.asked)
