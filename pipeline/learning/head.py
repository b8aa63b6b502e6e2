"""One head: examples in, each predicted before it is learned, and snapshots out.

Several logistic regressions of River, of different learning rates, and the bare base rate are mixed by how well each
has predicted so far. All are linear in the same columns, so the mixture is, and a snapshot is one row of weights.
"""

from bisect import bisect_right
from collections import deque
from math import exp, log
from typing import Final

import numpy as np
from river import linear_model, preprocessing

from pipeline.learning import platt
from pipeline.learning.adagrad import new_model
from pipeline.learning.drift import Drift
from pipeline.learning.head_spec import HeadSpec
from pipeline.learning.priors import Priors
from pipeline.learning.quality import auc, calibration_error, log_losses
from pipeline.learning.state import FORMAT as STATE_FORMAT
from pipeline.learning.state import Expert, State, StateError
from pipeline.scoring import snapshot as snapshots
from pipeline.scoring.example import Example, learnable
from pipeline.scoring.features import Inputs, Shop
from pipeline.scoring.odds import sigmoid
from pipeline.scoring.snapshot import Quality, Snapshot

WINDOW: Final = 3_000
"""Examples over which quality and calibration are worked out."""

FORGET: Final = 0.9995
"""What an example's loss counts after the next, in weighing the models of the mixture."""

WAKING: Final = 0.25
"""After a drift alarm, AdaGrad's sums are this part of what they were: the learning rate doubles."""

ALERT_FOR: Final = 1_000
"""Examples for which a head is flagged after a drift alarm."""

_FARTHEST: Final = 20.7
"""A logit beyond this is as sure as one can be: one in a thousand million."""

_LEAST: Final = 1e-6
"""A chance of what came is taken for no less: one surprise must not outweigh all else."""

_BIAS: Final = -1
"""The column that is always 1."""

_SHRINK: Final = 1.0
"""Examples that the rate of the bucket before counts for in the base rate of a bucket."""


