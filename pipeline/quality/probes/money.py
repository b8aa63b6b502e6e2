"""What carts and orders are worth: prices, and the currencies they are in."""

from collections import Counter
from statistics import median

from pipeline.config.policy import SitePolicy
from pipeline.events.cart import RemoveFromCart
from pipeline.quality.finding import Finding, Level, Seen, at_least, at_most, percent, share

_TOPICS = ("shop.carts", "shop.orders")
_CHEAP = 100
"""Minor units. Where the median price is lower, prices are probably in major units."""


class Prices:
    """Of the lines of carts and orders, how many have a price."""

    def __init__(self) -> None:
        self._lines = 0
        self._prices: list[int] = []

    def see(self, seen: Seen) -> None:
        """Count lines; what is taken out needs no price."""
        if seen.topic in _TOPICS and not isinstance(seen.event, RemoveFromCart):
            items = getattr(seen.event, "items", None) or []
            self._lines += len(items)
            self._prices += [item.price for item in items if item.price is not None]

    def judge(self, _policy: SitePolicy) -> Finding:
        """Fails where most lines have none."""
        priced, typical = share(len(self._prices), self._lines), median(self._prices or [0])
        level = Level.NONE if not self._lines else at_least(priced, 0.95, 0.5)
        figure = f"{percent(len(self._prices), self._lines)} of {self._lines:,} lines of carts and orders have a price"
        if self._prices and typical < _CHEAP:
            level = Level.WARN if level is Level.OK else level
            figure += f"; half of them are below {typical + 1:,.0f} minor units"
        return Finding(
            "prices",
            level,
            figure,
            {"lines": self._lines, "priced": priced, "median_minor_units": typical},
            "the value of a cart, its smallest value for a message and its categories' steps go by prices",
            "publish price with each item, in minor units: 11990 for 119.90",
        )


class Currencies:
    """Whether what has prices names a currency, and one that the policy knows."""

    def __init__(self) -> None:
        self._events = 0
        self._named: Counter[str] = Counter()

    def see(self, seen: Seen) -> None:
        """Count carts and orders with prices."""
        currency = getattr(seen.event, "currency", None)
        priced = any(item.price is not None for item in getattr(seen.event, "items", None) or [])
        if seen.topic in _TOPICS and not isinstance(seen.event, RemoveFromCart) and (priced or currency):
            self._events += 1
            if currency:
                self._named[currency] += 1

    def judge(self, policy: SitePolicy) -> Finding:
        """Fails where a currency has no rate: such events are refused."""
        without = self._events - self._named.total()
        lacking = sorted(self._named.keys() - policy.rates.keys() - {policy.currency})
        level = Level.NONE if not self._events else at_most(share(without, self._events), 0.01, 1.0)
        none = f"{percent(without, self._events)} of {self._events:,} carts and orders with prices name none"
        figure = f"{', '.join(sorted(self._named)) or 'no currency'}; {none}"
        if lacking:
            level, figure = Level.FAIL, f"{figure}; the policy has no rate for {', '.join(lacking)}"
        return Finding(
            "currency",
            level,
            figure,
            {"events": self._events, "without": share(without, self._events), "without_rate": len(lacking)},
            "an amount without a currency is taken for the site's own; without a rate for its currency a cart is "
            "refused, and of an order the money does not count",
            "publish currency beside the items, and give a rate for each in the policy",
        )
