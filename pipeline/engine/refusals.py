"""An event that the engine refused, as a record of rejects: where it came from, not what it said.

The engine sees events in compact form; the bytes as published stay in the source topic, at the offset given here.
"""

from pipeline.config.namespace import Namespace
from pipeline.log.rejects import Reject, RejectReason
from pipeline.log.rows import Row
from pipeline.triggers.contract import ENGINE_VERSION


def refusal(row: Row, reason: RejectReason, detail: str, namespace: Namespace | None) -> Reject:
    """Describe a refused row. Without the namespace's record the source is named by its number."""
    topic, partition = f"source-{row.source}", 0
    if namespace is not None and row.source < len(namespace.sources):
        topic, partition = namespace.sources[row.source].topic, namespace.sources[row.source].partition
    return Reject(
        reason=reason,
        detail=detail,
        topic=topic,
        partition=partition,
        offset=row.offset,
        timestamp=row.ts,
        size=0,
        refused_by=f"engine {ENGINE_VERSION}",
        truncated=True,
    )
