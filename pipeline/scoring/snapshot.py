"""A snapshot of a head: all that scoring needs of what was learned, as plain arrays. Never a pickle."""

from math import isfinite

import msgspec
from msgspec import Struct

from pipeline.scoring.features import Shop, Spec

FORMAT = 1

_LARGEST = 1e12
"""Nothing that is learned comes near it, and no product of two such numbers leaves what a float can hold."""

ANY_SITE = ""
"""Stands for every site that has too few examples of its own."""


class Quality(Struct, frozen=True):
    """How well a head does on its last examples, each predicted before it was learned.

    `loss` is the mean log-loss in nats of what was said, `base_loss` that of saying the base rate known by then. `auc`
    and `ece` (expected calibration error, ten bins of equal mass) are None while there are too few examples of both
    labels.
    """

    examples: int = 0
    loss: float = 0.0
    base_loss: float = 0.0
    auc: float | None = None
    ece: float | None = None
    drifting: bool = False


class Snapshot(Struct, frozen=True):
    """What was learned of a head.

    `weights` go with `means` and `scales` (1 over the standard deviation) of the scaled columns, `cells` with the
    columns that are 0 or 1; both in the order of the specification. `calibration` is `(slope, shift)` of Platt's
    sigmoid over the logit. `shops` has the numbers of each site.
    """

    format: int
    head: str
    version: int
    spec: str
    trained: int
    at: int
    intercept: float
    weights: list[float]
    means: list[float]
    scales: list[float]
    cells: list[float]
    calibration: tuple[float, float]
    shops: dict[str, Shop]
    quality: Quality = Quality()


class SnapshotError(Exception):
    """A snapshot that must not be scored with; `reason` is one of a few words, fit for a metric's label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Encode as MessagePack."""
    return _encoder.encode(snapshot)


def decode_snapshot(data: bytes) -> Snapshot:
    """Decode. Raises SnapshotError with the reason `unreadable` or `format`."""
    try:
        snapshot = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise SnapshotError("unreadable", f"a record is not a snapshot: {error}") from error
    if snapshot.format != FORMAT:
        raise SnapshotError("format", f"a snapshot of format {snapshot.format}, this version reads {FORMAT}")
    return snapshot


def check(snapshot: Snapshot, spec: Spec) -> None:
    """Raises SnapshotError where a head must not score with it: `spec`, `shape`, `not_finite`, `few` or `loss`."""
    if snapshot.spec != spec.hash:
        raise SnapshotError("spec", f"{snapshot.head} {snapshot.version} was learned on other features")
    widths = len(snapshot.weights), len(snapshot.means), len(snapshot.scales), len(snapshot.cells)
    if widths != (*[len(spec.numbers)] * 3, len(spec.cells)):
        raise SnapshotError("shape", f"{snapshot.head} {snapshot.version} has {widths} columns")
    quality = snapshot.quality
    numbers = [
        snapshot.intercept,
        *snapshot.weights,
        *snapshot.means,
        *snapshot.scales,
        *snapshot.cells,
        *snapshot.calibration,
        *[value for shop in snapshot.shops.values() for value in shop.values()],
        quality.loss,
        quality.base_loss,
        *[share for share in (quality.auc, quality.ece) if share is not None],
    ]
    if not all(map(isfinite, numbers)):
        raise SnapshotError("not_finite", f"{snapshot.head} {snapshot.version} holds what is not a number")
    if max(map(abs, numbers)) > _LARGEST:
        raise SnapshotError("not_finite", f"{snapshot.head} {snapshot.version} holds a number beyond {_LARGEST:.0e}")
    if any(prior.name not in shop for shop in snapshot.shops.values() for prior in spec.priors):
        raise SnapshotError("shape", f"{snapshot.head} {snapshot.version} lacks a number of a shop")
    if spec.priors and ANY_SITE not in snapshot.shops:
        raise SnapshotError("shape", f"{snapshot.head} {snapshot.version} has no numbers for new sites")
    if snapshot.trained < spec.least:
        message = f"learned from {snapshot.trained:,} examples, at least {spec.least:,} are needed"
        raise SnapshotError("few", f"{snapshot.head} {snapshot.version} {message}")
    if quality.loss > quality.base_loss:
        message = f"has a loss of {quality.loss:.4f}, the base rate {quality.base_loss:.4f}"
        raise SnapshotError("loss", f"{snapshot.head} {snapshot.version} {message}")
