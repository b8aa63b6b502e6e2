"""What a backtest says: figures, the anchors of the same run beside them, and gates with their intervals."""

from typing import Any

import msgspec
from msgspec import Struct


class Gate(Struct, frozen=True):
    """A condition on a figure. `low` and `high` bound it at 95 % (bootstrap) where it is judged by its interval."""

    name: str
    value: float
    limit: float
    met: bool
    low: float | None = None
    high: float | None = None


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
