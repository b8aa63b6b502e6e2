"""What a head looks at: raw inputs, and the columns that a linear model sees of them.

Inputs are exact: small integers that the fold keeps with a prediction until its label is known. Columns are worked out
of them by this specification alone, the same when learning and when scoring. Its hash names it: a snapshot of another
specification is refused.
"""

from bisect import bisect_right
from functools import cached_property
from math import log1p

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from xxhash import xxh3_64_hexdigest

from pipeline.scoring.odds import log_odds

Inputs = tuple[int | float, ...]
"""Raw inputs of one prediction, in the order of `Spec.inputs`; counts, milliseconds, minor units or codes."""

Shop = dict[str, float]
"""What is learned of a shop as a whole, by name: the priors that a person's own numbers are shrunk to."""


class Input(Struct, frozen=True):
    """A raw input. `edges`, ascending, cut it into buckets: each is a column of its own, the first below `edges[0]`.

    `scaled`: a column of its own as well, log1p(value / unit), scaled by the learner. `words` tell a merchant what it
    is, with `{}` where the value goes, in units; those of a yes or no have none, and hold for yes. `zero` are the words
    where the value is 0, empty where that tells nothing, as it is not known or cannot be yet. None: the same words with
    a 0, of a yes or no nothing.
    """

    name: str
    words: str
    unit: float = 1.0
    edges: tuple[float, ...] = ()
    scaled: bool = True
    zero: str | None = None


class Shrunk(Struct, frozen=True):
    """A person's own average, shrunk to the shop's: `(strength * prior + total) / (strength + count)`.

    `total` and `count` are inputs, `prior` a number of the shop. A share between 0 and 1 enters as its logit, all
    else as its log. Empirical Bayes: Efron and Morris, JASA 1973.
    """

    name: str
    words: str
    total: str
    count: str
    strength: float
    prior: str
    share: bool
    unit: float = 1.0
    edges: tuple[float, ...] = ()


class Ratio(Struct, frozen=True):
    """An input over a shrunk average: how long a silence is by the person's own measure. Enters as its log."""

    name: str
    words: str
    over: str
    under: str
    edges: tuple[float, ...] = ()


class Prior(Struct, frozen=True):
    """A number of the shop: the mean of an input over the examples that have one, or of the label where `of` is empty.

    With `per` it is a rate: the sum of `of` over the sum of `per`, such as orders a visit. `start` holds until examples
    come, and weighs as much as `weight` of them, or as a sum of `per` so large.
    """

    name: str
    of: str
    start: float
    weight: float = 20.0
    per: str = ""


class Columns(Struct, frozen=True, gc=False):
    """`numbers` are to be scaled; `cells` are the columns that are 1, all others of their groups are 0."""

    numbers: list[float]
    cells: list[int]


