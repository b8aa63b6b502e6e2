"""Next buy over a log of clicks: does this person buy on the day that begins now?

The protocol. At the begin of each day (UTC) every person seen before is asked about, for as long as the log goes on; a
purchase on that day is 1, none 0. The label is learned at the day's end, by the learner of all heads; scores are those
of a snapshot, taken every 200 examples. Before the first that is good the anchor is what is said (`by_rule`). Scored
are the days that begin in the last 60 % of the log's time and end within it. Who never bought has no clock of orders,
so this is not the reorder head: its bins start at a purchase.

The anchor is a person's own share of days with a purchase, shrunk to that of all: the gate is not to be far under it.
"""

from math import log1p
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from msgspec import Struct
from river import compose, linear_model, optim, preprocessing

from pipeline.backtest.clicklog import Interaction, read_clicklog
from pipeline.backtest.result import Result, surely_above
from pipeline.config.errors import UserError
from pipeline.learning.head import HeadLearner
from pipeline.learning.head_spec import HeadSpec
from pipeline.learning.quality import Floats, auc, calibration_error, interval, log_losses, pr_auc
from pipeline.replay.rows import Action
from pipeline.scoring.example import FORMAT, Example
from pipeline.scoring.features import Input, Inputs, Prior, Shrunk, Spec
from pipeline.scoring.hazard import DAY
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import SnapshotError

SITE = "backtest"

EVERY = 200
"""Examples after which the learner publishes a snapshot."""

SCORED_FROM = 0.4
"""Share of the log's time of which days are learned from but not scored."""

FEWEST = 100
"""Scored days of persons below which nothing can be said."""

MARGIN = 0.05
"""AUC that the head may be under the shrunk rate, at the lower end of the interval."""

_STRENGTH = 5.0
"""Days that the rate of all counts for in a person's own."""

ANCHORS = ("shrunk_rate", "base_rate", "river_counts")

SPEC = Spec(
    "next_buy",
    1,
    (
        Input("days", "known for {} days", scaled=False),
        Input("bought", "bought on {} days", scaled=False),
        Input("active", "here on {} days", scaled=False),
        Input("away", "away for {} days", edges=(1, 2, 4)),
        Input("added", "{} products put into the cart since the last order"),
        Input("views", "{} products looked at on the last day here"),
    ),
    shrunk=(
        Shrunk("own_rate", "buys on {} of the days", "bought", "days", _STRENGTH, "rate", share=True),
        Shrunk("presence", "here on {} of the days", "active", "days", 2.0, "presence", share=True),
    ),
    priors=(Prior("rate", "", 0.05), Prior("presence", "active", 0.5, per="days")),
)


class Person(Struct):
    """What is counted of a person, up to the day before; `today` and `buys` are of the day that goes on."""

    number: int
    since: int
    bought: int = 0
    active: int = 0
    last: int = 0
    added: int = 0
    views: int = 0
    today: int = 0
    buys: bool = False

    def take(self, row: Interaction) -> None:
        """Take what the person does."""
        self.today += 1
        if row.kind is Action.BUY:
            self.buys, self.added = True, 0
        elif row.kind is Action.ADD:
            self.added += 1

    def end(self, day: int) -> None:
        """The day is over."""
        if self.today:
            self.active, self.last, self.views = self.active + 1, day, self.today
        self.bought += self.buys
        self.today, self.buys = 0, False

    def inputs(self, day: int) -> Inputs:
        """What is known as the day begins."""
        return (day - self.since, self.bought, self.active, day - self.last - 1, self.added, self.views)


class Asked(Struct):
    """A day of a person: what the head and its anchors said, and what was true."""

    day: int
    person: int
    inputs: Inputs
    chance: float
    anchors: tuple[float, ...]
    by_rule: bool
    label: int = 0


