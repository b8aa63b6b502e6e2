"""Who buys again and how much: one prediction of every customer at a cut, judged by what comes after it.

The log is told up to the cut as live: windows of the count head end, and bins of the hazard, and only what has ended is
learned. Windows follow each other whatever a customer does, so silent ones are learned of too. At the cut each customer
is scored once. What is held out is the last whole quarters of the log, at most half of it, so that 39 weeks or more
are left to learn from; of a log of less than a year, half.
"""

from heapq import heappop, heappush
from math import log1p
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from scipy.stats import spearmanr

from pipeline.backtest import bgnbd
from pipeline.backtest.orderlog import Order, OrderLog, read_orderlog
from pipeline.backtest.reorder_stream import EVERY, SITE, Stream
from pipeline.backtest.result import Gate, Result, surely_above
from pipeline.config.errors import UserError
from pipeline.heads import count, reorder
from pipeline.heads.labelled import example_of
from pipeline.learning.count import CountLearner, deviance
from pipeline.learning.heads import COUNTS
from pipeline.learning.quality import Floats, auc, calibration_error, interval, log_losses, pr_auc
from pipeline.scoring.hazard import DAY
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import SnapshotError

QUARTER = 91 * DAY
LEAST_LEARNED = 3 * QUARTER
FEWEST = 100
"""Customers before the cut; of fewer nothing can be said."""


class Cut(Struct, frozen=True):
    """Where a log is cut, and how long what comes after it is; milliseconds."""

    at: int
    horizon: int


class Counts:
    """The count head of all customers, and its learner. It goes by what the reorder head knows of each."""

    def __init__(self) -> None:
        self.learner = CountLearner(COUNTS["count"])
        self.scorer = Scorer(replace(count.SPEC, least=0), self.learner.snapshot(0))  # before any label
        self.refused = 0
        self._memories: dict[str, count.Memory] = {}
        self._wakes: list[tuple[int, str]] = []

    def order(self, order: Order, before: reorder.Memory, after: reorder.Memory) -> None:
        """Take an order, given what the reorder head knew before and after it."""
        known = self._memories.get(order.person, count.Memory())
        self._memories[order.person] = taken = count.ordered(known, before, after, order.at)
        if (wake := count.next_label(taken)) != count.next_label(known):
            heappush(self._wakes, (wake, order.person))

    def pass_time(self, clock: int, customers: dict[str, reorder.Memory]) -> None:
        """Learn all counts of windows that have ended up to `clock`, in the order in which they did."""
        while self._wakes and self._wakes[0][0] <= clock:
            wake, person = heappop(self._wakes)
            memory, labels = count.settle(self._memories[person], customers[person], wake)
            if not labels:
                continue
            self._memories[person] = memory
            if after := count.next_label(memory):
                heappush(self._wakes, (after, person))
            for labelled in labels:
                self.learner.learn(example_of(labelled, "count", SITE, count.SPEC.hash))
                if self.learner.trained % EVERY == 0:
                    self._publish(wake)

    def _publish(self, clock: int) -> None:
        try:
            self.scorer = Scorer(count.SPEC, self.learner.snapshot(clock))
        except SnapshotError:
            self.refused += 1  # the last good one stays, as live


class Scored(Struct, frozen=True):
    """A row a customer, in one order: what was known and told at the cut, and what came of it.

    `days` are the purchase days after the cut, `value` is what was spent, minor units.
    """

    repeats: Floats
    last: Floats
    age: Floats
    silence: Floats
    spent: Floats
    orders: Floats
    worth: Floats
    chance: Floats
    days: Floats
    value: Floats


def run(path: Path) -> Result:
    """Run it over a log of orders. Raises UserError where the file cannot be used or is too small."""
    began = perf_counter()
    log = read_orderlog(path)
    cut = cut_of(log)
    scored = score(log, cut)
    bought = (scored.days > 0).astype(np.float64)
    if len(bought) < FEWEST or not 0 < bought.sum() < len(bought):
        raise UserError(
            f"{path} is too small: {len(bought)} customers buy before its last {cut.horizon // DAY} days, "
            f"{bought.sum():.0f} of them again in those: at least {FEWEST} are needed, some who do and some who do not"
        )
    anchors = _anchors(scored, cut)
    metrics = _metrics(scored, bought, anchors, cut)
    gates = [_above(name, scored.orders, anchors[name], bought) for name in ("bgnbd", "formula")]
    told = {name: auc(scores, bought) for name, scores in anchors.items()}
    return Result("reorder", log.rows, perf_counter() - began, log.skipped, metrics, told, gates)


def cut_of(log: OrderLog) -> Cut:
    """Where to cut a log, by its length alone."""
    begin = log.orders[0].day_end - DAY
    end = max(order.day_end for order in log.orders)
    half = (end - begin) // (2 * DAY) * DAY
    quarters = min(end - begin - LEAST_LEARNED, half) // QUARTER
    horizon = quarters * QUARTER if quarters > 0 else half
    return Cut(end - horizon, horizon)


