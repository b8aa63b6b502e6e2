"""A snapshot made ready to score: columns added in a fixed order, so that every machine says the same."""

from math import exp

from msgspec import Struct

from pipeline.scoring.compiled import Compiled
from pipeline.scoring.features import Inputs, Shop, Spec
from pipeline.scoring.snapshot import ANY_SITE, Snapshot, check

DIGITS = 6
"""Decimal digits of a served logit: nothing finer is ever compared."""

_FARTHEST = 30.0
"""Logits beyond this are 0 or 1 for any purpose."""


class Contribution(Struct, frozen=True, gc=False):
    """What one feature adds to a logit, and how a merchant reads it."""

    feature: str
    words: str
    logit: float


class Scorer:
    """Scores with one snapshot. Raises SnapshotError where it must not be scored with."""

    def __init__(self, spec: Spec, snapshot: Snapshot) -> None:
        check(snapshot, spec)
        self.spec = spec
        self.snapshot = snapshot
        self.version = snapshot.version
        self._compiled = Compiled(spec, snapshot)
        self._intercept = snapshot.intercept - sum(self._compiled.means)
        self._calibration = snapshot.calibration
        means = dict(zip(spec.numbers, self._compiled.means, strict=True))
        self._centred = {name: -means.get(name, 0.0) for name in spec.names}
        self._worded = {name: None for name in spec.names if spec.words_of(name)}

    def shop(self, site: str) -> Shop:
        """What is known of a site as a whole."""
        shops = self.snapshot.shops
        return shops[site] if site in shops else shops.get(ANY_SITE, self.spec.start)

    def logit(self, inputs: Inputs, shop: Shop) -> float:
        """The uncalibrated score."""
        total = self._intercept
        for part in self._compiled.parts(inputs, shop):
            total += part
        return round(total, DIGITS)

    def probability(self, logit: float) -> float:
        """The calibrated probability of a logit."""
        slope, shift = self._calibration
        return sigmoid(slope * logit + shift)

    def contributions(self, inputs: Inputs, shop: Shop, most: int = 3) -> tuple[Contribution, ...]:
        """The features that move a score most away from that of an average customer, the strongest first.

        A scaled column counts by its distance from the mean; a bucket as it is; a cross half for each of its two. What
        has no words, such as the number of a hazard's bin, says nothing to a merchant and is left out.
        """
        spec, parts = self.spec, self._centred.copy()
        added = self._compiled.parts(inputs, shop)
        for name, part in zip(spec.names, added, strict=False):
            parts[name] += part
        for (one, other), part in zip(spec.crosses, added[len(spec.names) :], strict=True):
            parts[one] += part / 2
            parts[other] += part / 2
        worded = self._worded
        strongest = sorted([(-abs(logit), name) for name, logit in parts.items() if logit and name in worded])[:most]
        return tuple(
            [Contribution(name, _said(spec, name, inputs, shop), round(parts[name], 4)) for _, name in strongest]
        )


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-logit)."""
    if logit >= 0:
        return 1 / (1 + exp(-min(logit, _FARTHEST)))
    grown = exp(max(logit, -_FARTHEST))
    return grown / (1 + grown)


class _Said(float):
    """A number as it is read out: three digits, where the words ask for nothing else."""

    def __format__(self, form: str) -> str:
        return super().__format__(form or (",.0f" if abs(self) >= 100 else ".3g"))


def _said(spec: Spec, name: str, inputs: Inputs, shop: Shop) -> str:
    return spec.words_of(name).format(_Said(spec.value_of(name, inputs, shop)))
