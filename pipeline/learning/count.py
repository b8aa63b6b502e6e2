"""Learns a count, such as that of purchases in a window: a Bayesian gamma-Poisson regression, one example at a time.

The mean is exp(score). The weights have a normal distribution that each example moves in closed form (the extended
Kalman filter; West, Harrison and Migon, JASA 1985), so there is no learning rate, and it begins at a prior that ranks
sensibly before anything was learned. Counts vary more than Poisson's: an example weighs 1 / (1 + SPREAD * mean).

What is served is halfway between what was learned and the prior: customers change as a shop grows older, and windows
that have ended tell of younger customers than those to be judged. Where the prior fits a shop badly, it gives way. A
slope, and a shift for each horizon, over the last examples then make it a count again.
"""

from bisect import bisect_right
from collections import deque
from math import exp

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pipeline.learning.priors import Priors
from pipeline.learning.quality import Floats
from pipeline.learning.state import StateError
from pipeline.scoring import snapshot as snapshots
from pipeline.scoring.example import Example, learnable
from pipeline.scoring.features import Inputs, Shop, Spec
from pipeline.scoring.snapshot import Quality, Snapshot

STATE_FORMAT = 1

WINDOW = 1_000
"""Examples of a horizon over which quality and calibration are worked out."""

SPREAD = 0.5
"""Variance of what multiplies the mean of a customer, beyond all features."""

VARIANCE = 0.05
"""Variance of a weight around its prior."""

UNSURE = 4.0
"""Variance of what the weights of all horizons have in common: every shop has its own pace."""

APART = 0.25
"""Variance of the weight of a horizon beyond that."""

OUTLYING = 6.0
"""Standard deviations above the mean at which a count is cut off: a bot, or a till that orders for a whole shop."""

HELD = 0.5
"""Part of the prior in what is served, as long as it costs little."""

LITTLE, MUCH = 1.05, 1.10
"""What the prior may cost, as deviance with it over without it: above the one it gives way, at the other it is gone."""

_FARTHEST = 12.0
_RIDGE = 2.0
_STEPS = 12


class CountSpec(Struct, frozen=True):
    """A count head: its features, and what is believed before an example has come.

    `base` names an input with edges whose buckets are the horizons, `start` the mean count of each. `prior` has the
    slopes of scaled columns by name; all others begin at 0.
    """

    spec: Spec
    base: str
    start: tuple[float, ...]
    prior: dict[str, float]


class CountState(Struct, frozen=True):
    """A learner between two examples, arrays as 64-bit floats.

    `windows` have rows of (score learned, score with the prior, mean told, count).
    """

    format: int
    head: str
    spec: str
    version: int
    trained: int
    refused: int
    weights: bytes
    covariance: bytes
    sums: bytes
    calibration: bytes
    priors: dict[str, list[tuple[float, float]]]
    windows: list[bytes]


