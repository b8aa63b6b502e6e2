"""What the cart hazard is held against: the constant of each bin, a table, and River without what this head adds.

Each says a chance for the inputs of the cart head, and learns labels when the head may.
"""

from bisect import bisect_right
from math import log1p
from typing import Protocol

from river import compose, linear_model, optim, preprocessing

from pipeline.heads.cart import SPEC
from pipeline.scoring.features import Inputs
from pipeline.scoring.hazard import HOUR, MINUTE

_IDLE = (MINUTE, 10 * MINUTE, HOUR)
_MOST_ORDERS = 3
_STRENGTH = 10.0
"""Examples that the constant of a bin counts for in a cell of the table."""


class Anchor(Protocol):
    """A way to say how likely an order in the next bin is."""

    def chance(self, inputs: Inputs) -> float:
        """Chance of a label 1."""

    def learn(self, inputs: Inputs, label: int) -> None:
        """Take a label that is known now."""


class ConstantABin:
    """The share of the labels 1 in the bin so far; one half before there are any."""

    def __init__(self) -> None:
        self._counts: dict[float, tuple[float, float]] = {}

    def chance(self, inputs: Inputs) -> float:
        """Chance of a label 1."""
        hits, count = self._counts.get(inputs[0], (0.5, 1.0))
        return hits / count

    def learn(self, inputs: Inputs, label: int) -> None:
        """Take a label."""
        hits, count = self._counts.get(inputs[0], (0.5, 1.0))
        self._counts[inputs[0]] = hits + label, count + 1


class Table:
    """The share of the labels 1 by bin, time since the last event and orders so far, shrunk to that of the bin."""

    def __init__(self) -> None:
        self._bins = ConstantABin()
        self._cells: dict[tuple[float, int, int], tuple[int, int]] = {}
        self._idle, self._orders = SPEC.places["idle"], SPEC.places["orders"]

    def chance(self, inputs: Inputs) -> float:
        """Chance of a label 1."""
        hits, count = self._cells.get(self._cell(inputs), (0, 0))
        return (hits + _STRENGTH * self._bins.chance(inputs)) / (count + _STRENGTH)

    def learn(self, inputs: Inputs, label: int) -> None:
        """Take a label."""
        self._bins.learn(inputs, label)
        cell = self._cell(inputs)
        hits, count = self._cells.get(cell, (0, 0))
        self._cells[cell] = hits + label, count + 1

    def _cell(self, inputs: Inputs) -> tuple[float, int, int]:
        orders = min(int(inputs[self._orders]), _MOST_ORDERS)
        return inputs[0], bisect_right(_IDLE, inputs[self._idle]), orders


class Pooled:
    """River's logistic regression on scaled counts and times, the bin as columns: one model."""

    def __init__(self) -> None:
        self._model = _plain()

    def chance(self, inputs: Inputs) -> float:
        """Chance of a label 1."""
        return float(self._model.predict_proba_one(_row(inputs))[True])

    def learn(self, inputs: Inputs, label: int) -> None:
        """Take a label."""
        self._model.learn_one(_row(inputs), bool(label))


class ModelABin:
    """The same regression, one a bin."""

    def __init__(self) -> None:
        self._models: dict[float, Pooled] = {}

    def chance(self, inputs: Inputs) -> float:
        """Chance of a label 1."""
        return self._models.setdefault(inputs[0], Pooled()).chance(inputs)

    def learn(self, inputs: Inputs, label: int) -> None:
        """Take a label."""
        self._models.setdefault(inputs[0], Pooled()).learn(inputs, label)


def _plain() -> compose.Pipeline:
    return compose.Pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression(optim.AdaGrad(0.1)))


def _row(inputs: Inputs) -> dict[str, float]:
    row = {one.name: log1p(value / one.unit) for one, value in zip(SPEC.inputs[1:], inputs[1:], strict=True)}
    row[f"bin {inputs[0]}"] = 1.0
    return row
