"""How good what was served of a head turned out to be: not what the learner would say now, but what was said then.

The two part where labels come late, where an operator has pinned a version, or where a worker refuses the newest.
Held in memory alone: after a restart it is told again once there are enough examples.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from pipeline.learning.quality import auc, calibration_error, log_losses
from pipeline.scoring.example import Example
from pipeline.scoring.snapshot import Quality

WINDOW = 3_000
"""Examples over which it is worked out."""

ENOUGH = 100
"""Examples that something was said of, below which nothing is told but their share."""

_UNSAID = float("nan")


class ServedQuality(NamedTuple):
    """The `share` of the examples that something was said of, and how good that was; None for too few."""

    share: float
    quality: Quality | None


class Served:
    """The last examples of one head."""

    def __init__(self) -> None:
        self._known: ServedQuality | None = None
        self._window: deque[tuple[float, int, float, float]] = deque(maxlen=WINDOW)

    def take(self, example: Example, rate: float) -> None:
        """Take an example whose base rate, as known before it, was `rate`."""
        said = _UNSAID if example.served is None else example.served
        self._window.append((said, example.label, example.weight, rate))
        self._known = None

    def quality(self) -> ServedQuality | None:
        """Over the last examples, each with its weight; None before the first."""
        if self._known is None and self._window:
            self._known = self._worked_out()
        return self._known

    def _worked_out(self) -> ServedQuality:
        rows = np.array(self._window, dtype=np.float64)
        said = rows[~np.isnan(rows[:, 0])]
        share = len(said) / len(rows)
        if len(said) < ENOUGH:
            return ServedQuality(share, None)
        log_odds, labels, weights, rates = said.T
        chances = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
        quality = Quality(
            examples=len(said),
            loss=float(np.average(log_losses(chances, labels), weights=weights)),
            base_loss=float(np.average(log_losses(rates, labels), weights=weights)),
            auc=auc(log_odds, labels),
            ece=calibration_error(chances, labels),
        )
        return ServedQuality(share, quality)
