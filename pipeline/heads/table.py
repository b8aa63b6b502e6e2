"""The heads that the engine scores: what each looks at, by name."""

from pipeline.heads import cart, count, intent, reorder
from pipeline.scoring.features import Spec

SPECS: dict[str, Spec] = {head.SPEC.head: head.SPEC for head in (intent, cart, reorder, count)}
"""By name, as in the examples and the snapshots. A snapshot of another specification is refused."""
