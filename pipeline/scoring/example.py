"""What the engine hands over for learning: a prediction as it was made, with what came of it."""

from collections.abc import Callable
from math import isfinite

import msgspec
from msgspec import Struct

from pipeline.scoring.features import Inputs, Spec

FORMAT = 1

_HEAVIEST = 1e3
"""An example that stands for more than so many is a mistake."""


class Example(Struct, frozen=True, array_like=True, gc=False):
    """One prediction and its label.

    `id` names the prediction, without the person; `bin` is the hazard's bin, 0 for a head without bins. `made_at` is
    when it was made, `at` when its label could be known, epoch milliseconds of the log. `label` is 1 or 0, of a head
    that counts the count. `weight` is one over the chance that this example was kept, or over the propensity of what
    was done. `served` is what was said of it then, as the log-odds of the calibrated probability, None where nothing
    was; `version` that of the snapshot.
    """

    format: int
    head: str
    site: str
    id: str
    bin: int
    made_at: int
    at: int
    spec: str
    inputs: Inputs
    label: int
    weight: float = 1.0
    served: float | None = None
    version: int = 0


def learnable(example: Example, spec: Spec) -> bool:
    """Whether an example is of these features, all of them numbers, and of a weight that can be."""
    return (
        example.spec == spec.hash
        and len(example.inputs) == len(spec.inputs)
        and all(map(isfinite, example.inputs))
        and 0 < example.weight < _HEAVIEST
    )


_decoder = msgspec.msgpack.Decoder(Example)


encode_example: Callable[[Example], bytes] = msgspec.msgpack.Encoder().encode
"""An example as MessagePack."""


class ExampleError(Exception):
    """A record of the examples that cannot be read."""


def decode_example(data: bytes) -> Example:
    """Decode. Raises ExampleError."""
    try:
        example = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise ExampleError(f"a record is not an example: {error}") from error
    if example.format != FORMAT:
        raise ExampleError(f"an example of format {example.format}, this version reads {FORMAT}")
    return example
