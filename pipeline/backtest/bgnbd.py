"""BG/NBD, the field's usual model of who buys again, as an anchor for the backtests.

Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005). Purchases come at a rate
that is gamma distributed over customers; after each the customer leaves with a chance that is beta distributed.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

from pipeline.learning.quality import Floats

Parameters = tuple[float, float, float, float]
"""`r` and `alpha` of the gamma, `a` and `b` of the beta distribution."""

_RIDGE = 1e-3
"""Holds the logs of the parameters near 0 where few customers tell little."""


def fit(repeats: Floats, last: Floats, age: Floats) -> Parameters:
    """Maximum likelihood.

    `repeats` counts purchases after the first; `last` is when the last was and `age` is now, in weeks since the first.
    """
    alike, number = np.unique(np.column_stack([repeats, last, age]), axis=0, return_counts=True)

    def loss(logs: Floats) -> float:
        likelihoods = _log_likelihood(np.exp(logs), alike[:, 0], alike[:, 1], alike[:, 2])
        return -float(np.average(likelihoods, weights=number)) + _RIDGE * float(logs @ logs)

    found = minimize(loss, np.zeros(4), method="Nelder-Mead", options={"maxiter": 2_000, "xatol": 1e-4, "fatol": 1e-7})
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    return r, alpha, a, b


def expected(parameters: Parameters, repeats: Floats, last: Floats, age: Floats, weeks: float) -> Floats:
    """Purchases to be expected of each customer in the next `weeks`."""
    r, alpha, a, b = parameters
    ratio = ((alpha + age) / (alpha + age + weeks)) ** (r + repeats)
    series = hyp2f1(r + repeats, b + repeats, a + b + repeats - 1, weeks / (alpha + age + weeks))
    counts: Floats = (a + b + repeats - 1) / (a - 1) * (1 - ratio * series) * alive(parameters, repeats, last, age)
    return counts


def alive(parameters: Parameters, repeats: Floats, last: Floats, age: Floats) -> Floats:
    """The chance that a customer has not left."""
    r, alpha, a, b = parameters
    odds = a / (b + np.maximum(repeats, 1) - 1) * ((alpha + age) / (alpha + last)) ** (r + repeats)
    chance: Floats = np.where(repeats > 0, 1 / (1 + odds), 1.0)
    return chance


def _log_likelihood(parameters: Floats, repeats: Floats, last: Floats, age: Floats) -> Floats:
    r, alpha, a, b = parameters
    some = np.maximum(repeats, 1)
    rate = gammaln(r + repeats) - gammaln(r) + r * np.log(alpha)
    stays = betaln(a, b + repeats) - betaln(a, b) - (r + repeats) * np.log(alpha + age)
    left = betaln(a + 1, b + some - 1) - betaln(a, b) - (r + repeats) * np.log(alpha + last)
    found: Floats = rate + np.where(repeats > 0, np.logaddexp(stays, left), stays)
    return found
