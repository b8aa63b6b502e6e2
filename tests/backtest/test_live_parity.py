"""What a backtest says of a log is what the engine says live of the same events."""

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.backtest import cart_stream, intent, reorder_stream
from pipeline.backtest.clicklog import Interaction
from pipeline.backtest.orderlog import Order
from pipeline.backtest.reorder import Counts
from pipeline.config.durations import DAY, HOUR, MINUTE
from pipeline.heads import count, reorder
from pipeline.log.frames import Mark
from pipeline.log.rows import CartOp, CartRow, Click, ClickKind, Line, OrderNews, OrderRow, PersonEvent
from pipeline.replay.rows import Action
from pipeline.scoring.odds import sigmoid
from pipeline.state.heads import of_orders
from pipeline.triggers.contract import Kind
from tests.engine.learned import LearningShop
from tests.engine.shop import T0, site_policy, word
from tests.oracle.cart_oracle import millis

HALF_AN_HOUR = 30 * MINUTE
_CLICKS = {Action.VIEW: ClickKind.VIEW_ITEM, Action.WISH: ClickKind.ADD_TO_WISHLIST}


DEVICES = ("desktop", "mobile", "tablet")


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
                found[at] = Interaction(
                    at,
                    f"p{person}",
                    kind,
                    str(item),
                    str(item % 5),
                    price=100 * (1 + item),
                    device=random.choice(DEVICES),
                    account=True,
                )
                at += random.randrange(1_000, 10 * MINUTE)
            at += random.randrange(HOUR, 2 * DAY)
    return [found[at] for at in sorted(found)]


def event(row: Interaction) -> PersonEvent:
    name, lines = f"e{row.at}", (Line(row.item, row.quantity, row.price, row.category, ""),)
    if row.kind in _CLICKS:
        return Click(name, row.at, int(_CLICKS[row.kind]), row.device, "", "", 0, "", lines)
    if row.kind is Action.BUY:
        return OrderRow(name, row.at, int(OrderNews.PURCHASE), name, 0, False, False, 1_000, "EUR", "", lines)
    op = CartOp.ADD if row.kind is Action.ADD else CartOp.REMOVE
    return CartRow(name, row.at, int(op), 0, "EUR", row.device, "", "", 0, lines)


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
            served[example.made_at] = sigmoid(example.served)
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
    assert chances == pytest.approx(backtest, abs=1e-6)  # of six digits of the log-odds


def test_a_carts_labels_and_inputs_are_the_same_live_as_in_the_backtest() -> None:
    log = visits(people=40, days=6, seed=3)
    end = log[-1].at + 4 * DAY
    stream = cart_stream.Stream()
    for row in log:
        stream.take(row)
    stream.pass_time(end)
    shop = LearningShop(site_policy(), granted=False)
    told(shop, log, {end})
    live = sorted((one.made_at, one.bin, one.label, one.inputs) for one in shop.examples if one.head == "cart")
    assert len(live) > 1_000
    assert live == sorted((one.made_at, one.bin, one.label, one.inputs) for one in stream.asked)


def purchases(people: int, days: int, seed: int) -> list[Order]:
    """Orders of customers who each have a pace of their own, no two at one moment, and none near midnight."""
    random, found = Random(seed), {}
    start = T0 - T0 % DAY + DAY
    for person in range(people):
        pace, day = random.choice((8, 20, 45)), random.randrange(60)
        while day < days:
            for _ in range(random.choice((1, 1, 1, 2))):
                at = start + day * DAY + random.randrange(8 * HOUR, 20 * HOUR)
                found[at] = Order(at, start + (day + 1) * DAY, f"p{person:03}", random.randrange(500, 9_000), 2)
            day += 1 + int(random.expovariate(1 / pace))
            if random.random() < 0.08:
                break
    return [found[at] for at in sorted(found)]


class Both:
    """The engine and the backtest, told the same orders; the clock stops at each, and around each midnight."""

    def __init__(self) -> None:
        self.shop = LearningShop(site_policy(), granted=False, kind=Kind.WIN_BACK, learns=True)
        self.stream, self.counts = reorder_stream.Stream(), Counts()
        self.dues: list[tuple[int, int]] = []
        self.chances: list[tuple[float, float]] = []
        self.expected: list[tuple[float, float]] = []

    def tell(self, log: list[Order]) -> None:
        for person in sorted({order.person for order in log}):
            self.shop.tell(word(-60, True), person=_key(person))
        orders = {order.at: order for order in log}
        midnights = {order.day_end for order in log} | set(range(log[0].day_end, log[-1].day_end, DAY))
        for time in sorted(orders.keys() | midnights | {midnight - 1 for midnight in midnights}):
            self.pass_time(time)
            if order := orders.get(time):
                self.order(order)

    def pass_time(self, time: int) -> None:
        self.shop.frame(marks=tuple(Mark(source, time) for source in self.shop.namespace.clocked()))
        for trigger in self.shop.triggers():
            if trigger["type"] == "win_back.emitted.v1":
                self.won_back(trigger["data"])
        self.shop.outputs.clear()
        self.stream.pass_time(time)
        self.counts.pass_time(time, self.stream.memories)

    def won_back(self, data: dict[str, Any]) -> None:
        memory = self.stream.memories[data["customer_id"]]
        silence = reorder.silence_of(memory, millis(data["due_at"]))
        if self.stream.scorer is not None:
            chance = reorder.within(self.stream.hazards(memory.facts), silence, 30 * DAY)
            self.chances.append((data["scores"][0]["probability"], chance))
        if "expected" in data:
            scorer = self.counts.scorer
            orders = count.told(scorer, scorer.shop(intent.SITE), memory.facts, silence // DAY, count.WITHIN)
            self.expected.append((data["expected"]["orders"], orders))

    def order(self, order: Order) -> None:
        lines = (Line("a", order.items, 1_000, "", ""),)
        name = f"o{order.at}"
        row = OrderRow(name, order.at, int(OrderNews.PURCHASE), name, 0, False, False, order.value, "EUR", "", lines)
        self.shop.tell(row, person=_key(order.person))
        before = self.stream.memories.get(order.person, reorder.Memory())
        self.stream.order(order)
        memory = self.stream.memories[order.person]
        self.counts.order(order, before, memory)
        of = of_orders(self.shop.customer(_key(order.person)).heads)
        if of is not None and of.due and of.due[-1][0] == order.at:
            due = reorder.lost(memory, self.stream.hazards(memory.facts), memory.day_end)
            self.dues.append((of.due[-1][1], due or 0))


def _key(person: str) -> str:
    return f"{intent.SITE}|c|{person}"


def test_what_is_learned_and_said_of_the_orders_to_come_is_the_same_live_as_in_the_backtest() -> None:
    both = Both()
    both.tell(purchases(people=150, days=330, seed=5))
    for name, learner in (("reorder", both.stream._learner), ("count", both.counts.learner)):
        live = both.shop._learners[name]
        assert live.trained > 500
        # the backtest's count begins with a snapshot of what is believed first, so its versions are one ahead
        assert replace(live.state(), version=0) == replace(learner.state(), version=0)
    assert len(both.dues) > 200
    assert [live for live, _ in both.dues] == [backtest for _, backtest in both.dues]
    for told in (both.chances, both.expected):
        assert len(told) > 20
        assert [live for live, _ in told] == pytest.approx([backtest for _, backtest in told], abs=1e-4)
