"""The heads that are learned: for each its features, and how they are learned."""

from pipeline.heads import cart, count, intent, reorder
from pipeline.learning.count import CountSpec
from pipeline.learning.head_spec import HeadSpec

HEADS = {
    "intent": HeadSpec(intent.SPEC),
    "cart": HeadSpec(cart.SPEC, base="bin"),
    "reorder": HeadSpec(reorder.SPEC, base="bin"),
}
"""By name, as in the examples and the snapshots."""

COUNTS = {
    "count": CountSpec(count.SPEC, "horizon", (0.05, 0.15, 0.3, 0.6), {"repeats": 1.0, "silence": -1 / 3}),
}
"""Heads that count, by name; what is believed first is the formula that ranks customers without any data."""
