"""Figures and gates, one JSON object a line on standard output; what is going on, on standard error."""

import json
import sys

LIMITS = {
    "ingest": ("ingest.skewed.cpu", "<=", 7.0),
    "engine_skewed": ("engine.skewed.cpu", "<=", 15.0),
    "engine_uniform": ("engine.uniform.cpu", "<=", 35.0),
    "both_hops_vs_naive_faust": ("both_hops_vs_naive_faust", ">=", 10.0),
    "order_p99": ("event_to_decision.p99", "<=", 100.0),
    "personalization_p99": ("event_to_personalization.p99", "<=", 100.0),
    "redis_p99": ("event_to_redis.p99", "<=", 150.0),
    "customer_bytes": ("customer_bytes.simulated.p50", "<=", 500.0),
    "heads": ("heads.all", "<=", 5.0),
    "learner_intent": ("learner.intent.rate", ">=", 20_000.0),
    "learner_cart": ("learner.cart.rate", ">=", 20_000.0),
    "learner_reorder": ("learner.reorder.rate", ">=", 20_000.0),
    "learner_count": ("learner.count.rate", ">=", 20_000.0),
    "next_item_p50": ("next_item.query.p50", "<=", 40.0),
    "next_item_p99": ("next_item.query.p99", "<=", 1_000.0),
    "restore": ("restore.uniform.rows", ">=", 50_000.0),
}
"""Gate: figure, direction, limit."""

_figures: dict[str, float] = {}


def figure(name: str, value: float, unit: str) -> None:
    """Print a figure, and remember it for the gates."""
    _figures[name] = value
    print(json.dumps({"name": name, "value": _rounded(value), "unit": unit}), flush=True)


def known(name: str) -> float | None:
    """A figure of this run."""
    return _figures.get(name)


def gates() -> None:
    """Print the gates whose figure was taken."""
    for gate, (name, direction, limit) in LIMITS.items():
        value = _figures.get(name)
        if value is not None:
            met = value <= limit if direction == "<=" else value >= limit
            line = {"name": f"gate.{gate}", "value": _rounded(value), "limit": limit, "met": met}
            print(json.dumps(line), flush=True)


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)


def _rounded(value: float) -> float:
    return round(value) if abs(value) >= 1000 else float(f"{value:.3g}")
