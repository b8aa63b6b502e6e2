"""The learner alone, on sessions that are labelled already: is it as good as River's plain logistic regression?

The file has a session a line, in the shape of UCI's "Online Shoppers Purchasing Intention": `Revenue` says whether it
bought, 17 columns what it was like. Lines are predicted, then learned, in the order of the file; scored are the last
80 %. It says little of live intent: the columns are sums at the session's end, and `PageValues` knows of the purchase.

Which columns are crossed is learned as well: that whose effect varies most is crossed with every other, looked at
again whenever the number of lines has doubled; a learner with new crosses learns all lines so far again.
"""

from collections import defaultdict
from math import isfinite, log1p
from pathlib import Path
from time import perf_counter

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from river import linear_model, optim, preprocessing
from xxhash import xxh32_intdigest

from pipeline.backtest.logfile import header, rows
from pipeline.backtest.result import Result, at_most, surely_above
from pipeline.config.errors import UserError
from pipeline.history.tally import Tally
from pipeline.learning.head import HeadLearner
from pipeline.learning.head_spec import HeadSpec
from pipeline.learning.quality import Floats, auc, calibration_error, interval, log_losses, pr_auc
from pipeline.scoring.example import FORMAT, Example
from pipeline.scoring.features import Input, Inputs, Spec
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import SnapshotError

LABEL = "Revenue"
COUNTS = (
    "Administrative",
    "Administrative_Duration",
    "Informational",
    "Informational_Duration",
    "ProductRelated",
    "ProductRelated_Duration",
    "PageValues",
    "SpecialDay",
)
SHARES = ("BounceRates", "ExitRates")
CODES = ("Month", "OperatingSystems", "Browser", "Region", "TrafficType", "VisitorType", "Weekend")

SITE = "backtest"
RATES = (0.1, 0.05, 0.02)
EVERY = 200
"""Lines after which a snapshot is taken."""

FIRST_LOOK = 500
"""Lines after which the crosses are looked at first, and how many of the newest lines are looked at."""

SCORED_FROM = 0.2
FEWEST = 100
"""Scored lines below which nothing can be said."""

_CELLS = 32
_EDGES = (1e-9, *(round(digit * 10.0**power, 9) for power in range(-3, 4) for digit in (1, 3)))
_YES, _NO = ("1", "true"), ("0", "false")


class Session(Struct, frozen=True, gc=False):
    """A line: numbers and codes in the order of the columns above, and whether it bought."""

    numbers: tuple[float, ...]
    codes: tuple[str, ...]
    bought: int

    def inputs(self) -> Inputs:
        """As the learner takes it: a code is a cell by its hash."""
        return (*self.numbers, *(xxh32_intdigest(code.encode()) % _CELLS for code in self.codes))


class Crossing:
    """A learner that chooses its crosses; what it says is said by its newest snapshot."""

    def __init__(self) -> None:
        self.crosses: tuple[tuple[str, str], ...] = ()
        self.refused = 0
        self._plain = self._learner = HeadLearner(HeadSpec(_spec(()), RATES))
        self._scorer: Scorer | None = None
        self._past: list[tuple[Inputs, int]] = []
        self._look = FIRST_LOOK

    def chance(self, inputs: Inputs) -> float:
        """Chance that a session buys."""
        if self._scorer is None:
            hits = sum(label for _, label in self._past)
            return (hits + 0.5) / (len(self._past) + 1.0)
        return self._scorer.probability(self._scorer.logit(inputs, {}))

    def learn(self, inputs: Inputs, label: int) -> None:
        """Take a line, and what came of it."""
        self._past.append((inputs, label))
        _teach(self._learner, inputs, label)
        if self._plain is not self._learner:
            _teach(self._plain, inputs, label)
        known = len(self._past)
        if known == self._look:
            self._look *= 2
            self._cross()
        if known % EVERY == 0:
            self._publish()

    def _publish(self) -> None:
        try:
            self._scorer = Scorer(self._learner.spec, self._learner.snapshot(len(self._past)))
        except SnapshotError:
            self.refused += 1  # the last good one stays

    def _cross(self) -> None:
        crosses = _star(self._plain, [inputs for inputs, _ in self._past[-FIRST_LOOK:]])
        if not crosses or set(crosses) == set(self.crosses):
            return
        self.crosses = crosses
        self._learner = HeadLearner(HeadSpec(_spec(crosses), RATES))
        for number, (inputs, label) in enumerate(self._past, start=1):
            _teach(self._learner, inputs, label)
            if number % EVERY == 0:
                self._learner.snapshot(number)  # which calibrates
        self._publish()


