"""Will this customer buy again within 90 days? One prediction a purchase day, at its end; labels with their real delay.

The head learns each bin at its end, and is asked with the snapshot of the moment. What is asked in the first 60 days is
not judged: the late bins have no label yet. The anchors are a plain logistic regression of River on the same facts that
is told of the 90 days as a whole: at their end, or naively, a purchase when it comes and a silence at the end.
"""

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop
from math import log1p
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from river import linear_model, optim, preprocessing

from pipeline.backtest.orderlog import OrderLog, read_orderlog
from pipeline.backtest.reorder_stream import Stream
from pipeline.backtest.result import Gate, Result, at_least, at_most, surely_below
from pipeline.config.errors import UserError
from pipeline.heads import reorder
from pipeline.heads.reorder import Facts
from pipeline.learning.quality import Floats, auc, calibration_error, interval, log_losses, pr_auc
from pipeline.scoring.hazard import DAY

WITHIN = 90 * DAY
WARM_UP = 60 * DAY

FEWEST = 200
"""Judged predictions; of fewer nothing can be said."""

LEAST_AUC, MOST_LOSS = {"cdnow": 0.735, "online_retail": 0.788}, {"cdnow": 0.595, "online_retail": 0.481}
"""What public logs were found to allow, by the shape of the log."""

MOST_BIAS = 0.02


class Asked(Struct, frozen=True):
    """A prediction at the end of a purchase day."""

    person: str
    at: int
    facts: Facts
    told: float


class Told(Struct, frozen=True):
    """Predictions, their labels, and the number of the customer of each."""

    chances: Floats
    labels: Floats
    people: NDArray[np.int64]


def run(path: Path) -> Result:
    """Run it over a log of orders. Raises UserError where the file cannot be used or is too small."""
    began = perf_counter()
    log = read_orderlog(path)
    stream = Stream()
    asked = ask(log, stream)
    gaps = _gaps(asked)
    labels = np.array([float(0 < gap <= WITHIN) for gap in gaps])
    at = np.array([one.at for one in asked])
    known = at + WITHIN <= max(order.day_end for order in log.orders)
    judged = known & (at >= at.min() + WARM_UP)
    if judged.sum() < FEWEST or not 0 < labels[judged].sum() < judged.sum():
        raise UserError(
            f"{path} is too small: {judged.sum()} purchase days, after its first 60 days, have 90 days after them, "
            f"{labels[judged].sum():.0f} of them with another in those: at least {FEWEST} are needed, of both kinds"
        )
    _, people = np.unique([one.person for one in asked], return_inverse=True)
    chances = np.array([one.told for one in asked])

    def told(chances: Floats, rows: NDArray[np.bool_]) -> Told:
        return Told(chances[rows], labels[rows], people[rows])

    ours = told(chances, judged)
    metrics = {
        **_figures(ours),
        "auc_interval": interval(ours.people, lambda rows: auc(ours.chances[rows], ours.labels[rows])),
        "log_loss_interval": interval(
            ours.people, lambda rows: float(log_losses(ours.chances[rows], ours.labels[rows]).mean())
        ),
        "first_purchases": _figures(told(chances, judged & _once(asked))),
        "repeat_purchases": _figures(told(chances, judged & ~_once(asked))),
        "without_warm_up": _figures(told(chances, known)),
        "examples": stream.examples,
        "refused_snapshots": stream.refused,
    }
    ends = [one.at + WITHIN for one in asked]
    early = [one.at + (gap if label else WITHIN) for one, gap, label in zip(asked, gaps, labels, strict=True)]
    plain = told(_plain(asked, labels, ends), judged)
    anchors = {
        "logistic_at_the_end": _figures(plain),
        "logistic_naive": _figures(told(_plain(asked, labels, early), judged)),
        "repeats_auc": auc(np.array([float(one.facts.days) for one in asked])[judged], ours.labels),
    }
    gates = [_below(ours, plain), *_gates(log, metrics)]
    return Result("reorder-delayed", log.rows, perf_counter() - began, log.skipped, metrics, anchors, gates)


