"""Money, lists, times and lengths of time as people read them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pipeline.config.durations import Millis
from pipeline.log.rows import Line

_NO_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())  # noqa: SIM905
_THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())  # noqa: SIM905
_SHOWN = 3


def money(amount: int, currency: str) -> str:
    """An amount in minor units: "19.99 EUR"."""
    decimals = 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2
    return f"{amount / 10**decimals:.{decimals}f} {currency}".rstrip()


def moment(at: int) -> str:
    """Epoch milliseconds as a date and a time, UTC."""
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def length(millis: int) -> str:
    """A length of time in its two largest units: "1d 4h", "30m 5s"; below a second "0s"."""
    seconds = millis // 1_000
    for size, unit, smaller, name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size}{unit}" + (f" {rest}{name}" if rest else "")
    return str(Millis(seconds * 1_000))


def items(lines: Sequence[Line], currency: str = "") -> str:
    """Lines of a cart or an order: "2 x p123 (19.99 EUR), 1 x p7"."""
    shown = [
        f"{line.quantity} x {line.sku}" + (f" ({money(line.price, currency)})" if line.price >= 0 else "")
        for line in lines[:_SHOWN]
    ]
    if len(lines) > _SHOWN:
        shown.append(f"and {len(lines) - _SHOWN} more")
    return ", ".join(shown) or "nothing"


def joined(parts: Iterable[str]) -> str:
    """What is not empty, one after the other."""
    return " ".join(part for part in parts if part)
