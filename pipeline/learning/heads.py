"""The heads that are learned: for each its features, and how they are learned."""

from pipeline.heads import cart, intent, reorder
from pipeline.learning.head import HeadSpec

HEADS = {
    "intent": HeadSpec(intent.SPEC),
    "cart": HeadSpec(cart.SPEC, base="bin"),
    "reorder": HeadSpec(reorder.SPEC, base="bin"),
}
"""By name, as in the examples and the snapshots."""
