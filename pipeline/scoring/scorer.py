"""A snapshot made ready to score: terms added in a fixed order, so that every machine says the same.

The order is that of the specification, but for what moves within a silence: that comes last, so that all else need be
added up only once.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import floor
from typing import Final

from pipeline.scoring.factor import Factor
from pipeline.scoring.features import Inputs, Shop, Spec
from pipeline.scoring.odds import sigmoid
from pipeline.scoring.snapshot import ANY_SITE, Snapshot, check
from pipeline.scoring.terms import Term, crosses_of, features_of, moved_by, slopes_of

_FINEST: Final = 1e6
"""A served logit is a whole number over this: nothing finer is ever compared."""

_FARTHEST: Final = 1e9
"""No logit is served beyond it: a ratio to next to nothing has none that is finite."""

_TOLD: Final = 1e4
"""As `_FINEST`, of what a factor adds."""

_LARGE: Final = 100
"""Numbers from here on are read out without a fraction."""

_SMALL: Final = 1e-4
"""Numbers under this, such as a second in days, would be read out with an exponent."""


class Scorer:
    """Scores with one snapshot. Raises SnapshotError where it must not be scored with."""

    def __init__(self, spec: Spec, snapshot: Snapshot) -> None:
        check(snapshot, spec)
        self.spec = spec
        self.snapshot = snapshot
        self.version = snapshot.version
        slopes, names = slopes_of(spec, snapshot), spec.names
        means = {name: slopes[name] * mean for name, mean in zip(spec.numbers, snapshot.means, strict=True)}
        self._features = features_of(spec, snapshot)
        self._terms: list[Term] = [*self._features, *crosses_of(spec, snapshot, self._features)]
        moved = moved_by(spec, spec.moving)
        self._order = [place for place in range(len(self._terms)) if place not in moved] + moved
        self._still = [self._terms[place] for place in self._order if place not in moved]
        self._moving = [self._terms[place] for place in moved]
        self._intercept = snapshot.intercept - sum(means.values())
        self._slope, self._shift = snapshot.calibration
        self._shops = snapshot.shops
        self._any_shop = snapshot.shops.get(ANY_SITE, spec.start)
        self._centred = [-means.get(name, 0.0) for name in names]
        self._crossed = [(names.index(one), names.index(other)) for one, other in spec.crosses]
        self._worded = [names.index(name) for name in sorted(names) if spec.words_of(name)]
        self._units = [one.unit for one in spec.inputs] + [one.unit for one in spec.shrunk] + [1.0] * len(spec.ratios)
        self._names = names
        self._words = [spec.words_of(name) for name in names]
        self._words_at_zero = [spec.words_at_zero(name) for name in names]

    def shop(self, site: str) -> Shop:
        """What is known of a site as a whole."""
        return self._shops.get(site, self._any_shop)

    def logit(self, inputs: Inputs, shop: Shop) -> float:
        """The uncalibrated score."""
        total = self._intercept
        for term in self._still:
            total += term.added(inputs, shop)
        for term in self._moving:
            total += term.added(inputs, shop)
        return _served(total)

    def logits(self, rows: Sequence[Inputs], shop: Shop) -> list[float]:
        """The uncalibrated scores of inputs that differ in those only which move, each as `logit` says it."""
        still = self._intercept
        for term in self._still:
            still += term.added(rows[0], shop)
        found: list[float] = []
        for row in rows:
            total = still
            for term in self._moving:
                total += term.added(row, shop)
            found.append(_served(total))
        return found

    def probability(self, logit: float) -> float:
        """The calibrated probability of a logit."""
        return sigmoid(self._slope * logit + self._shift)

    def log_odds(self, inputs: Inputs, shop: Shop) -> float:
        """The log-odds of the calibrated probability: what was served, as an example tells it later."""
        return _served(self._slope * self.logit(inputs, shop) + self._shift)

    def explained(self, inputs: Inputs, shop: Shop) -> tuple[float, tuple[Factor, ...]]:
        """The uncalibrated score and its `factors`."""
        parts = [term.added(inputs, shop) for term in self._terms]
        total = self._intercept
        for place in self._order:
            total += parts[place]
        return _served(total), self._strongest(parts, inputs, shop, 3)

    def factors(self, inputs: Inputs, shop: Shop, most: int = 3) -> tuple[Factor, ...]:
        """The features that move a score most away from that of an average customer, the strongest first.

        A scaled column counts by its distance from the mean; a bucket as it is; a cross half for each of its two. What
        has no words, such as the number of a hazard's bin or a gap before there are two orders, says nothing to a
        merchant and is left out.
        """
        return self._strongest([term.added(inputs, shop) for term in self._terms], inputs, shop, most)

    def _strongest(self, parts: list[float], inputs: Inputs, shop: Shop, most: int) -> tuple[Factor, ...]:
        """The factors, of what each term adds."""
        count = len(self._features)
        moved = [self._centred[place] + parts[place] for place in range(count)]
        for number, (one, other) in enumerate(self._crossed, start=count):
            half = parts[number] / 2
            moved[one] += half
            moved[other] += half
        found: list[Factor] = []
        while len(found) < most:
            place, strongest = 0, 0.0
            for one in self._worded:  # of equals the first by name
                part = moved[one]
                if part < 0:
                    part = -part
                if part > strongest:
                    place, strongest = one, part
            if not strongest:
                break
            part, moved[place] = moved[place], 0.0
            value = self._features[place].value(inputs, shop) / self._units[place]
            words = self._words[place] if value else self._words_at_zero[place]
            if words:
                found.append(Factor(self._names[place], _read_out(words, value), _rounded(part, _TOLD)))
        return tuple(found)


def _served(logit: float) -> float:
    return _rounded(logit, _FINEST)


def _rounded(logit: float, parts: float) -> float:
    """The nearest whole number over `parts`."""
    return floor(min(max(logit, -_FARTHEST), _FARTHEST) * parts + 0.5) / parts


@lru_cache(maxsize=4096)
def _read_out(words: str, value: float) -> str:
    """A feature as a merchant reads it: a number of three digits, 0 where it is too small for that."""
    if abs(value) < _SMALL:
        return words.replace("{}", "0")
    return words.replace("{}", format(value, ",.0f" if abs(value) >= _LARGE else ".3g"))
