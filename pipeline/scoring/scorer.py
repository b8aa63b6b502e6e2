"""A snapshot made ready to score: columns added in a fixed order, so that every machine says the same."""

from math import exp

from msgspec import Struct

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
        self._slopes = [weight * scale for weight, scale in zip(snapshot.weights, snapshot.scales, strict=True)]
        shift = sum(slope * mean for slope, mean in zip(self._slopes, snapshot.means, strict=True))
        self._intercept = snapshot.intercept - shift
        self._cells = snapshot.cells
        self._calibration = snapshot.calibration

    def shop(self, site: str) -> Shop:
        """What is known of a site as a whole."""
        shops = self.snapshot.shops
        return shops[site] if site in shops else shops.get(ANY_SITE, self.spec.start)

    def logit(self, inputs: Inputs, shop: Shop) -> float:
        """The uncalibrated score."""
        columns = self.spec.columns(inputs, shop)
        total = self._intercept
        for slope, number in zip(self._slopes, columns.numbers, strict=True):
            total += slope * number
        cells = self._cells
        for cell in columns.cells:
            total += cells[cell]
        return round(total, DIGITS)

    def probability(self, logit: float) -> float:
        """The calibrated probability of a logit."""
        slope, shift = self._calibration
        return sigmoid(slope * logit + shift)

    def contributions(self, inputs: Inputs, shop: Shop, most: int = 3) -> tuple[Contribution, ...]:
        """The features that move a score most away from that of an average customer, the strongest first.

        A scaled column counts by its distance from the mean; a cell as it is; a cross half for each of its two.
        """
        spec, snapshot = self.spec, self.snapshot
        columns = spec.columns(inputs, shop)
        parts: dict[str, float] = {}
        for place, name in enumerate(spec.numbers):
            parts[name] = self._slopes[place] * (columns.numbers[place] - snapshot.means[place])
        for cell in columns.cells:
            names = spec.cells[cell]
            for name in names:
                parts[name] = parts.get(name, 0.0) + self._cells[cell] / len(names)
        strongest = sorted(parts.items(), key=lambda part: (-abs(part[1]), part[0]))[:most]
        return tuple(
            Contribution(name, _said(spec, name, inputs, shop), round(logit, 4)) for name, logit in strongest if logit
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
        return super().__format__(form or ".3g")


def _said(spec: Spec, name: str, inputs: Inputs, shop: Shop) -> str:
    return spec.words_of(name).format(_Said(spec.value_of(name, inputs, shop)))
