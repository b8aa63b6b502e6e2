"""A prediction whose label is known: what every head hands over once the log has passed the end of its bin."""

from msgspec import Struct
from msgspec.structs import astuple

from pipeline.scoring.example import FORMAT, Example
from pipeline.scoring.features import Inputs


class Labelled(Struct, frozen=True, array_like=True, gc=False):
    """A prediction as it was made, and what came of it.

    `id` names the prediction, without the person; `bin` is the hazard's bin, 0 for a head without bins. `made_at` is
    when it was made, `at` when its label could be known, epoch milliseconds of the log. `label` is 1 or 0, of a head
    that counts the count. `weight` is one over the chance that it was kept. `served` is what was said of it, as
    the log-odds of the calibrated probability, None where nothing was; `version` that of the snapshot, 0 for none.
    """

    id: str
    bin: int
    made_at: int
    at: int
    inputs: Inputs
    label: int
    weight: int | float = 1
    served: float | None = None
    version: int = 0


def example_of(labelled: Labelled, head: str, site: str, spec_hash: str) -> Example:
    """What the learner of a head is given; `spec_hash` names the specification of the inputs."""
    name, number, made_at, at, inputs, label, weight, served, version = astuple(labelled)
    return Example(FORMAT, head, site, name, number, made_at, at, spec_hash, inputs, label, weight, served, version)