class CountLearner:
    """Learns one count head. Equal examples in equal order give equal snapshots, across a checkpoint as well."""

    def __init__(self, head: CountSpec) -> None:
        self.head = head
        self.spec = spec = head.spec
        self._width = len(spec.numbers)
        self._prior = np.zeros(self._width + len(spec.cells))
        for name, slope in head.prior.items():
            self._prior[spec.numbers.index(name)] = slope
        self._covariance = np.eye(len(self._prior)) * VARIANCE
        first = self._width + spec.cells.index((head.base,))
        self._horizons = slice(first, first + len(head.start))
        self._prior[self._horizons] = np.log(head.start)
        self._covariance[self._horizons, self._horizons] = UNSURE + APART * np.eye(len(head.start))
        self._weights = self._prior.copy()
        self._sums = np.zeros(self._width)
        self.priors = Priors(spec)
        self._place = spec.places[head.base]
        self._edges = spec.inputs[self._place].edges
        self._windows = [deque[tuple[float, float, float, float]](maxlen=WINDOW) for _ in head.start]
        self._slope, self._shifts = 1.0, np.zeros(len(head.start))
        self._hold = 1.0
        self.trained = 0
        self.version = 0
        self.refused = 0

    def learn(self, example: Example) -> bool:
        """Predict, then learn. False for an example of other features, or with a number that is none: it is counted."""
        if not learnable(example, self.spec) or example.label < 0:
            self.refused += 1
            return False
        row = self._row(example.inputs, self.priors.of(example.site))
        mean = exp(min(max(float(self._weights @ row), -_FARTHEST), _FARTHEST))
        count = min(example.label, mean + OUTLYING * (mean + SPREAD * mean * mean) ** 0.5 + OUTLYING)
        horizon = bisect_right(self._edges, example.inputs[self._place])
        learned, half = float(self._weights @ row), float(self._blended(1.0) @ row)
        served = learned + self._hold * (half - learned)
        told = exp(min(max(self._slope * served + float(self._shifts[horizon]), -_FARTHEST), _FARTHEST))
        self._windows[horizon].append((learned, half, told, float(count)))
        toward = self._covariance @ row
        doubt = float(row @ toward)
        damped = example.weight / (1 + SPREAD * mean)
        sureness = damped * mean
        step = damped * (count - mean) / (1 + sureness * doubt)
        if abs(step * doubt) > 1:  # far from the point around which the filter is linear
            step /= abs(step * doubt)
        self._weights += toward * step
        self._covariance -= np.outer(toward, toward) * (sureness / (1 + sureness * doubt))
        self._sums += row[: self._width]
        self.priors.learn(example)
        self.trained += 1
        return True

    def logit(self, inputs: Inputs, site: str) -> float:
        """The log of the count that the head would say now, uncalibrated."""
        return float(self._blended(self._hold) @ self._row(inputs, self.priors.of(site)))

    def snapshot(self, at: int) -> Snapshot:
        """All that was learned, as the next version. `at` is the time of the log, epoch milliseconds."""
        self.version += 1
        quality = self._quality()
        served = self._blended(self._hold)
        served[self._horizons] += self._shifts / self._slope
        weights, means = served[: self._width], self._sums / max(self.trained, 1)
        return Snapshot(
            format=snapshots.FORMAT,
            head=self.spec.head,
            version=self.version,
            spec=self.spec.hash,
            trained=self.trained,
            at=at,
            intercept=float(weights @ means),
            weights=[float(weight) for weight in weights],
            means=[float(mean) for mean in means],
            scales=[1.0] * self._width,
            cells=[float(weight) for weight in served[self._width :]],
            calibration=(self._slope, 0.0),
            shops=self.priors.shops(),
            quality=quality,
        )

    def state(self) -> CountState:
        """Everything that is needed to go on exactly from here."""
        return CountState(
            format=STATE_FORMAT,
            head=self.spec.head,
            spec=self.spec.hash,
            version=self.version,
            trained=self.trained,
            refused=self.refused,
            weights=self._weights.tobytes(),
            covariance=self._covariance.tobytes(),
            sums=self._sums.tobytes(),
            calibration=np.array([self._hold, self._slope, *self._shifts]).tobytes(),
            priors=self.priors.state(),
            windows=[np.array(window, dtype=np.float64).tobytes() for window in self._windows],
        )

    @classmethod
    def resumed(cls, head: CountSpec, state: CountState) -> "CountLearner":
        """A learner that goes on from a state. Raises StateError where it is of other features."""
        if state.spec != head.spec.hash:
            raise StateError(f"the state of {state.head} is of other features: it learns anew")
        learner = cls(head)
        learner._weights = np.frombuffer(state.weights).copy()
        learner._covariance = np.frombuffer(state.covariance).reshape(learner._covariance.shape).copy()
        learner._sums = np.frombuffer(state.sums).copy()
        for window, stored in zip(learner._windows, state.windows, strict=True):
            rows = np.frombuffer(stored).reshape(-1, 4)
            window.extend((float(a), float(b), float(c), float(d)) for a, b, c, d in rows)
        calibration = np.frombuffer(state.calibration)
        learner._hold, learner._slope = float(calibration[0]), float(calibration[1])
        learner._shifts = calibration[2:].copy()
        learner.priors = Priors(head.spec, state.priors)
        learner.trained, learner.version, learner.refused = state.trained, state.version, state.refused
        return learner

    def _blended(self, hold: float) -> Floats:
        """The weights, with so much of HELD of the prior; horizons keep theirs."""
        blended: Floats = self._weights + hold * HELD * (self._prior - self._weights)
        blended[self._horizons] = self._weights[self._horizons]
        return blended

    def _row(self, inputs: Inputs, shop: Shop) -> Floats:
        columns = self.spec.columns(inputs, shop)
        row = np.zeros(len(self._prior))
        row[: self._width] = columns.numbers
        for cell in columns.cells:
            row[self._width + cell] = 1.0
        return row

    def _quality(self) -> Quality:
        """Works out the quality of the windows, as mean Poisson deviance, and calibrates on them."""
        if not self.trained:
            return Quality()
        horizons = np.repeat(np.arange(len(self._windows)), [len(window) for window in self._windows])
        rows = np.array([row for window in self._windows for row in window], dtype=np.float64)
        learned, half, told, counts = rows.T
        sizes = np.maximum(np.bincount(horizons), 1)
        base = np.maximum(np.bincount(horizons, counts) / sizes, 1e-9)[horizons]
        without, with_prior = (self._fitted(scores, counts, horizons)[2] for scores in (learned, half))
        self._hold = min(max((MUCH - with_prior / max(without, 1e-9)) / (MUCH - LITTLE), 0.0), 1.0)
        served = learned + self._hold * (half - learned)
        self._slope, self._shifts, _ = self._fitted(served, counts, horizons)
        return Quality(examples=len(counts), loss=deviance(told, counts), base_loss=deviance(base, counts))

    def _fitted(self, scores: Floats, counts: Floats, horizons: NDArray[np.int64]) -> tuple[float, Floats, float]:
        """Slope and shifts for some scores, and the deviance that is left with them."""
        slope, shifts = fit(scores, counts, horizons, self._slope, self._shifts)
        means = np.exp(np.clip(slope * scores + shifts[horizons], -_FARTHEST, _FARTHEST))
        return slope, shifts, deviance(means, counts)


