"""A snapshot made ready to score: columns added in a fixed order, so that every machine says the same."""

from functools import lru_cache
from math import exp
from typing import Final, NamedTuple

from pipeline.scoring.compiled import Compiled
from pipeline.scoring.features import Inputs, Shop, Spec
from pipeline.scoring.snapshot import ANY_SITE, Snapshot, check

DIGITS: Final = 6
"""Decimal digits of a served logit: nothing finer is ever compared."""

_FARTHEST: Final = 30.0
"""Logits beyond this are 0 or 1 for any purpose."""


_LARGE: Final = 100
"""Numbers from here on are read out without a fraction."""


class Contribution(NamedTuple):
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
        names = spec.names
        self._centred = [-means.get(name, 0.0) for name in names]
        self._crossed = [(names.index(one), names.index(other)) for one, other in spec.crosses]
        self._worded = [names.index(name) for name in sorted(names) if spec.words_of(name)]
        self._units = [one.unit for one in spec.inputs]
        self._words = [spec.words_of(name) for name in names]
        self._last: tuple[Inputs, Shop, list[float]] = (), {}, []

    def shop(self, site: str) -> Shop:
        """What is known of a site as a whole."""
        shops = self.snapshot.shops
        return shops[site] if site in shops else shops.get(ANY_SITE, self.spec.start)

    def logit(self, inputs: Inputs, shop: Shop) -> float:
        """The uncalibrated score."""
        total = self._intercept
        for part in self._parts(inputs, shop):
            total += part
        return round(total, DIGITS)

    def probability(self, logit: float) -> float:
        """The calibrated probability of a logit."""
        slope, shift = self._calibration
        return sigmoid(slope * logit + shift)

    def log_odds(self, inputs: Inputs, shop: Shop) -> float:
        """The log-odds of the calibrated probability: what was served, as an example tells it later."""
        slope, shift = self._calibration
        return round(slope * self.logit(inputs, shop) + shift, DIGITS)

    def contributions(self, inputs: Inputs, shop: Shop, most: int = 3) -> tuple[Contribution, ...]:
        """The features that move a score most away from that of an average customer, the strongest first.

        A scaled column counts by its distance from the mean; a bucket as it is; a cross half for each of its two. What
        has no words, such as the number of a hazard's bin, says nothing to a merchant and is left out.
        """
        added = self._parts(inputs, shop)
        moved = [own + part for own, part in zip(self._centred, added, strict=False)]  # crosses come after
        for (one, other), part in zip(self._crossed, added[len(moved) :], strict=True):
            moved[one] += part / 2
            moved[other] += part / 2
        nearness = [-abs(part) for part in moved]
        strongest = sorted(self._worded, key=nearness.__getitem__)[:most]  # of equals the first by name
        return tuple(
            [
                Contribution(self.spec.names[place], self._said(place, inputs, shop), round(moved[place], 4))
                for place in strongest
                if moved[place]
            ]
        )

    def _said(self, place: int, inputs: Inputs, shop: Shop) -> str:
        if place < len(inputs):
            return _read_out(self._words[place], inputs[place] / self._units[place])
        return _read_out(self._words[place], self.spec.value_of(self.spec.names[place], inputs, shop))

    def _parts(self, inputs: Inputs, shop: Shop) -> list[float]:
        """What each feature adds. A trigger asks for the score and for its reasons right after each other."""
        last, of, parts = self._last
        if last != inputs or of is not shop:
            parts = self._compiled.parts(inputs, shop)
            self._last = inputs, shop, parts
        return parts


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-logit)."""
    if logit >= 0:
        return 1 / (1 + exp(-min(logit, _FARTHEST)))
    grown = exp(max(logit, -_FARTHEST))
    return grown / (1 + grown)


@lru_cache(maxsize=4096)
def _read_out(words: str, value: float) -> str:
    """A feature as a merchant reads it: a number of three digits."""
    return words.replace("{}", format(value, ",.0f" if abs(value) >= _LARGE else ".3g"))
