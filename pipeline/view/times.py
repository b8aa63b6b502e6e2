"""Times as readers of a profile get them."""

from datetime import UTC, datetime


def moment(at: int) -> datetime:
    """Epoch milliseconds as a time in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)
