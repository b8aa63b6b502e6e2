"""Calibration: Platt's sigmoid over the logits of the last examples, held near the identity while there are few."""

import numpy as np

from pipeline.learning.quality import Floats

_RIDGE = 30.0
"""Weight of the identity, in examples of the highest information."""

_STEPS = 8


def fit(logits: Floats, labels: Floats, weights: Floats) -> tuple[float, float]:
    """`(slope, shift)` such that sigmoid(slope * logit + shift) is the chance of the label, by Newton's method.

    Platt, Advances in Large Margin Classifiers, 1999. A slope that is not above 0 is not a calibration: then the
    identity is kept.
    """
    slope, shift = 1.0, 0.0
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(slope * logits + shift, -30, 30)))
        miss = weights * (chances - labels)
        bend = weights * chances * (1 - chances)
        gradient = np.array([miss @ logits + _RIDGE * (slope - 1), miss.sum() + _RIDGE * shift * 0.25])
        mixed = float(bend @ logits)
        hessian = np.array(
            [[float(bend @ (logits * logits)) + _RIDGE, mixed], [mixed, float(bend.sum()) + _RIDGE * 0.25]]
        )
        step = np.linalg.solve(hessian, gradient)
        slope, shift = slope - float(step[0]), shift - float(step[1])
        if abs(step).max() < 1e-7:
            break
    if not (0 < slope < 10 and abs(shift) < 20):
        return 1.0, 0.0
    return slope, shift
