"""A snapshot laid out for speed: the terms whose sum is a logit, one for each feature and each cross of two."""

from collections.abc import Sequence
from math import log1p
from typing import Final

from pipeline.scoring.features import Inputs, Shop, Spec
from pipeline.scoring.odds import log_odds
from pipeline.scoring.snapshot import Snapshot

_log1p: Final = log1p  # in compiled code a constant is at hand, a global is looked up at each use
_TABLED: Final = 64
"""Counts under this are so common that what they add is worked out beforehand."""


class Term:
    """A part of a logit."""

    def added(self, inputs: Inputs, shop: Shop) -> float:
        """What it adds for some inputs, in nats."""
        raise NotImplementedError


class Feature(Term):
    """A feature: `slope` is of its scaled column, `cells` are what each of the buckets between the `edges` adds."""

    def __init__(self, slope: float, edges: Sequence[float], cells: Sequence[float]) -> None:
        self._slope = slope
        self._edges = [float(edge) for edge in edges]
        self._cells = list(cells) or [0.0]

    def value(self, inputs: Inputs, shop: Shop) -> float:
        """Its value as it is measured, before any scale."""
        raise NotImplementedError

    def number(self, value: float) -> float:
        """The number of the scaled column for a value."""
        raise NotImplementedError

    def bucket(self, value: float) -> int:
        """The place of the bucket that a value is in."""
        place = 0
        for edge in self._edges:
            if value < edge:
                break
            place += 1
        return place

    def added(self, inputs: Inputs, shop: Shop) -> float:
        """What it adds for some inputs, in nats."""
        return self.of(self.value(inputs, shop))

    def of(self, value: float) -> float:
        """What it adds for a value, in nats."""
        cell = self._cells[self.bucket(value)]
        return cell + self._slope * self.number(value) if self._slope else cell


class Raw(Feature):
    """An input as it is."""

    def __init__(self, place: int, unit: float, slope: float, edges: Sequence[float], cells: Sequence[float]) -> None:
        super().__init__(slope, edges, cells)
        self._place = place
        self._per = 1 / unit
        self._table = [self.of(float(value)) for value in range(_TABLED)]

    def value(self, inputs: Inputs, shop: Shop) -> float:  # noqa: ARG002  # the shop is for other features
        """Its value as it is measured, before any scale."""
        return float(inputs[self._place])

    def number(self, value: float) -> float:
        """The number of the scaled column for a value."""
        return _log1p(value * self._per)

    def added(self, inputs: Inputs, shop: Shop) -> float:  # noqa: ARG002
        """What it adds for some inputs, in nats."""
        value = inputs[self._place]
        if isinstance(value, int):
            return self._table[value] if 0 <= value < _TABLED else self.of(float(value))
        return self.of(value)


class Average(Feature):
    """A person's own average, shrunk to the shop's."""

    def __init__(
        self,
        places: tuple[int, int],
        prior: tuple[str, float],
        unit: float | None,
        slope: float,
        edges: Sequence[float],
        cells: Sequence[float],
    ) -> None:
        """`places` are those of total and count, `prior` has its name and strength. A share has no `unit`."""
        super().__init__(slope, edges, cells)
        self._total, self._count = places
        self._prior, self._strength = prior
        self._share = unit is None
        self._per = 1 / (unit or 1.0)

    def value(self, inputs: Inputs, shop: Shop) -> float:
        """Its value as it is measured, before any scale."""
        total, count = float(inputs[self._total]), float(inputs[self._count])
        return (self._strength * shop[self._prior] + total) / (self._strength + count)

    def number(self, value: float) -> float:
        """The number of the scaled column for a value."""
        return log_odds(value) if self._share else _log1p(value * self._per)


class Lateness(Feature):
    """An input over a shrunk average."""

    def __init__(self, over: int, under: Average, slope: float, edges: Sequence[float], cells: Sequence[float]) -> None:
        super().__init__(slope, edges, cells)
        self._over, self._under = over, under

    def value(self, inputs: Inputs, shop: Shop) -> float:
        """Its value as it is measured, before any scale."""
        mean = self._under.value(inputs, shop)
        return float(inputs[self._over]) / mean if mean > 0 else 0.0

    def number(self, value: float) -> float:
        """The number of the scaled column for a value."""
        return _log1p(value)


class Cross(Term):
    """The buckets of two features, crossed; `width` is how many the `other` has."""

    def __init__(self, one: Feature, other: Feature, width: int, cells: Sequence[float]) -> None:
        self._one, self._other, self._width = one, other, width
        self._cells = list(cells)

    def added(self, inputs: Inputs, shop: Shop) -> float:
        """What it adds for some inputs, in nats."""
        row = self._one.bucket(self._one.value(inputs, shop))
        return self._cells[row * self._width + self._other.bucket(self._other.value(inputs, shop))]


def slopes_of(spec: Spec, snapshot: Snapshot) -> dict[str, float]:
    """What each scaled column adds a unit of its unscaled number, by name."""
    scaled = [weight * scale for weight, scale in zip(snapshot.weights, snapshot.scales, strict=True)]
    return dict(zip(spec.numbers, scaled, strict=True))


def features_of(spec: Spec, snapshot: Snapshot) -> list[Feature]:
    """The features of a snapshot, in the order of `spec.names`."""
    slopes, cells, place = slopes_of(spec, snapshot), _cells_of(spec, snapshot), spec.places
    found: list[Feature] = []
    averages: dict[str, Average] = {}
    for raw in spec.inputs:
        own = cells.get((raw.name,), ())
        found.append(Raw(place[raw.name], raw.unit, slopes.get(raw.name, 0.0), raw.edges, own))
    for one in spec.shrunk:
        unit = None if one.share else one.unit
        places, prior, own = (place[one.total], place[one.count]), (one.prior, one.strength), cells.get((one.name,), ())
        averages[one.name] = Average(places, prior, unit, slopes[one.name], one.edges, own)
        found.append(averages[one.name])
    for ratio in spec.ratios:
        own = cells.get((ratio.name,), ())
        found.append(Lateness(place[ratio.over], averages[ratio.under], slopes[ratio.name], ratio.edges, own))
    return found


def crosses_of(spec: Spec, snapshot: Snapshot, features: Sequence[Feature]) -> list[Cross]:
    """The crosses of a snapshot between its `features`, in the order of `spec.crosses`."""
    cells, names = _cells_of(spec, snapshot), spec.names
    return [
        Cross(features[names.index(one)], features[names.index(other)], spec.width_of(other), cells[one, other])
        for one, other in spec.crosses
    ]


def moved_by(spec: Spec, inputs: Sequence[str]) -> list[int]:
    """The places of the terms, features before crosses, that look at any of the inputs of these names."""
    moved = set(inputs)
    moved |= {one.name for one in spec.shrunk if {one.total, one.count} & moved}
    moved |= {one.name for one in spec.ratios if {one.over, one.under} & moved}
    looking = [name in moved for name in spec.names] + [bool({one, other} & moved) for one, other in spec.crosses]
    return [place for place, looks in enumerate(looking) if looks]


def _cells_of(spec: Spec, snapshot: Snapshot) -> dict[tuple[str, ...], tuple[float, ...]]:
    found: dict[tuple[str, ...], list[float]] = {}
    for names, weight in zip(spec.cells, snapshot.cells, strict=True):
        found.setdefault(names, []).append(weight)
    return {names: tuple(weights) for names, weights in found.items()}
