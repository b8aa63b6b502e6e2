"""Chances and their log-odds."""

from math import exp, log
from typing import Final

_LEAST: Final = 1e-6
_FARTHEST: Final = 30.0
"""Logits beyond this are 0 or 1 for any purpose."""


def log_odds(share: float) -> float:
    """ln(share / (1 - share)), kept within one millionth of 0 and 1."""
    share = min(max(share, _LEAST), 1 - _LEAST)
    return log(share / (1 - share))


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-logit)."""
    if logit >= 0:
        return 1 / (1 + exp(-min(logit, _FARTHEST)))
    grown = exp(max(logit, -_FARTHEST))
    return grown / (1 + grown)
