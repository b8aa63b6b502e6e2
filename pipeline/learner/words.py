"""A snapshot in words: which features move its score most. Pure."""

from collections.abc import Iterator
from math import exp
from typing import NamedTuple

from pipeline.scoring.features import Input, Ratio, Shrunk, Spec
from pipeline.scoring.snapshot import Snapshot

_PLACE = "{}"
"""Where the value goes in the words of a feature."""


Feature = Input | Shrunk | Ratio


class Weight(NamedTuple):
    """What a feature does: by how much it multiplies the odds or the mean, and in words for which customers."""

    words: str
    times: float
    per: str


def strongest(spec: Spec, snapshot: Snapshot, most: int) -> list[Weight]:
    """The features with the largest weights, the strongest first."""
    found = [*_numbers(spec, snapshot), *_cells(spec, snapshot)]
    found.sort(key=lambda one: -abs(one[0]))
    return [Weight(words, exp(weight), per) for weight, words, per in found[:most] if weight]


def _numbers(spec: Spec, snapshot: Snapshot) -> Iterator[tuple[float, str, str]]:
    for name, weight, scale in zip(spec.numbers, snapshot.weights, snapshot.scales, strict=True):
        if scale:
            words = spec.words_of(name) or f"{_called(name)} {_PLACE}"
            yield weight, words.replace(_PLACE, "more"), "standard deviation"


def _cells(spec: Spec, snapshot: Snapshot) -> Iterator[tuple[float, str, str]]:
    widths = {one.name: len(one.edges) + 1 for one in _features(spec) if one.edges}
    singles = [((name, bucket),) for name, width in widths.items() for bucket in range(width)]
    pairs = [
        ((one, first), (other, second))
        for one, other in spec.crosses
        for first in range(widths[one])
        for second in range(widths[other])
    ]
    for weight, cell in zip(snapshot.cells, [*singles, *pairs], strict=True):
        yield weight, " and ".join(_bucket(spec, name, bucket) for name, bucket in cell), "such customer"


def _bucket(spec: Spec, name: str, bucket: int) -> str:
    """The words of a feature with the values of one of its buckets."""
    feature = next(one for one in _features(spec) if one.name == name)
    if not feature.words:  # of use to operators alone, such as the number of a hazard's bin
        return f"{_called(name)} {_values(feature, bucket)}"
    if _PLACE in feature.words:
        return feature.words.replace(_PLACE, _values(feature, bucket))
    return feature.words if bucket else spec.words_at_zero(name) or f"not: {feature.words}"


def _values(feature: Feature, bucket: int) -> str:
    """The values of a bucket. Of what is counted in ones it may be a single one."""
    unit = 1.0 if isinstance(feature, Ratio) else feature.unit
    share = isinstance(feature, Shrunk) and feature.share
    edges = feature.edges
    said = [f"{edge:.0%}" if share else f"{edge / unit:.3g}" for edge in edges]
    whole = isinstance(feature, Input) and unit == 1
    if bucket == len(said):
        return f"{said[-1]} and more"
    if whole and edges[bucket] == (edges[bucket - 1] if bucket else 0) + 1:
        return said[bucket - 1] if bucket else "0"
    return f"{said[bucket - 1]} to {said[bucket]}" if bucket else f"under {said[0]}"


def _called(name: str) -> str:
    return name.replace("_", " ")


def _features(spec: Spec) -> tuple[Feature, ...]:
    return (*spec.inputs, *spec.shrunk, *spec.ratios)
