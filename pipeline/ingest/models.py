"""The models topic: the snapshot that each head is to be scored with, as rows for every partition of the log."""

from pipeline.log.frames import MAX_FRAME_BYTES
from pipeline.log.rejects import RefusedError, RejectReason
from pipeline.log.rows import ModelRow
from pipeline.scoring.snapshot import SnapshotError, decode_snapshot

MAX_SNAPSHOT_BYTES = MAX_FRAME_BYTES - 1024
"""The rest of a frame holds what the row says beside the snapshot."""


def route_model(key: bytes | None, value: bytes | None) -> ModelRow:
    """Read a record that is for the log. Raises RefusedError where it is not a snapshot of the head that its key names.

    Whether the snapshot is good enough to score with is for the engine to say, by the features that it knows.
    """
    if not value:
        raise RefusedError(RejectReason.EMPTY, "a record without a value")
    if len(value) > MAX_SNAPSHOT_BYTES:
        raise RefusedError(RejectReason.TOO_LARGE, f"{len(value)} bytes, at most {MAX_SNAPSHOT_BYTES}")
    try:
        snapshot = decode_snapshot(value)
    except SnapshotError as error:
        raise RefusedError(RejectReason.INVALID, str(error)) from None
    if key is None or snapshot.head.encode() != key:
        raise RefusedError(RejectReason.INVALID, "a snapshot of another head than its key names")
    return ModelRow(snapshot.head, snapshot.version, value)