def run(path: Path) -> Result:
    """Run over a file. Raises UserError where it cannot be read, is of another shape, or is too small."""
    started = perf_counter()
    tally = Tally()
    sessions = _read(path, tally)
    labels = np.array([session.bought for session in sessions], dtype=np.float64)
    first = round(SCORED_FROM * len(sessions))
    scored = labels[first:]
    if len(scored) < FEWEST or not 0 < scored.sum() < len(scored):
        said = f"{len(scored)} lines to score, {int(scored.sum())} of which bought"
        raise UserError(f"{path} is too small: it has {said}; {FEWEST} are needed, of both kinds")
    learner = Crossing()
    chances, plain = np.zeros_like(labels), np.array(_plain_river(sessions))
    for number, session in enumerate(sessions):
        inputs = session.inputs()
        chances[number] = learner.chance(inputs)
        learner.learn(inputs, session.bought)
    chances, plain = chances[first:], plain[first:]
    above, low, high = _above(chances, plain, scored)
    losses, ece = log_losses(chances, scored), calibration_error(chances, scored)
    alone = np.arange(len(scored))
    metrics = {
        "n": len(scored),
        "auc": auc(chances, scored),
        "auc_interval": interval(alone, lambda rows: auc(chances[rows], scored[rows])),
        "pr_auc": pr_auc(chances, scored),
        "log_loss": float(losses.mean()),
        "log_loss_interval": interval(alone, lambda rows: float(losses[rows].mean())),
        "base_loss": float(log_losses(np.full_like(scored, scored.mean()), scored).mean()),
        "ece": ece,
        "mean_prediction": float(chances.mean()),
        "rate": float(scored.mean()),
        "crosses": [" x ".join(cross) for cross in learner.crosses],
        "snapshots_refused": learner.refused,
    }
    anchors = {
        "river_adagrad": {
            "auc": auc(plain, scored),
            "auc_interval": interval(alone, lambda rows: auc(plain[rows], scored[rows])),
            "log_loss": float(log_losses(plain, scored).mean()),
            "ece": calibration_error(plain, scored),
        }
    }
    gates = [
        surely_above("AUC above that of river_adagrad: lower bound", above, 0.0, low, high),
        at_most("log-loss", float(losses.mean()), 0.272),
        at_most("ECE", float("nan") if ece is None else ece, 0.015),
    ]
    skipped = {reason: unused.lines for reason, unused in sorted(tally.unused.items())}
    return Result("learner", len(sessions), perf_counter() - started, skipped, metrics, anchors, gates)


def _read(path: Path, tally: Tally) -> list[Session]:
    names = header(path)
    needed = (*COUNTS, *SHARES, *CODES, LABEL)
    missing = [name for name in needed if name not in names]
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}: its header must have {','.join(needed)}")
    places = [names.index(name) for name in needed]
    width = len(COUNTS) + len(SHARES)
    found = []
    for fields in rows(path, tally):
        if not fields:
            continue
        values = [fields[place].strip() for place in places]
        numbers = [_number(value) for value in values[:width]]
        bought = values[-1].lower()
        if any(number is None for number in numbers):
            tally.refuse("a count, duration or rate is not a number from 0", tally.line)
        elif bought not in _YES + _NO:
            tally.refuse(f"{LABEL} is not 0, 1, TRUE or FALSE", tally.line)
        else:
            known = tuple(number for number in numbers if number is not None)
            found.append(Session(known, tuple(values[width:-1]), int(bought in _YES)))
    return found


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def _spec(crosses: tuple[tuple[str, str], ...]) -> Spec:
    counts = [Input(name, f"{name} {{}}", edges=_EDGES) for name in COUNTS]
    shares = [Input(name, f"{name} {{}} %", unit=0.01, edges=_EDGES) for name in SHARES]
    codes = [Input(name, name, edges=tuple(range(1, _CELLS)), scaled=False) for name in CODES]
    return Spec("learner", 1, (*counts, *shares, *codes), crosses=crosses)


def _teach(learner: HeadLearner, inputs: Inputs, label: int) -> None:
    learner.learn(Example(FORMAT, "learner", SITE, "", 0, 0, 0, learner.spec.hash, inputs, label))


def _star(learner: HeadLearner, newest: list[Inputs]) -> tuple[tuple[str, str], ...]:
    """The column whose effect on the logit varies most over some lines, with each other; none while none is learned."""
    try:
        scorer = Scorer(learner.spec, learner.snapshot(0))
    except SnapshotError:
        return ()
    effects: dict[str, list[float]] = defaultdict(list)
    names = [one.name for one in learner.spec.inputs]
    for inputs in newest:
        parts = {part.feature: part.logit for part in scorer.factors(inputs, {}, most=len(names))}
        for name in names:
            effects[name].append(parts.get(name, 0.0))
    spread = {name: float(np.std(effects[name])) for name in names}
    first, *others = sorted(names, key=lambda name: -spread[name])
    return tuple((first, other) for other in others)


def _plain_river(sessions: list[Session]) -> list[float]:
    """River's AdaGrad over scaled logs of the numbers and one-hot codes, predicted before it is learned."""
    scaler, model = preprocessing.StandardScaler(), linear_model.LogisticRegression(optim.AdaGrad(0.1))
    said = []
    for session in sessions:
        numbers = {name: log1p(number) for name, number in zip(COUNTS, session.numbers, strict=False)}
        numbers |= {
            name: log1p(100 * share) for name, share in zip(SHARES, session.numbers[len(COUNTS) :], strict=True)
        }
        scaler.learn_one(numbers)
        row = scaler.transform_one(numbers) | {
            name + code: 1.0 for name, code in zip(CODES, session.codes, strict=True)
        }
        said.append(model.predict_proba_one(row)[True])
        model.learn_one(row, session.bought)
    return said


def _above(chances: Floats, plain: Floats, labels: Floats) -> tuple[float, float, float]:
    """By how much the AUC is above the plain one's, with its paired interval."""

    def above(rows: NDArray[np.int64]) -> float | None:
        mine, theirs = auc(chances[rows], labels[rows]), auc(plain[rows], labels[rows])
        return None if mine is None or theirs is None else mine - theirs

    everything = np.arange(len(labels))
    low, high = interval(everything, above)
    return above(everything) or 0.0, low, high
