"""The snapshots that a partition scores with: one a head, checked before it is used, kept until a better one comes."""

from pipeline.heads.table import SPECS
from pipeline.log.rows import ModelRow
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import SnapshotError, decode_snapshot


def scorer_of(row: ModelRow) -> Scorer:
    """A snapshot made ready to score. Raises SnapshotError where this release must not score with it."""
    spec = SPECS.get(row.head)
    if spec is None:
        raise SnapshotError("unknown_head", f"this release has no head {row.head}")
    return Scorer(spec, decode_snapshot(row.body))
