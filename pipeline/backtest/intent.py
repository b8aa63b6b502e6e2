"""Intent over a log of clicks: will this session buy? Asked after 2, 5, and 10 steps, answered when it is known.

The log is told to the head as the engine does it: a score is that of a snapshot, and a label is learned half an hour
after its session's last event. Scored are the predictions of the last 60 % of the log's time; the sessions that are
open where the log is cut off (`cut_off` predictions) are taken to end there.
"""

from collections import Counter
from heapq import heappop, heappush, heapreplace
from pathlib import Path
from time import perf_counter

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from river import compose, linear_model, optim, preprocessing

from pipeline.backtest.clicklog import Interaction, read_clicklog
from pipeline.backtest.result import Gate, Result, at_least, at_most, surely_above, surely_below
from pipeline.config.errors import UserError
from pipeline.heads import intent
from pipeline.heads.intent import Memory
from pipeline.heads.labelled import Labelled, example_of
from pipeline.learning.head import HeadLearner
from pipeline.learning.heads import HEADS
from pipeline.learning.quality import Floats, auc, calibration_error, interval, log_losses, pr_auc
from pipeline.replay.rows import Action
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import SnapshotError

SITE = "backtest"

EVERY = 200
"""Examples after which the learner publishes a snapshot, at the latest."""

SCORED_FROM = 0.4
"""Share of the log's time of which predictions are learned from but not scored."""

FEWEST = 100
"""Scored predictions below which nothing can be said."""

_STRENGTH = 5.0
"""Sessions, or looks, that a shop's rate counts for in a person's, or an item's."""


class Asked(Struct):
    """A prediction: by whom, what the head and its anchors said, and in the end what was true.

    `version` is that of the snapshot, 0 where there was none yet: then `chance` is the shop's rate.
    """

    at: int
    person: int
    steps: int
    chance: float
    own_rate: float
    item_rate: float
    category_rate: float
    counts: float
    version: int
    label: int | None = None


class Rates:
    """Rates that need no model: of sessions that buy in the shop, of looks at an item or category that end in a buy."""

    def __init__(self) -> None:
        self._sessions, self._buying = 0, 0
        self._looks: Counter[str] = Counter()
        self._buys: Counter[str] = Counter()

    def session(self, bought: int) -> None:
        """A session has ended."""
        self._sessions += 1
        self._buying += bought

    def base(self) -> float:
        """Share of the sessions that bought."""
        return (self._buying + 1) / (self._sessions + 20)

    def own(self, memory: Memory) -> float:
        """A person's share of sessions that bought, shrunk to the shop's."""
        return (memory.habits.buying + _STRENGTH * self.base()) / (memory.habits.sessions + _STRENGTH)

    def took(self, row: Interaction) -> None:
        """An item was looked at, or bought."""
        counts = self._buys if row.kind is Action.BUY else self._looks
        for name in ("", "i" + row.item, "c" + row.category):
            counts[name] += 1

    def conversion(self, names: list[str]) -> float:
        """The mean of the shares of looks that ended in a buy, each shrunk to the shop's."""
        base = (self._buys[""] + 1) / (self._looks[""] + 50)
        shares = [(self._buys[name] + _STRENGTH * base) / (self._looks[name] + _STRENGTH) for name in names]
        return sum(shares) / len(shares)


