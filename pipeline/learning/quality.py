"""How good predictions are: log-loss, AUC, calibration error, and intervals by bootstrap."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

_FLOOR = 1e-6


def log_losses(probabilities: Floats, labels: Floats) -> Floats:
    """Log-loss of each prediction, nats."""
    clipped = np.clip(probabilities, _FLOOR, 1 - _FLOOR)
    return -(labels * np.log(clipped) + (1 - labels) * np.log1p(-clipped))


def auc(scores: Floats, labels: Floats) -> float | None:
    """Area under the ROC curve (Mann-Whitney, ties count half); None where there are no two labels."""
    positive = labels > 0
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        return None
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def pr_auc(scores: Floats, labels: Floats) -> float | None:
    """Average precision; None where there is no positive label."""
    hits = labels.sum()
    if not hits:
        return None
    order = np.argsort(-scores, kind="stable")
    ordered, sorted_scores = labels[order], scores[order]
    last = np.append(sorted_scores[1:] != sorted_scores[:-1], True)  # ties are one step
    found = np.cumsum(ordered)[last]
    precision = found / (np.flatnonzero(last) + 1)
    return float(np.sum(np.diff(np.append(0.0, found)) * precision) / hits)


def calibration_error(probabilities: Floats, labels: Floats, bins: int = 10) -> float | None:
    """Expected calibration error over bins of equal mass; None for fewer examples than ten a bin."""
    if len(labels) < 10 * bins:
        return None
    order = np.argsort(probabilities, kind="stable")
    total = 0.0
    for part in np.array_split(order, bins):
        total += len(part) * abs(float(probabilities[part].mean() - labels[part].mean()))
    return total / len(labels)


def interval(
    groups: NDArray[np.int64], measure: Callable[[NDArray[np.int64]], float | None], rounds: int = 200, seed: int = 7
) -> tuple[float, float]:
    """95 % interval of a measure by bootstrap over groups, such as customers: their rows depend on each other.

    `groups` has the group of each row; `measure` takes the chosen rows, with repetition. Rounds in which it is None
    are left out. Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """
    random = np.random.default_rng(seed)
    _, index = np.unique(groups, return_inverse=True)
    order = np.argsort(index, kind="stable")
    counts = np.bincount(index)
    starts = np.cumsum(counts) - counts
    found: list[float] = []
    for _ in range(rounds):
        drawn = random.integers(0, len(counts), len(counts))
        sizes = counts[drawn]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        value = measure(order[np.repeat(starts[drawn], sizes) + offsets])
        if value is not None:
            found.append(value)
    if not found:
        return float("nan"), float("nan")
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