class Stream:
    """All persons, the learner and the anchors at one day of the log."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.refused = 0
        self._persons: dict[str, Person] = {}
        self._open: list[tuple[Person, Asked]] = []
        self._day = -1
        self._learner = HeadLearner(HeadSpec(SPEC))
        self._scorer: Scorer | None = None
        self._hits, self._days = 0.5, 10.0
        self._counts = compose.Pipeline(
            preprocessing.StandardScaler(), linear_model.LogisticRegression(optim.AdaGrad(0.1))
        )

    def take(self, row: Interaction) -> None:
        """Take a row of the log; a new day ends those before it."""
        day = row.at // DAY
        if self._day < 0:
            self._day = day
        self.pass_days(day)
        self._persons.setdefault(row.person, Person(len(self._persons), day)).take(row)

    def pass_days(self, day: int) -> None:
        """End all days before `day`: their labels are learned, and the next is asked about."""
        while self._day < day:
            for person, asked in self._open:
                asked.label = int(person.buys)
                self.asked.append(asked)
                self._learn(asked)
            for person in self._persons.values():
                person.end(self._day)
            self._day += 1
            self._open = [(person, self._ask(person)) for person in self._persons.values()]

    def _ask(self, person: Person) -> Asked:
        inputs, base = person.inputs(self._day), self._hits / self._days
        own = (person.bought + _STRENGTH * base) / (self._day - person.since + _STRENGTH)
        chance = own
        if self._scorer is not None:
            chance = self._scorer.probability(self._scorer.logit(inputs, self._scorer.shop(SITE)))
        counts = float(self._counts.predict_proba_one(_row(inputs))[True])
        return Asked(self._day, person.number, inputs, chance, (own, base, counts), self._scorer is None)

    def _learn(self, asked: Asked) -> None:
        begin, name = asked.day * DAY, f"{asked.person}:{asked.day}"
        self._hits += asked.label
        self._days += 1
        self._counts.learn_one(_row(asked.inputs), bool(asked.label))
        self._learner.learn(
            Example(FORMAT, SPEC.head, SITE, name, 0, begin, begin + DAY, SPEC.hash, asked.inputs, asked.label)
        )
        if self._learner.trained % EVERY == 0:
            try:
                self._scorer = Scorer(SPEC, self._learner.snapshot(begin + DAY))
            except SnapshotError:
                self.refused += 1


def run(path: Path) -> Result:
    """Run the log at `path`. Raises UserError where it is of no known shape or too small."""
    started = perf_counter()
    log = read_clicklog(path)
    stream = Stream()
    for row in log.interactions:
        stream.take(row)
    first, last = log.interactions[0].at, log.interactions[-1].at
    since = first + SCORED_FROM * (last - first)
    asked = [one for one in stream.asked if one.day * DAY >= since]
    labels = np.array([one.label for one in asked], np.float64)
    if len(asked) < FEWEST or not 0 < labels.sum() < len(labels):
        raise UserError(
            f"{path} has {len(asked)} days of persons to score, {int(labels.sum())} of them with a purchase, in the "
            f"last 60 % of its time: at least {FEWEST} are needed, of both kinds"
        )
    persons = np.array([one.person for one in asked])
    chances = np.array([one.chance for one in asked])
    said = {name: np.array([one.anchors[place] for one in asked]) for place, name in enumerate(ANCHORS)}

    def above(those: Floats) -> tuple[float, float, float]:
        """By how much the AUC is above another's, with its interval."""
        low, high = interval(
            persons, lambda rows: _difference(auc(chances[rows], labels[rows]), auc(those[rows], labels[rows]))
        )
        return _difference(auc(chances, labels), auc(those, labels)) or 0.0, low, high

    metrics: dict[str, Any] = {
        **_figures(chances, labels),
        "auc_interval": interval(persons, lambda rows: auc(chances[rows], labels[rows])),
        "ece": calibration_error(chances, labels),
        "base_loss": float(log_losses(said["base_rate"], labels).mean()),
        "mean_prediction": float(chances.mean()),
        "rate": float(labels.mean()),
        "n": len(asked),
        "purchase_days": int(labels.sum()),
        "persons": len(np.unique(persons)),
        "by_rule": sum(one.by_rule for one in asked),
        "snapshots_refused": stream.refused,
    }
    anchors: dict[str, Any] = {
        name: {**_figures(those, labels), "auc_above": above(those)} for name, those in said.items()
    }
    value, low, high = anchors["shrunk_rate"]["auc_above"]
    gate = surely_above("AUC not more than .05 under the shrunk rate", value, -MARGIN, low, high)
    return Result("next-buy", len(log.interactions), perf_counter() - started, log.skipped, metrics, anchors, [gate])


def _figures(chances: Floats, labels: Floats) -> dict[str, float | None]:
    return {
        "auc": auc(chances, labels),
        "pr_auc": pr_auc(chances, labels),
        "log_loss": float(log_losses(chances, labels).mean()),
    }


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _row(inputs: Inputs) -> dict[str, float]:
    return {one.name: log1p(value) for one, value in zip(SPEC.inputs, inputs, strict=True)}