class HeadLearner:
    """Learns one head. Equal examples in equal order give equal snapshots, across a checkpoint as well."""

    def __init__(self, head: HeadSpec) -> None:
        self.head = head
        self.spec = head.spec
        self._models = [new_model(rate, head.l2) for rate in head.rates]
        self._scaler = preprocessing.StandardScaler()
        self._losses = [0.0] * (len(head.rates) + 1)
        self._mix = [1.0 / len(self._losses)] * len(self._losses)
        self.priors = Priors(self.spec)
        self._base_place, self._base_edges = _bucketed(head)
        self._bases = [(0.0, 0.0)] * (len(self._base_edges) + 1)
        self._hits, self._weight = 0.0, 0.0
        self._window: deque[tuple[float, float, float, float, float]] = deque(maxlen=WINDOW)
        self._calibration = 1.0, 0.0
        self._drift = Drift()
        self._flagged_until = 0
        self.trained = 0
        self.version = 0
        self.refused = 0

    def learn(self, example: Example) -> bool:
        """Predict, then learn. False for an example of other features, or with a number that is none: it is counted."""
        if not learnable(example, self.spec):
            self.refused += 1
            return False
        label, weight = example.label, example.weight
        row = self._row(example.inputs, self.priors.of(example.site))
        bucket = self._bucket(example.inputs)
        logits = self._logits(row, bucket)
        logit = sum(share * one for share, one in zip(self._mix, logits, strict=True))
        self._watch(logit, label, weight)
        self._weigh(logits, label)
        for model in self._models:
            model.learn_one(row, label, weight)
        hits, total = self._bases[bucket]
        self._bases[bucket] = hits + weight * label, total + weight
        self._hits += weight * label
        self._weight += weight
        self.priors.learn(example)
        self.trained += 1
        return True

    def logit(self, inputs: Inputs, site: str) -> float:
        """What the head would say now, uncalibrated."""
        columns = self.spec.columns(inputs, self.priors.of(site))
        row = {**self._scaler.transform_one(dict(enumerate(columns.numbers))), **self._ones(columns.cells)}
        logits = self._logits(row, self._bucket(inputs))
        return sum(share * one for share, one in zip(self._mix, logits, strict=True))

    @property
    def rate(self) -> float:
        """The base rate as it is known now."""
        return sigmoid(self._base())

    def snapshot(self, at: int) -> Snapshot:
        """All that was learned, as the next version. `at` is the time of the log, epoch milliseconds."""
        self.version += 1
        quality = self._quality()
        width, cells = len(self.spec.numbers), len(self.spec.cells)
        weights, ones = [0.0] * width, [0.0] * cells
        base = self._base()
        intercept = base if self.head.base else self._mix[-1] * base
        for share, model in zip(self._mix, self._models, strict=False):
            learned = model.weights
            intercept += share * learned.get(_BIAS, 0.0)
            for place in range(width):
                weights[place] += share * learned.get(place, 0.0)
            for cell in range(cells):
                ones[cell] += share * learned.get(width + cell, 0.0)
        if self.head.base:
            first = self.spec.cells.index((self.head.base,))
            for bucket in range(len(self._bases)):
                ones[first + bucket] += self._base_of(bucket) - base
        return Snapshot(
            format=snapshots.FORMAT,
            head=self.spec.head,
            version=self.version,
            spec=self.spec.hash,
            trained=self.trained,
            at=at,
            intercept=intercept,
            weights=weights,
            means=[float(self._scaler.means[place]) for place in range(width)],
            scales=[_scale(float(self._scaler.vars[place])) for place in range(width)],
            cells=ones,
            calibration=self._calibration,
            shops=self.priors.shops(),
            quality=quality,
        )

    def state(self) -> State:
        """Everything that is needed to go on exactly from here."""
        width = len(self.spec.numbers)
        window = np.array(self._window, dtype=np.float64)
        return State(
            format=STATE_FORMAT,
            head=self.spec.head,
            spec=self.spec.hash,
            version=self.version,
            trained=self.trained,
            refused=self.refused,
            experts=[Expert(dict(model.weights), dict(model.optimizer.g2)) for model in self._models],
            counts=[int(self._scaler.counts[place]) for place in range(width)],
            means=[float(self._scaler.means[place]) for place in range(width)],
            variances=[float(self._scaler.vars[place]) for place in range(width)],
            losses=self._losses,
            bases=[(self._hits, self._weight), *self._bases],
            calibration=self._calibration,
            priors=self.priors.state(),
            window=window.tobytes(),
            drift=self._drift.state(),
            flagged_until=self._flagged_until,
        )

    @classmethod
    def resumed(cls, head: HeadSpec, state: State) -> "HeadLearner":
        """A learner that goes on from a state. Raises StateError where it is of other features or models."""
        learner = cls(head)
        alike = len(state.experts) == len(head.rates) and len(state.bases) == 1 + len(learner._bases)
        if state.spec != head.spec.hash or not alike:
            raise StateError(f"the state of {state.head} is of other features or models: it learns anew")
        for model, expert in zip(learner._models, state.experts, strict=True):
            model.optimizer.g2.update(expert.g2)
            learner._restore(model, expert.weights)
        for place in range(len(head.spec.numbers)):
            learner._scaler.counts[place] = state.counts[place]
            learner._scaler.means[place] = state.means[place]
            learner._scaler.vars[place] = state.variances[place]
        learner._losses = list(state.losses)
        learner._remix()
        (learner._hits, learner._weight), *learner._bases = state.bases
        learner._calibration = state.calibration
        learner.priors = Priors(head.spec, state.priors)
        rows = np.frombuffer(state.window, dtype=np.float64).reshape(-1, 5)
        learner._window.extend((float(a), float(b), float(c), float(d), float(e)) for a, b, c, d, e in rows)
        learner._drift = Drift(*state.drift)
        learner._flagged_until = state.flagged_until
        learner.trained, learner.version, learner.refused = state.trained, state.version, state.refused
        return learner

    @staticmethod
    def _restore(model: linear_model.LogisticRegression, weights: dict[int, float]) -> None:
        for column, weight in weights.items():
            model._weights[column] = weight  # noqa: SLF001  # River has no other way in

    def _row(self, inputs: Inputs, shop: Shop) -> dict[int, float]:
        columns = self.spec.columns(inputs, shop)
        numbers = dict(enumerate(columns.numbers))
        self._scaler.learn_one(numbers)
        row: dict[int, float] = self._scaler.transform_one(numbers)
        row.update(self._ones(columns.cells))
        return row

    def _ones(self, cells: list[int]) -> dict[int, float]:
        width = len(self.spec.numbers)
        ones = {width + cell: 1.0 for cell in cells}
        ones[_BIAS] = 1.0
        return ones

    def _bucket(self, inputs: Inputs) -> int:
        return bisect_right(self._base_edges, inputs[self._base_place])

    def _logits(self, row: dict[int, float], bucket: int) -> list[float]:
        base = self._base_of(bucket)
        logits = []
        for model in self._models:
            model.intercept = base if self.head.base else 0.0
            logit = model._raw_dot_one(row)  # noqa: SLF001  # the chance that River gives out would have to be undone
            logits.append(_FARTHEST if logit > _FARTHEST else -_FARTHEST if logit < -_FARTHEST else logit)
        logits.append(base)
        return logits

    def _base(self) -> float:
        return _logit((self._hits + 0.5) / (self._weight + 1.0))

    def _base_of(self, bucket: int) -> float:
        """The base rate's logit in a bucket, shrunk to that of the bucket before; the first to that of the head.

        The labels of a long bin come late: until then its neighbour is the best guess.
        """
        if not self.head.base:
            return self._base()
        rate = (self._hits + 0.5) / (self._weight + 1.0)
        for hits, weight in self._bases[: bucket + 1]:
            rate = (hits + _SHRINK * rate) / (weight + _SHRINK)
        return _logit(rate)

    def _watch(self, logit: float, label: int, weight: float) -> None:
        slope, shift = self._calibration
        chance = sigmoid(slope * logit + shift)
        self._window.append((logit, chance, float(label), weight, (self._hits + 0.5) / (self._weight + 1.0)))
        loss = _loss(chance, label)
        if self._drift.update(loss, chance - label):
            self._flagged_until = self.trained + ALERT_FOR
            for model in self._models:
                sums = model.optimizer.g2
                for column in sums:
                    sums[column] *= WAKING

    def _weigh(self, logits: list[float], label: int) -> None:
        """Shares by the losses so far: the more a model lost, the smaller its share (Vovk's aggregating forecaster)."""
        for number, logit in enumerate(logits):
            self._losses[number] = self._losses[number] * FORGET + _loss(sigmoid(logit), label)
        self._remix()

    def _remix(self) -> None:
        least = min(self._losses)
        shares = [exp(max(least - loss, -700.0)) for loss in self._losses]
        total = sum(shares)
        self._mix = [share / total for share in shares]

    def _quality(self) -> Quality:
        """Works out the quality of the window, and calibrates on it."""
        if not self._window:
            return Quality()
        logits, chances, labels, weights, bases = np.array(self._window, dtype=np.float64).T
        self._calibration = platt.fit(logits, labels, weights)
        return Quality(
            examples=len(labels),
            loss=float(np.average(log_losses(chances, labels), weights=weights)),
            base_loss=float(np.average(log_losses(bases, labels), weights=weights)),
            auc=auc(logits, labels),
            ece=calibration_error(chances, labels),
            drifting=self.trained < self._flagged_until,
        )


def _bucketed(head: HeadSpec) -> tuple[int, tuple[float, ...]]:
    """Place and edges of the input that parts the base rate; the first input with no edges where none does."""
    if not head.base:
        return 0, ()
    place = head.spec.places[head.base]
    return place, head.spec.inputs[place].edges


def _scale(variance: float) -> float:
    return variance**-0.5 if variance > 1e-12 else 0.0


def _loss(chance: float, label: int) -> float:
    right = chance if label else 1 - chance
    return -log(right if right > _LEAST else _LEAST)


def _logit(chance: float) -> float:
    chance = min(max(chance, 1e-9), 1 - 1e-9)
    return log(chance / (1 - chance))
