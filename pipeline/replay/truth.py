"""Writes the hidden truth of a simulated shop beside its history, as JSON lines."""

from itertools import islice
from pathlib import Path

import msgspec

from pipeline.config.errors import UserError
from pipeline.simulator.parameters import SimulatedShop
from pipeline.simulator.shop import simulate
from pipeline.simulator.truth import CadenceTruth, CartTruth, SessionTruth, Truth


def write_truth(shop: SimulatedShop, file: Path, *, limit: int | None = None, shift_ms: int = 0) -> int:
    """Write a line for each visit, cart and customer's order that is written by the `limit`-th event; returns how many.

    Times are moved by `shift_ms`, as those of the events are. Raises UserError where the file cannot be written.
    """
    lines = 0
    encode = msgspec.json.Encoder().encode
    try:
        with file.open("wb") as out:

            def write(truth: Truth) -> None:
                nonlocal lines
                out.write(encode(_shifted(truth, shift_ms)) + b"\n")
                lines += 1

            for _ in islice(simulate(shop, write), limit):
                pass
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror or error}") from error
    return lines


def _shifted(truth: Truth, by_ms: int) -> Truth:
    match truth:
        case SessionTruth():
            return msgspec.structs.replace(truth, at_ms=truth.at_ms + by_ms)
        case CartTruth():
            return msgspec.structs.replace(
                truth,
                opened_at_ms=truth.opened_at_ms + by_ms,
                touched_at_ms=truth.touched_at_ms + by_ms,
                left_at_ms=truth.left_at_ms + by_ms,
                returns_at_ms=_moved(truth.returns_at_ms, by_ms),
                orders_at_ms=_moved(truth.orders_at_ms, by_ms),
            )
        case CadenceTruth():
            return msgspec.structs.replace(truth, ordered_at_ms=truth.ordered_at_ms + by_ms)


def _moved(at_ms: int | None, by_ms: int) -> int | None:
    return None if at_ms is None else at_ms + by_ms