def score(log: OrderLog, cut: Cut) -> Scored:
    """Tell the log up to the cut, and score every customer who has bought by then."""
    stream, counts = Stream(), Counts()
    days: dict[str, set[int]] = {}
    value: dict[str, int] = {}
    for order in log.orders:
        if order.at >= cut.at:
            days.setdefault(order.person, set()).add(order.day_end)
            value[order.person] = value.get(order.person, 0) + order.value
            continue
        counts.pass_time(order.at, stream.memories)
        before = stream.memories.get(order.person, reorder.Memory())
        stream.order(order)
        counts.order(order, before, stream.memories[order.person])
    stream.pass_time(cut.at)
    counts.pass_time(cut.at, stream.memories)
    scorer = counts.scorer
    shop, rows = scorer.shop(SITE), []
    for person, memory in stream.memories.items():
        facts, silence = memory.facts, reorder.silence_of(memory, cut.at)
        orders = count.told(scorer, shop, facts, silence // DAY, cut.horizon)
        chance = reorder.within(stream.hazards(facts), silence, cut.horizon)
        worth = count.worth(facts, shop)
        age = facts.span + silence / DAY
        known = (facts.days - 1, facts.span / 7, age / 7, silence / DAY, facts.spent)
        rows.append((*known, orders, worth, chance, len(days.get(person, ())), value.get(person, 0)))
    return Scored(*np.array(rows, dtype=np.float64).reshape(-1, 10).T)


def _anchors(scored: Scored, cut: Cut) -> dict[str, Floats]:
    parameters = bgnbd.fit(scored.repeats, scored.last, scored.age)
    return {
        "bgnbd": bgnbd.expected(parameters, scored.repeats, scored.last, scored.age, cut.horizon / (7 * DAY)),
        "formula": np.array([log1p(x) - log1p(r) / 3 for x, r in zip(scored.repeats, scored.silence, strict=True)]),
        "recency": -scored.silence,
        "alive": bgnbd.alive(parameters, scored.repeats, scored.last, scored.age),
    }


def _metrics(scored: Scored, bought: Floats, anchors: dict[str, Floats], cut: Cut) -> dict[str, Any]:
    once = scored.repeats == 0
    everyone = np.arange(len(bought))
    base = np.full_like(bought, bought.mean())
    money = scored.orders * scored.worth
    return {
        "customers": len(bought),
        "holdout_days": cut.horizon // DAY,
        "rate": float(bought.mean()),
        "auc": auc(scored.orders, bought),
        "auc_interval": interval(everyone, lambda rows: auc(scored.orders[rows], bought[rows])),
        "pr_auc": pr_auc(scored.orders, bought),
        "one_time_buyers": _part(scored, bought, anchors, once),
        "repeaters": _part(scored, bought, anchors, ~once),
        "hazard": {
            "auc": auc(scored.chance, bought),
            "log_loss": float(log_losses(scored.chance, bought).mean()),
            "base_loss": float(log_losses(base, bought).mean()),
            "ece": calibration_error(scored.chance, bought),
            "mean_prediction": float(scored.chance.mean()),
        },
        "orders": {
            "mean_prediction": float(scored.orders.mean()),
            "mean": float(scored.days.mean()),
            "bgnbd_mean_prediction": float(anchors["bgnbd"].mean()),
            "deviance": deviance(scored.orders, scored.days),
            "bgnbd_deviance": deviance(anchors["bgnbd"], scored.days),
            "base_deviance": deviance(np.full_like(bought, scored.days.mean()), scored.days),
        },
        "value": {
            "mean_prediction": float(money.mean()) / 100,
            "mean": float(scored.value.mean()) / 100,
            "rank_correlation": _spearman(money, scored.value),
            "rank_correlation_of_past_value": _spearman(scored.spent, scored.value),
            "rank_correlation_of_bgnbd": _spearman(
                anchors["bgnbd"] * scored.spent / (scored.repeats + 1), scored.value
            ),
        },
    }


def _part(scored: Scored, bought: Floats, anchors: dict[str, Floats], chosen: np.ndarray[Any, Any]) -> dict[str, Any]:
    names = ("bgnbd", "formula", "recency")
    told = {name: auc(anchors[name][chosen], bought[chosen]) for name in names}
    return {"customers": int(chosen.sum()), "auc": auc(scored.orders[chosen], bought[chosen]), **told}


def _above(name: str, ours: Floats, anchor: Floats, bought: Floats) -> Gate:
    """Whether customers are ranked better than by an anchor, by the interval of the difference."""

    def difference(rows: np.ndarray[Any, Any]) -> float | None:
        one, other = auc(ours[rows], bought[rows]), auc(anchor[rows], bought[rows])
        return None if one is None or other is None else one - other

    everyone = np.arange(len(bought))
    low, high = interval(everyone, difference)
    return surely_above(f"auc above {name}", difference(everyone) or 0.0, 0.0, low, high)


def _spearman(one: Floats, other: Floats) -> float:
    return float(spearmanr(one, other).statistic)