def ask(log: OrderLog, stream: Stream) -> list[Asked]:
    """Tell the log, and ask at the end of each purchase day whether its customer buys again within 90 days."""
    asked: list[Asked] = []
    waiting: deque[tuple[int, str]] = deque()

    def answer(clock: int) -> None:
        while waiting and waiting[0][0] <= clock:
            end, person = waiting.popleft()
            stream.pass_time(end)
            facts = stream.memories[person].facts
            hazards = stream.hazards(facts)
            asked.append(Asked(person, end, facts, reorder.within(hazards, 0, WITHIN)))

    for order in log.orders:
        answer(order.at)
        if stream.order(order):
            waiting.append((order.day_end, order.person))
    if waiting:
        answer(max(end for end, _ in waiting))
    return asked


def _gaps(asked: Sequence[Asked]) -> list[int]:
    """From each purchase day of a customer to the next, milliseconds; 0 where there is none."""
    gaps = [0] * len(asked)
    latest: dict[str, int] = {}
    for place, one in enumerate(asked):
        before = latest.get(one.person)
        if before is not None:
            gaps[before] = one.at - asked[before].at
        latest[one.person] = place
    return gaps


def _once(asked: Sequence[Asked]) -> NDArray[np.bool_]:
    return np.array([one.facts.days == 1 for one in asked])


def _plain(asked: Sequence[Asked], labels: Floats, releases: Sequence[int]) -> Floats:
    """What River's logistic regression on counts says, where each label is learned at the time of its release."""
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.AdaGrad(0.1))
    waiting = [(release, place) for place, release in enumerate(releases)]
    heapify(waiting)
    told = np.zeros(len(asked))
    for place, one in enumerate(asked):
        while waiting[0][0] <= one.at and waiting[0][1] < place:
            _, past = heappop(waiting)
            model.learn_one(_row(asked[past].facts), bool(labels[past]))
        told[place] = model.predict_proba_one(_row(one.facts)).get(True, 0.5)
    return told


def _row(facts: Facts) -> dict[str, float]:
    return {name: log1p(getattr(facts, name)) for name in Facts.__struct_fields__}


def _figures(told: Told) -> dict[str, Any]:
    rate = float(told.labels.mean())
    return {
        "predictions": len(told.labels),
        "rate": rate,
        "mean_prediction": float(told.chances.mean()),
        "auc": auc(told.chances, told.labels),
        "pr_auc": pr_auc(told.chances, told.labels),
        "log_loss": float(log_losses(told.chances, told.labels).mean()),
        "base_loss": float(log_losses(np.full_like(told.labels, rate), told.labels).mean()),
        "ece": calibration_error(told.chances, told.labels),
    }


def _below(ours: Told, plain: Told) -> Gate:
    """Whether the loss is below that of the plain logistic regression, by the interval of the difference."""
    more = log_losses(ours.chances, ours.labels) - log_losses(plain.chances, plain.labels)
    low, high = interval(ours.people, lambda rows: float(more[rows].mean()))
    return surely_below("log-loss below logistic_at_the_end", float(more.mean()), 0.0, low, high)


def _gates(log: OrderLog, metrics: dict[str, Any]) -> list[Gate]:
    bias = abs(metrics["mean_prediction"] - metrics["rate"])
    gates = [at_most("mean prediction off the rate", bias, MOST_BIAS)]
    if log.shape in LEAST_AUC:
        least, most = LEAST_AUC[log.shape], MOST_LOSS[log.shape]
        value, loss = metrics["auc"], metrics["log_loss"]
        gates.append(at_least("auc", value, least, *metrics["auc_interval"]))
        gates.append(at_most("log-loss", loss, most, *metrics["log_loss_interval"]))
    return gates
