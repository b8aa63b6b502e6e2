"""A reason of a score, as a merchant reads it."""

from msgspec import Struct


class Factor(Struct, frozen=True, gc=False):
    """What one feature adds to a score's logit, in words that a merchant reads."""

    feature: str
    words: str
    logit: float
