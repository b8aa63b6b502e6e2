"""Times that stand in a file for `pipeline send` to fill in: "now", and "-5m" for five minutes before."""

from datetime import UTC, datetime
from typing import Any

from pipeline.config.durations import parse_duration

NOW = "now"


def moment_of(written: Any, now: int) -> str | None:
    """The time that "now" or "-5m" means at `now`, epoch milliseconds, as RFC 3339. None where it is neither."""
    if not isinstance(written, str):
        return None
    if written == NOW:
        return _text(now)
    if not written.startswith("-"):
        return None
    try:
        return _text(now - parse_duration(written[1:]))
    except ValueError:
        return None


def _text(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
