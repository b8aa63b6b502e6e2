"""What a backtest says: figures, the anchors of the same run beside them, and gates with their intervals."""

from typing import Any

import msgspec
from msgspec import Struct


class Gate(Struct, frozen=True):
    """A condition on a figure, which `low` and `high` bound at 95 % (bootstrap).

    `missed_by` is how far what it is judged by, the figure or a bound, is on the wrong side of the limit; None where it
    is met.
    """

    name: str
    value: float
    limit: float
    met: bool
    low: float | None = None
    high: float | None = None
    missed_by: float | None = None


def at_least(name: str, value: float, limit: float, low: float | None = None, high: float | None = None) -> Gate:
    """Met by a figure that is not under the limit, whatever its interval."""
    met = value >= limit
    return Gate(name, value, limit, met, low, high, None if met else limit - value)


def at_most(name: str, value: float, limit: float, low: float | None = None, high: float | None = None) -> Gate:
    """Met by a figure that is not over the limit, whatever its interval."""
    met = value <= limit
    return Gate(name, value, limit, met, low, high, None if met else value - limit)


def surely_above(name: str, value: float, limit: float, low: float, high: float) -> Gate:
    """Met where all of the interval is above the limit."""
    met = low > limit
    return Gate(name, value, limit, met, low, high, None if met else limit - low)


def surely_below(name: str, value: float, limit: float, low: float, high: float) -> Gate:
    """Met where all of the interval is below the limit."""
    met = high < limit
    return Gate(name, value, limit, met, low, high, None if met else high - limit)


class Result(Struct, frozen=True):
    """A backtest. `skipped` counts unusable lines by reason; `metrics` and `anchors` go by name."""

    backtest: str
    rows: int
    seconds: float
    skipped: dict[str, int]
    metrics: dict[str, Any]
    anchors: dict[str, Any]
    gates: list[Gate]


def to_json(result: Result) -> bytes:
    """As JSON, the metrics beside the rest; what is not a number is null."""
    fields = {**result.metrics, "anchors": result.anchors, "gates": result.gates}
    head = {
        "backtest": result.backtest,
        "rows": result.rows,
        "seconds": round(result.seconds, 2),
        "skipped": result.skipped,
    }
    return msgspec.json.format(msgspec.json.encode({**head, **fields}), indent=2)
