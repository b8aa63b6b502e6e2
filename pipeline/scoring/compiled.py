"""A snapshot laid out for speed: what each value of each input adds to a logit, worked out once and looked up after."""

from bisect import bisect_right
from math import log1p
from typing import Final

from pipeline.scoring.features import Input, Inputs, Ratio, Shop, Shrunk, Spec, log_odds
from pipeline.scoring.snapshot import Snapshot

_MOST: Final = 4_096
"""Values of an input that are kept at once."""


_Term = tuple[float, float, tuple[float, ...], tuple[float, ...]]
"""A feature: the slope of its scaled column, one over its unit, the edges of its buckets, what each of them adds."""

_Shared = tuple[float, int, float]
"""What a feature adds that is shrunk to the shop, its bucket, and its value."""


class Compiled:
    """What a snapshot adds for some inputs, feature by feature."""

    def __init__(self, spec: Spec, snapshot: Snapshot) -> None:
        slopes = dict(
            zip(
                spec.numbers,
                [weight * scale for weight, scale in zip(snapshot.weights, snapshot.scales, strict=True)],
                strict=True,
            )
        )
        self.means = [slopes[name] * mean for name, mean in zip(spec.numbers, snapshot.means, strict=True)]
        cells = _cells_of(spec, snapshot)

        def term(feature: Input | Shrunk | Ratio) -> _Term:
            per = 1.0 if isinstance(feature, Ratio) else 1 / feature.unit
            own = cells.get((feature.name,), ())
            return slopes.get(feature.name, 0.0), per, feature.edges, own

        names = spec.names
        place = spec.places
        self._inputs: list[tuple[_Term, dict[float, tuple[float, int]] | None]] = [
            (term(one), {} if one.unit == 1 else None) for one in spec.inputs
        ]
        self._shrunk: list[tuple[int, int, float, str, bool, _Term, dict[tuple[float, float, float], _Shared]]] = [
            (place[one.total], place[one.count], one.strength, one.prior, one.share, term(one), {})
            for one in spec.shrunk
        ]
        under = {one.name: number for number, one in enumerate(spec.shrunk)}
        self._ratios = [(place[one.over], under[one.under], term(one)) for one in spec.ratios]
        self._crosses = [
            (names.index(one), names.index(other), cells[one, other], spec.width_of(other))
            for one, other in spec.crosses
        ]

    def parts(self, inputs: Inputs, shop: Shop) -> list[float]:
        """What each feature adds, in the order of `spec.names`, then each cross."""
        parts: list[float] = []
        buckets: list[int] = []
        for place, (term, memo) in enumerate(self._inputs):
            value = inputs[place]
            found = None if memo is None else memo.get(value)
            if found is None:
                found = _added(term, log1p(value * term[1]), value)
                if memo is not None:
                    if len(memo) >= _MOST:
                        memo.clear()
                    memo[value] = found
            parts.append(found[0])
            buckets.append(found[1])
        means: list[float] = []
        for total, count, strength, prior, share, term, averages in self._shrunk:
            key = inputs[total], inputs[count], shop[prior]
            known = averages.get(key)
            if known is None:
                mean = (strength * key[2] + key[0]) / (strength + key[1])
                part, bucket = _added(term, log_odds(mean) if share else log1p(mean * term[1]), mean)
                known = part, bucket, mean
                if len(averages) >= _MOST:
                    averages.clear()
                averages[key] = known
            parts.append(known[0])
            buckets.append(known[1])
            means.append(known[2])
        for over, number, term in self._ratios:
            mean = means[number]
            ratio = inputs[over] / mean if mean > 0 else 0.0
            part, bucket = _added(term, log1p(ratio), ratio)
            parts.append(part)
            buckets.append(bucket)
        for one, other, cells, width in self._crosses:
            parts.append(cells[buckets[one] * width + buckets[other]])
        return parts


def _added(term: _Term, number: float, value: float) -> tuple[float, int]:
    slope, _, edges, cells = term
    if not edges:
        return slope * number, 0
    bucket = bisect_right(edges, value)
    return slope * number + cells[bucket], bucket


def _cells_of(spec: Spec, snapshot: Snapshot) -> dict[tuple[str, ...], tuple[float, ...]]:
    found: dict[tuple[str, ...], list[float]] = {}
    for names, weight in zip(spec.cells, snapshot.cells, strict=True):
        found.setdefault(names, []).append(weight)
    return {names: tuple(weights) for names, weights in found.items()}