class Stream:
    """All persons, the learner, and the anchors at one time of the log."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.refused = 0
        self._memories: list[Memory] = []
        self._persons: dict[str, int] = {}
        self._looked: list[list[Interaction]] = []
        self._ends: list[tuple[int, int]] = []
        self._learner = HeadLearner(HEADS["intent"])
        self._scorer: Scorer | None = None
        self._rates = Rates()
        self._counts = compose.Pipeline(
            preprocessing.StandardScaler(), linear_model.LogisticRegression(optim.AdaGrad(0.1))
        )

    def take(self, row: Interaction) -> None:
        """Take a row of the log; ask after it where the session has come so far."""
        self.pass_time(row.at)
        person = self._persons.setdefault(row.person, len(self._persons))
        if person == len(self._memories):
            self._memories.append(Memory())
            self._looked.append([])
        before = self._memories[person]
        memory = told(before, row)
        if row.at - before.last >= intent.GAP:
            heappush(self._ends, (row.at + intent.GAP, person))
            self._looked[person].clear()
        self._looked[person].append(row)
        if row.kind is not Action.BUY and intent.kept_now(memory):
            memory = self._ask(memory, person, row.at)
        self._memories[person] = memory
        self._rates.took(row)

    def pass_time(self, clock: int) -> None:
        """End the sessions, and learn the labels, that are known at `clock`, in their order."""
        ends = self._ends
        while ends and ends[0][0] <= clock:
            end, person = ends[0]
            memory = self._memories[person]
            if memory.last + intent.GAP > end:
                heapreplace(ends, (memory.last + intent.GAP, person))
                continue
            heappop(ends)
            self._rates.session(memory.session.bought if memory.session else 0)
            self._memories[person], labels = intent.settle(memory, end)
            for labelled in labels:
                self._learn(labelled)

    def _ask(self, memory: Memory, person: int, at: int) -> Memory:
        raw = intent.inputs(memory, at)
        logit, chance, version = None, self._rates.base(), 0
        if self._scorer is not None:
            logit = self._scorer.logit(raw, self._scorer.shop(SITE))
            chance, version = self._scorer.probability(logit), self._scorer.version
        looked = self._looked[person]
        self.asked.append(
            Asked(
                at,
                person,
                int(raw[intent.SPEC.places["steps"]]),
                chance,
                self._rates.own(memory),
                self._rates.conversion(["i" + row.item for row in looked]),
                self._rates.conversion(["c" + row.category for row in looked]),
                self._counts.predict_proba_one(_named(raw)).get(True, 0.0),
                version,
            )
        )
        return intent.predicted(memory, str(len(self.asked) - 1), at, logit, version)

    def _learn(self, labelled: Labelled) -> None:
        self.asked[int(labelled.id)].label = labelled.label
        self._counts.learn_one(_named(labelled.inputs), bool(labelled.label))
        self._learner.learn(example_of(labelled, "intent", SITE, intent.SPEC.hash))
        if self._learner.trained % EVERY == 0:
            try:
                self._scorer = Scorer(intent.SPEC, self._learner.snapshot(labelled.at))
            except SnapshotError:
                self.refused += 1  # as live: the last good one stays


def told(memory: Memory, row: Interaction) -> Memory:
    """The head is told of a row, by the functions that the engine calls."""
    if row.kind is Action.VIEW:
        return intent.viewed(memory, row.at, row.item, row.category)
    if row.kind is Action.ADD:
        return intent.carted(memory, row.at, row.item, row.category)
    if row.kind is Action.WISH:
        return intent.favoured(memory, row.at, row.item, row.category)
    if row.kind is Action.REMOVE:
        return intent.changed_cart(memory, row.at)
    return intent.ordered(memory, row.at)


def run(path: Path) -> Result:
    """Run over a log (`pipeline.backtest.clicklog`). Raises UserError where it cannot be read or is too small."""
    started = perf_counter()
    log = read_clicklog(path)
    stream = Stream()
    for row in log.interactions:
        stream.take(row)
    first, last = log.interactions[0].at, log.interactions[-1].at
    stream.pass_time(last)
    cut_off = sum(one.label is None for one in stream.asked)
    stream.pass_time(last + intent.GAP)  # what is open at the end of the log ends with it
    since = first + SCORED_FROM * (last - first)
    asked = [one for one in stream.asked if one.at >= since]
    hits = sum(one.label or 0 for one in asked)
    if len(asked) < FEWEST or not 0 < hits < len(asked):
        said = f"{len(asked)} predictions, {hits} of sessions that bought: {FEWEST} are needed, of both kinds"
        raise UserError(f"{path} is too small: the last 60 % of its time have {said}")
    scored = _Scored(asked)
    unserved = sum(not one.version for one in asked)
    metrics = {
        **scored.metrics(),
        "cut_off": cut_off,
        "without_snapshot": unserved,
        "snapshots_refused": stream.refused,
    }
    return Result(
        "intent",
        len(log.interactions),
        round(perf_counter() - started, 2),
        log.skipped,
        metrics,
        scored.anchors(),
        scored.gates(),
    )


class _Scored:
    """The scored predictions as columns."""

    def __init__(self, asked: list[Asked]) -> None:
        def column(name: str) -> Floats:
            return np.array([getattr(one, name) for one in asked], dtype=np.float64)

        self.labels, self.chances, self.steps = column("label"), column("chance"), column("steps")
        self.by = {
            "own_rate": column("own_rate"),
            "item_conversion": column("item_rate"),
            "category_conversion": column("category_rate"),
            "river_counts": column("counts"),
        }
        self.persons = np.array([one.person for one in asked], dtype=np.int64)
        self.base = np.full_like(self.labels, self.labels.mean())

    def metrics(self) -> dict[str, object]:
        labels, chances = self.labels, self.chances
        losses = log_losses(chances, labels)
        return {
            "n": len(labels),
            "persons": len(np.unique(self.persons)),
            "auc": auc(chances, labels),
            "auc_interval": self._interval(chances),
            "auc_by_steps": {
                str(steps): auc(chances[self.steps == steps], labels[self.steps == steps])
                for steps in intent.KEPT_AFTER
            },
            "pr_auc": pr_auc(chances, labels),
            "log_loss": float(losses.mean()),
            "log_loss_interval": interval(self.persons, lambda rows: float(losses[rows].mean())),
            "base_loss": float(log_losses(self.base, labels).mean()),
            "ece": calibration_error(chances, labels),
            "mean_prediction": float(chances.mean()),
            "rate": float(labels.mean()),
        }

    def anchors(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, scores in self.by.items():
            found[name] = {
                "auc": auc(scores, self.labels),
                "auc_interval": self._interval(scores),
                "above_by": self._above(scores),
                "log_loss": float(log_losses(scores, self.labels).mean()),
            }
        return found

    def gates(self) -> list[Gate]:
        gates = []
        for name, limit in (("item_conversion", 0.0), ("category_conversion", 0.0)):
            value, low, high = self._above(self.by[name])
            gates.append(surely_above(f"AUC above that of {name}: lower bound", value, limit, low, high))
        value, low, high = self._above(self.by["own_rate"])
        gates.append(at_least("AUC not more than .03 under that of own_rate", value, -0.03, low, high))
        over = log_losses(self.chances, self.labels) - log_losses(self.base, self.labels)
        low, high = interval(self.persons, lambda rows: float(over[rows].mean()))
        gates.append(surely_below("log-loss below the base rate's: upper bound", float(over.mean()), 0.0, low, high))
        ece = calibration_error(self.chances, self.labels)
        gates.append(at_most("ECE", float("nan") if ece is None else ece, 0.03))
        return gates

    def _interval(self, scores: Floats) -> tuple[float, float]:
        return interval(self.persons, lambda rows: auc(scores[rows], self.labels[rows]))

    def _above(self, scores: Floats) -> tuple[float, float, float]:
        """By how much the head's AUC is above that of other scores, with its paired interval."""

        def above(rows: NDArray[np.int64]) -> float | None:
            mine, theirs = auc(self.chances[rows], self.labels[rows]), auc(scores[rows], self.labels[rows])
            return None if mine is None or theirs is None else mine - theirs

        value = above(np.arange(len(self.labels)))
        low, high = interval(self.persons, above)
        return (float("nan") if value is None else value), low, high


def _named(raw: tuple[float, ...]) -> dict[str, float]:
    return {one.name: value for one, value in zip(intent.SPEC.inputs, raw, strict=True)}
