"""Which version of a head is served: the newest, the one that an operator pinned, or the last that was better. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from pipeline.scoring.snapshot import Quality

PATIENCE = 1_000
"""Examples over which the loss may stay above that of the base rate, before the last better version is served again.

A version that is gone back to was better over as many: fewer do not prove the newest worse, nor another one better.
"""


class Standing(Struct, frozen=True):
    """How a head does. `poor`: examples since its loss rose above the base rate's; `back`: the version gone back to."""

    poor: int = 0
    back: int = 0


def is_better(quality: Quality) -> bool:
    """Whether it loses no more than the base rate alone would."""
    return quality.loss <= quality.base_loss


def judged(standing: Standing, learned: int, newest: Quality, accepted: Mapping[int, Quality]) -> Standing:
    """The standing with a new snapshot of `learned` more examples.

    `accepted` are those before it that a worker would score with. With the first snapshot that is better than the base
    rate again, the newest is served again: what was gone back to is given up then, however well it did in its time.
    """
    if is_better(newest):
        return Standing()
    poor = standing.poor + learned
    if poor < PATIENCE:
        return Standing(poor)
    return Standing(poor, standing.back if _proven(accepted.get(standing.back)) else last_better(accepted))


def last_better(accepted: Mapping[int, Quality]) -> int:
    """The newest of these versions that is better than the base rate over PATIENCE examples; 0 for none."""
    return max((version for version, quality in accepted.items() if _proven(quality)), default=0)


def _proven(quality: Quality | None) -> bool:
    return quality is not None and quality.examples >= PATIENCE and is_better(quality)


def to_serve(standing: Standing, newest: int, pin: int) -> int:
    """The version that is to be served; 0 for none."""
    return pin or standing.back or newest
