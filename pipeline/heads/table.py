"""The heads that the engine scores: what each looks at, by name."""

from pipeline.scoring.features import Spec

SPECS: dict[str, Spec] = {}
"""By name, as in the examples and the snapshots. A snapshot of another specification is refused."""
