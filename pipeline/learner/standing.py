"""Which version of a head is served: the newest, the one that an operator pinned, or the last that was better. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from pipeline.scoring.snapshot import Quality

PATIENCE = 1_000
"""Examples over which the loss may stay above that of the base rate, before the last better version is served again."""


class Standing(Struct, frozen=True):
    """How a head does. `poor`: examples since its loss rose above the base rate's; `back`: the version gone back to."""

    poor: int = 0
    back: int = 0


def is_better(quality: Quality) -> bool:
    """Whether it loses no more than the base rate alone would."""
    return quality.loss <= quality.base_loss


def judged(standing: Standing, learned: int, newest: Quality, kept: Mapping[int, Quality]) -> Standing:
    """The standing with a new snapshot of `learned` more examples. `kept` are the versions before it.

    With the first snapshot that is better than the base rate again, the newest is served again.
    """
    if is_better(newest):
        return Standing()
    poor = standing.poor + learned
    if standing.back or poor < PATIENCE:
        return Standing(poor, standing.back)
    return Standing(poor, last_better(kept))


def last_better(kept: Mapping[int, Quality]) -> int:
    """The newest of these versions that is better than the base rate; 0 for none."""
    return max((version for version, quality in kept.items() if is_better(quality)), default=0)


def to_serve(standing: Standing, newest: int, pin: int) -> int:
    """The version that is to be served; 0 for none."""
    return pin or standing.back or newest
