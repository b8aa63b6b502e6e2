"""The learner's own state as stored: arrays and numbers, so that it resumes exactly and outlives River's versions."""

import msgspec
from msgspec import Struct

FORMAT = 1


class StateError(Exception):
    """A stored state that cannot be gone on from."""


class Expert(Struct, frozen=True):
    """One model of the mixture: its weights by column, and AdaGrad's sums of squared gradients."""

    weights: dict[int, float]
    g2: dict[int, float]


class State(Struct, frozen=True):
    """A head's learner between two examples.

    `bases`: weight of the positive labels and of all, of the head and then of each bucket of its base rate. `window`
    holds rows of (logit, chance, label, weight, base rate) as 64-bit floats.
    """

    format: int
    head: str
    spec: str
    version: int
    trained: int
    refused: int
    experts: list[Expert]
    counts: list[int]
    means: list[float]
    variances: list[float]
    losses: list[float]
    bases: list[tuple[float, float]]
    calibration: tuple[float, float]
    priors: dict[str, list[tuple[float, float]]]
    window: bytes
    drift: tuple[bytes, bytes]
    flagged_until: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def encode_state(state: State) -> bytes:
    """Encode as MessagePack."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> State:
    """Decode. Raises StateError."""
    try:
        state = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise StateError(f"a record is not the state of a learner: {error}") from error
    if state.format != FORMAT:
        raise StateError(f"a learner's state of format {state.format}, this version reads {FORMAT}")
    return state
