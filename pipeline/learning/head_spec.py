"""What a head is to the learner: its features, and how they are learned."""

from msgspec import Struct

from pipeline.scoring.features import Spec


class HeadSpec(Struct, frozen=True):
    """A head: its features, and the learning rates that are mixed.

    `base` names an input with edges, such as the bin of a hazard: each of its buckets has a base rate of its own, and
    the models learn only what goes beyond it. Else there is one base rate.
    """

    spec: Spec
    rates: tuple[float, ...] = (0.1, 0.03)
    l2: float = 0.0
    base: str = ""
