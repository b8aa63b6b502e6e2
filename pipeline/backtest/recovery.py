"""What is learned against what is true: the cart hazard and the reorder hazard on the simulated shop.

The heads learn as they do live, from what the shop publishes: labels at the end of their bins, scores by snapshots
alone. Each score is then set beside the true chance of the same bin. Scored are the predictions of the last 60 % of the
time; of carts those after the last touch, which the truth speaks of; of customers those whose last purchase is so long
ago that the prediction's bin begins.

The truth of a cart knows more than can be seen: how readily its owner orders, and how soon. The truth of a customer
knows the rate of his orders. So even the best learner's rank correlation is below 1; what can be demanded is that
chances are right in the mean of those who are told the same, and that their order says something.

Gates, each by its interval: the mean chance of each tenth of the predictions, by what was learned, is within 15 % of
the true mean, in the mean over the tenths; the rank correlation within a bin is above .1 for carts, above 0 for
customers.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import rankdata

from pipeline.backtest import cart_stream, reorder_stream
from pipeline.backtest.cart import SCORED_FROM
from pipeline.backtest.result import Gate, Result, surely_above, surely_below
from pipeline.backtest.simulated import Simulated, no_file, simulated
from pipeline.config.durations import DAY
from pipeline.config.errors import UserError
from pipeline.learning.quality import Floats, interval
from pipeline.scoring.hazard import CART_EDGES, REORDER_EDGES
from pipeline.simulator.parameters import Habits, SimulatedShop

CARTS = SimulatedShop(seed=23, sessions=80_000, duration_ms=28 * DAY)
"""Four weeks of the shop as it is by default."""

ORDERS = SimulatedShop(seed=29, sessions=100_000, duration_ms=360 * DAY, habits=Habits(known_visits=0.9))
"""A year of its customers, who make most of the visits: few other people, whom the cadences say nothing of."""

MISSED = 0.15
"""How far from the true mean the learned ones may be, as a share of it."""
LEAST_RANK_CARTS, LEAST_RANK_ORDERS = 0.1, 0.0

_FEWEST = 30
"""Predictions of a bin below which nothing is said of it."""

Ints = NDArray[np.int64]


class Pairs(Struct, frozen=True):
    """Predictions with their truth: by person, bin, the learned and the true chance, and what came of it."""

    persons: Ints
    bins: Ints
    learned: Floats
    true: Floats
    labels: Floats


def run(path: Path | None = None, carts: SimulatedShop = CARTS, orders: SimulatedShop = ORDERS) -> Result:
    """Run on simulated shops. Raises UserError for a file, and for shops that are too small."""
    no_file(path)
    started = perf_counter()
    of_carts = simulated(carts)
    of_orders = simulated(orders)
    found = {"cart": _cart_pairs(of_carts), "reorder": _reorder_pairs(of_orders)}
    metrics: dict[str, Any] = {}
    gates: list[Gate] = []
    for head, least in (("cart", LEAST_RANK_CARTS), ("reorder", LEAST_RANK_ORDERS)):
        pairs = found[head]
        if _within_bins(pairs.learned, pairs.true, pairs.bins) is None:
            raise UserError(f"the simulated shop has {len(pairs.bins)} predictions of {head} to score: simulate more")
        metrics[head] = figures = _figures(pairs)
        gates += [
            surely_below(
                f"{head}: learned chances off the true ones, as a share",
                figures["missed"],
                MISSED,
                *figures["missed_interval"],
            ),
            surely_above(
                f"{head}: rank correlation within a bin",
                figures["rank_correlation"],
                least,
                *figures["rank_correlation_interval"],
            ),
        ]
    rows = len(of_carts.interactions) + len(of_orders.orders)
    return Result("recovery", rows, perf_counter() - started, {}, metrics, {}, gates)


def _cart_pairs(history: Simulated) -> Pairs:
    stream = cart_stream.Stream()
    for row in history.interactions:
        stream.take(row)
    first, last = history.interactions[0].at, history.interactions[-1].at
    stream.pass_time(last)
    begins = (0, *CART_EDGES[:-1])
    found = []
    for one in stream.asked:
        cart = history.carts.get((one.person, one.made_at - begins[one.bin]))
        if cart is not None and not cart.emptied and one.made_at >= first + SCORED_FROM * (last - first):
            true = cart.chance(begins[one.bin], CART_EDGES[one.bin])
            found.append((one.person, one.bin, one.chance, true, one.label))
    return _pairs(found)


def _reorder_pairs(history: Simulated) -> Pairs:
    """The chances said of each bin as its silence begins, where the whole bin is within the history."""
    stream = reorder_stream.Stream()
    numbers: dict[str, int] = {}
    first, last = history.orders[0].at, history.orders[-1].at
    since = first + SCORED_FROM * (last - first)
    begins = (0, *REORDER_EDGES[:-1])
    newest: dict[str, int] = {}
    following: dict[tuple[str, int], int] = {}
    for order in history.orders:
        if order.person in newest:
            following[order.person, newest[order.person]] = order.at
        newest[order.person] = order.at
    plan = sorted(
        [(order.at, 0, number, 0) for number, order in enumerate(history.orders)]
        + [
            (order.day_end + begin, 1, number, place)
            for number, order in enumerate(history.orders)
            for place, begin in enumerate(begins)
            if since <= order.day_end + begin and order.day_end + REORDER_EDGES[place] <= last
        ]
    )
    found = []
    for at, asks, number, place in plan:
        order = history.orders[number]
        if not asks:
            stream.order(order)
            numbers.setdefault(order.person, len(numbers))
            continue
        after = following.get((order.person, order.at))
        if after is not None and after < at:
            continue
        stream.pass_time(at)
        chance = stream.hazards(stream.memories[order.person].facts)[place]
        offset = order.day_end - order.at
        truth = history.cadences[order.person, order.at]
        true = truth.chance(offset + begins[place], offset + REORDER_EDGES[place])
        label = after is not None and after < order.day_end + REORDER_EDGES[place]
        found.append((numbers[order.person], place, chance, true, int(label)))
    return _pairs(found)


def _pairs(found: list[tuple[int, int, float, float, int]]) -> Pairs:
    persons, bins, learned, true, labels = list(zip(*found, strict=True)) or [()] * 5
    return Pairs(
        np.array(persons, np.int64),
        np.array(bins, np.int64),
        np.array(learned, np.float64),
        np.array(true, np.float64),
        np.array(labels, np.float64),
    )


def _figures(pairs: Pairs) -> dict[str, Any]:
    everything = np.arange(len(pairs.bins))

    def spread(measure: Callable[[Ints], float | None]) -> tuple[float, float]:
        return interval(pairs.persons, measure)

    def missed(rows: Ints) -> float:
        return _missed(pairs.learned[rows], pairs.true[rows])

    def ranks(rows: Ints) -> float | None:
        return _within_bins(pairs.learned[rows], pairs.true[rows], pairs.bins[rows])

    return {
        "n": len(pairs.bins),
        "persons": len(np.unique(pairs.persons)),
        "rate": float(pairs.labels.mean()),
        "mean_prediction": float(pairs.learned.mean()),
        "mean_true": float(pairs.true.mean()),
        "mean_absolute_error": float(np.abs(pairs.learned - pairs.true).mean()),
        "correlation": _correlation(pairs.learned, pairs.true),
        "missed": missed(everything),
        "missed_interval": spread(missed),
        "rank_correlation": ranks(everything) or 0.0,
        "rank_correlation_interval": spread(ranks),
        "bins": [_bin(pairs, number) for number in np.unique(pairs.bins)],
        "deciles": [
            {
                "n": len(part),
                "learned": float(pairs.learned[part].mean()),
                "true": float(pairs.true[part].mean()),
                "rate": float(pairs.labels[part].mean()),
            }
            for part in np.array_split(np.argsort(pairs.learned, kind="stable"), 10)
        ],
    }


def _bin(pairs: Pairs, number: int) -> dict[str, Any]:
    here = np.flatnonzero(pairs.bins == number)
    learned, true = pairs.learned[here], pairs.true[here]
    enough = len(here) >= _FEWEST
    return {
        "bin": int(number),
        "n": len(here),
        "learned": float(learned.mean()),
        "true": float(true.mean()),
        "rate": float(pairs.labels[here].mean()),
        "mean_absolute_error": float(np.abs(learned - true).mean()),
        "correlation": _correlation(learned, true) if enough else None,
        "rank_correlation": _correlation(rankdata(learned), rankdata(true)) if enough else None,
    }


def _missed(learned: Floats, true: Floats) -> float:
    """Distance of the learned mean from the true one, over tenths by what was learned, as a share of the true one."""
    parts = np.array_split(np.argsort(learned, kind="stable"), 10)
    off = sum(len(part) * abs(float(learned[part].mean() - true[part].mean())) for part in parts if len(part))
    return off / float(true.sum())


def _within_bins(learned: Floats, true: Floats, bins: Ints) -> float | None:
    """The rank correlation in each bin, in the mean over the predictions."""
    total = weight = 0.0
    for number in np.unique(bins):
        here = bins == number
        if here.sum() >= _FEWEST:
            value = _correlation(rankdata(learned[here]), rankdata(true[here]))
            if value is not None:
                total, weight = total + here.sum() * value, weight + here.sum()
    return float(total / weight) if weight else None


def _correlation(one: Floats, other: Floats) -> float | None:
    if one.std() == 0 or other.std() == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])