class Spec(Struct, frozen=True, dict=True):
    """Specification of a head's features. `crosses` are pairs of names whose buckets are crossed.

    `moving` are the inputs that differ between the bins of one silence, or the horizons of one moment; all others, and
    what they add, stay the same. A snapshot that learned from fewer than `least` examples is not scored with: it may
    look good by luck.
    """

    head: str
    version: int
    inputs: tuple[Input, ...]
    shrunk: tuple[Shrunk, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    crosses: tuple[tuple[str, str], ...] = ()
    priors: tuple[Prior, ...] = ()
    moving: tuple[str, ...] = ()
    least: int = 0

    @cached_property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name this specification: all of it that changes what is learned.

        Not the words, nor `least` and `moving`: what was learned stays good when they change.
        """
        bare = replace(
            self,
            inputs=tuple(replace(one, words="", zero=None) for one in self.inputs),
            shrunk=tuple(replace(one, words="") for one in self.shrunk),
            ratios=tuple(replace(one, words="") for one in self.ratios),
            least=0,
        )
        told = {name: getattr(bare, name) for name in bare.__struct_fields__ if name != "moving"}
        return xxh3_64_hexdigest(msgspec.json.encode(told))

    @cached_property
    def places(self) -> dict[str, int]:
        """Place of each input by name."""
        return {one.name: place for place, one in enumerate(self.inputs)}

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Names of the scaled columns, in their order."""
        own = tuple(one.name for one in self.inputs if one.scaled)
        return own + tuple(one.name for one in self.shrunk) + tuple(one.name for one in self.ratios)

    @cached_property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """For each cell the names of the features that it belongs to: one, or the two of a cross."""
        found: list[tuple[str, ...]] = []
        for name, edges in self._bucketed:
            found += [(name,)] * (len(edges) + 1)
        for one, other in self.crosses:
            found += [(one, other)] * ((self._width[one]) * (self._width[other]))
        return tuple(found)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the features: inputs, shrunk averages, ratios."""
        return tuple(one.name for one in self._features)

    @cached_property
    def _features(self) -> tuple[Input | Shrunk | Ratio, ...]:
        return (*self.inputs, *self.shrunk, *self.ratios)

    @cached_property
    def _bucketed(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        return tuple((one.name, one.edges) for one in self._features if one.edges)

    @cached_property
    def _width(self) -> dict[str, int]:
        return {name: len(edges) + 1 for name, edges in self._bucketed}

    def width_of(self, name: str) -> int:
        """Buckets of a feature."""
        return self._width[name]

    @cached_property
    def start(self) -> Shop:
        """The shop's numbers before any example came."""
        return {prior.name: prior.start for prior in self.priors}

    @cached_property
    def _plan(self) -> "_Plan":
        place, first, at = self.places, {}, 0
        for name, edges in self._bucketed:
            first[name] = at
            at += len(edges) + 1
        crosses = []
        for one, other in self.crosses:
            crosses.append((one, other, first[one], first[other], self._width[other], at))
            at += self._width[one] * self._width[other]
        return _Plan(
            tuple((place[one.name], 1 / one.unit) for one in self.inputs if one.scaled),
            tuple((place[one.name], one.edges, first[one.name], one.name) for one in self.inputs if one.edges),
            tuple(
                (place[one.total], place[one.count], one.strength, one.prior, one.share, 1 / one.unit, one)
                for one in self.shrunk
            ),
            tuple((place[one.over], one.under, one) for one in self.ratios),
            first,
            tuple(crosses),
        )

    def columns(self, inputs: Inputs, shop: Shop) -> Columns:
        """The columns of some inputs."""
        plan = self._plan
        numbers = [log1p(inputs[place] * per) for place, per in plan.scaled]
        cells: list[int] = []
        buckets: dict[str, int] = {}
        for place, edges, first, name in plan.bucketed:
            bucket = first + bisect_right(edges, inputs[place])
            cells.append(bucket)
            buckets[name] = bucket
        means: dict[str, float] = {}
        for total, count, strength, prior, share, per, one in plan.shrunk:
            mean = (strength * shop[prior] + inputs[total]) / (strength + inputs[count])
            means[one.name] = mean
            numbers.append(log_odds(mean) if share else log1p(mean * per))
            if one.edges:
                buckets[one.name] = bucket = plan.first[one.name] + bisect_right(one.edges, mean)
                cells.append(bucket)
        for over, under, ratio in plan.ratios:
            value = inputs[over] / means[under] if means[under] > 0 else 0.0
            numbers.append(log1p(value))
            if ratio.edges:
                buckets[ratio.name] = bucket = plan.first[ratio.name] + bisect_right(ratio.edges, value)
                cells.append(bucket)
        for one_name, other_name, first_one, first_other, width, at in plan.crosses:
            cells.append(at + (buckets[one_name] - first_one) * width + buckets[other_name] - first_other)
        return Columns(numbers, cells)

    def value_of(self, name: str, inputs: Inputs, shop: Shop) -> float:
        """The value of a feature, in its unit."""
        feature = self._by_name[name]
        if isinstance(feature, Input):
            return inputs[self.places[name]] / feature.unit
        if isinstance(feature, Shrunk):
            return self._mean_of(feature, inputs, shop) / feature.unit
        under = self._by_name[feature.under]
        mean = self._mean_of(under, inputs, shop) if isinstance(under, Shrunk) else 0.0
        return inputs[self.places[feature.over]] / mean if mean > 0 else 0.0

    def words_of(self, name: str) -> str:
        """What a feature is called before a merchant."""
        return self._by_name[name].words

    def words_at_zero(self, name: str) -> str:
        """What it is called where its value is 0; empty where that is not told."""
        feature = self._by_name[name]
        if isinstance(feature, Input) and feature.zero is not None:
            return feature.zero
        return feature.words if "{}" in feature.words else ""

    @cached_property
    def _by_name(self) -> dict[str, Input | Shrunk | Ratio]:
        return {one.name: one for one in self._features}

    def _mean_of(self, shrunk: Shrunk, inputs: Inputs, shop: Shop) -> float:
        total, count = inputs[self.places[shrunk.total]], inputs[self.places[shrunk.count]]
        return (shrunk.strength * shop[shrunk.prior] + total) / (shrunk.strength + count)


class _Plan(Struct, frozen=True, gc=False):
    """A specification laid out for speed: places instead of names."""

    scaled: tuple[tuple[int, float], ...]
    bucketed: tuple[tuple[int, tuple[float, ...], int, str], ...]
    shrunk: tuple[tuple[int, int, float, str, bool, float, Shrunk], ...]
    ratios: tuple[tuple[int, str, Ratio], ...]
    first: dict[str, int]
    crosses: tuple[tuple[str, str, int, int, int, int], ...]
