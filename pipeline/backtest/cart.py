"""Cart hazard over a log of clicks: is this cart ordered in the next bin of its silence, untouched?

The protocol. A cart is a person's: an addition opens or touches it, a removal touches or empties it, a purchase of
anything is an order and closes it, as `partial_order: close` does. The clock of the predictions starts at the last
touch: one for each bin that the silence reaches, made at the bin's begin, with what is known then. An order in the bin
is 1, a bin survived 0; a bin cut short by a touch or by the log's end is no example. Labels are learned at the bin's
end. Scores are those of a snapshot, taken every 200 examples. Scored are the predictions of the last 60 % of the log's
time.

The AUC, and the average precision, compare predictions of the same bin only, all such pairs alike: over all bins it
would tell how long the bins are. The hazards from the opening are by the clock of the cart's opening, whatever touches
it (Kaplan and Meier, JASA 1958), of the whole log.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.backtest.cart_stream import ANCHORS, Held, Stream, told
from pipeline.backtest.clicklog import ClickLog, read_clicklog
from pipeline.backtest.result import Result, surely_above, surely_below
from pipeline.config.errors import UserError
from pipeline.heads.cart import Memory
from pipeline.learning.quality import Floats, auc, calibration_error, interval, log_losses, pr_auc
from pipeline.scoring.hazard import CART_EDGES, HOUR, MINUTE, bin_at, survival

SCORED_FROM = 0.4
"""Share of the log's time of which predictions are learned from but not scored."""

FEWEST = 100
"""Scored predictions below which nothing can be said."""

TOLERANCE = 0.001
"""Nats that the log-loss may be above the constant's, at the upper end of the interval."""

Ints = NDArray[np.int64]


def run(path: Path) -> Result:
    """Run the log at `path`. Raises UserError where it is of no known shape or too small."""
    started = perf_counter()
    log = read_clicklog(path)
    stream = Stream()
    for row in log.interactions:
        stream.take(row)
    first, last = log.interactions[0].at, log.interactions[-1].at
    stream.pass_time(last)
    since = first + SCORED_FROM * (last - first)
    asked = [one for one in stream.asked if one.made_at >= since]
    labels = np.array([one.label for one in asked], np.float64)
    if len(asked) < FEWEST or not 0 < labels.sum() < len(labels):
        raise UserError(
            f"{path} has {len(asked)} bins of carts to score, {int(labels.sum())} of them with an order, in the last "
            f"60 % of its time: at least {FEWEST} are needed, of both kinds"
        )
    bins = np.array([one.bin for one in asked])
    persons = np.array([one.person for one in asked])
    chances = np.array([one.chance for one in asked])
    said = {name: np.array([one.anchors[place] for one in asked]) for place, name in enumerate(ANCHORS)}
    worse = {name: log_losses(chances, labels) - log_losses(those, labels) for name, those in said.items()}

    def spread(values: Floats) -> tuple[float, float]:
        return interval(persons, lambda rows: float(values[rows].mean()))

    within = within_bins(auc, chances, labels, bins)
    if within is None:
        raise UserError(f"{path} has no bin in which one cart was ordered and another was not, in the last 60 % of it")
    within_spread = interval(persons, lambda rows: within_bins(auc, chances[rows], labels[rows], bins[rows]))
    constant = worse["constant_a_bin"]
    constant_spread = spread(constant)
    metrics: dict[str, Any] = {
        **_figures(chances, labels, bins),
        "auc_of": "pairs of the same bin",
        "auc_interval": within_spread,
        "log_loss_interval": spread(log_losses(chances, labels)),
        "ece": calibration_error(chances, labels),
        "base_loss": float(log_losses(said["constant_a_bin"], labels).mean()),
        "mean_prediction": float(chances.mean()),
        "rate": float(labels.mean()),
        "n": len(asked),
        "orders": int(labels.sum()),
        "persons": len(np.unique(persons)),
        "bins": [_bin(number, chances, labels, bins) for number in range(len(CART_EDGES))],
        "from_opening": from_opening(log),
        "touches_unasked": stream.unasked,
        "snapshots_refused": stream.refused,
    }
    anchors: dict[str, Any] = {
        name: {
            **_figures(those, labels, bins),
            "loss_difference": float(worse[name].mean()),
            "loss_difference_interval": spread(worse[name]),
        }
        for name, those in said.items()
    }
    gates = [
        surely_above("AUC within a bin above chance", within, 0.5, *within_spread),
        surely_below(
            "log-loss not above the constant's of each bin", float(constant.mean()), TOLERANCE, *constant_spread
        ),
    ]
    return Result("cart", len(log.interactions), perf_counter() - started, log.skipped, metrics, anchors, gates)


def within_bins(
    measure: Callable[[Floats, Floats], float | None], chances: Floats, labels: Floats, bins: Ints
) -> float | None:
    """The mean of a measure over the bins, each by its pairs of an order and a bin survived; None without a pair."""
    total = pairs = 0.0
    for number in np.unique(bins):
        here = bins == number
        value = measure(chances[here], labels[here])
        hits = float(labels[here].sum())
        weight = hits * (float(here.sum()) - hits)
        if value is not None and weight:
            total, pairs = total + weight * value, pairs + weight
    return total / pairs if pairs else None


def from_opening(log: ClickLog) -> dict[str, Any]:
    """The hazard of an order in each bin since a cart was opened, and the share ordered within hours."""
    memories: dict[str, tuple[Memory, Held]] = {}
    ordered, at_risk = [0] * len(CART_EDGES), [0] * len(CART_EDGES)

    def ended(opened: int, at: int, by_order: bool) -> None:
        reached = bin_at(CART_EDGES, at - opened)
        for number in range(reached):
            at_risk[number] += 1
        if by_order and reached < len(CART_EDGES):
            at_risk[reached] += 1
            ordered[reached] += 1

    for row in log.interactions:
        before, held = memories.get(row.person, (Memory(), {}))
        after, held = told(before, held, row, "")
        if before.opened and not after.opened:
            ended(before.opened, row.at, after.orders > before.orders)
        memories[row.person] = after, held
    for memory, _ in memories.values():
        if memory.opened:
            ended(memory.opened, log.interactions[-1].at, False)
    hazards = [count / risk if risk else 0.0 for count, risk in zip(ordered, at_risk, strict=True)]
    within = {f"{hours} h": round(1 - survival(CART_EDGES, hazards, 0, hours * HOUR), 4) for hours in (1, 24, 72)}
    return {
        "bins_end_after_minutes": [edge // MINUTE for edge in CART_EDGES],
        "hazards": [round(hazard, 4) for hazard in hazards],
        "at_risk": at_risk,
        "ordered_within": within,
    }


def _figures(chances: Floats, labels: Floats, bins: Ints) -> dict[str, float | None]:
    return {
        "auc": within_bins(auc, chances, labels, bins),
        "pr_auc": within_bins(pr_auc, chances, labels, bins),
        "log_loss": float(log_losses(chances, labels).mean()),
    }


def _bin(number: int, chances: Floats, labels: Floats, bins: Ints) -> dict[str, float | None]:
    here = bins == number
    return {
        "n": int(here.sum()),
        "rate": float(labels[here].mean()) if here.any() else None,
        "mean_prediction": float(chances[here].mean()) if here.any() else None,
        "auc": auc(chances[here], labels[here]),
    }