def deviance(means: Floats, counts: Floats) -> float:
    """Mean Poisson deviance of counts from the means that were told."""
    logs = np.log(np.maximum(counts, 1e-12) / means)
    return float(np.mean(2 * (counts * logs - (counts - means))))


def fit(
    scores: Floats, counts: Floats, horizons: NDArray[np.int64], slope: float, shifts: Floats
) -> tuple[float, Floats]:
    """Slope and shift of each horizon such that exp(slope * score + shift) is the mean count, by Newton's method.

    It begins at those that are given. The slope is held near 1, each shift near that of the horizon before, the first
    near 0.
    """
    number = len(shifts)
    columns = np.zeros((len(scores), number + 1))
    columns[:, 0] = scores
    columns[np.arange(len(scores)), horizons + 1] = 1.0
    start = np.zeros(number + 1)
    start[0] = 1.0
    steps = np.eye(number + 1) - np.eye(number + 1, k=-1)
    steps[1, 0] = 0.0
    ridge = _RIDGE * steps.T @ steps
    found = np.array([slope, *shifts])
    for _ in range(_STEPS):
        means = np.exp(np.clip(columns @ found, -_FARTHEST, _FARTHEST))
        weights = 1 / (1 + SPREAD * means)
        gradient = columns.T @ (weights * (means - counts)) + ridge @ (found - start)
        step = np.clip(np.linalg.solve((columns.T * (weights * means)) @ columns + ridge, gradient), -1, 1)
        found -= step
        if abs(step).max() < 1e-6:
            break
    slope, shifts = float(found[0]), found[1:]
    if not (0 < slope < 10 and abs(shifts).max() < 20):
        return 1.0, np.zeros(number)
    return slope, shifts


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CountState)


def encode_state(state: CountState) -> bytes:
    """Encode as MessagePack."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> CountState:
    """Decode. Raises StateError."""
    try:
        state = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise StateError(f"a record is not the state of a count: {error}") from error
    if state.format != STATE_FORMAT:
        raise StateError(f"a count's state of format {state.format}, this version reads {STATE_FORMAT}")
    return state
