"""From the published figures to the chances of one visit, such that all figures hold at once."""

from typing import NamedTuple

from pipeline.config.errors import UserError
from pipeline.simulator.parameters import Figures, Habits


class Rates(NamedTuple):
    """The chances of one visit. By device, in the order of DEVICES, where a tuple."""

    carts: float
    """A first visit, one that does not come back for a cart, opens a cart."""
    mobile_cart: float
    """A first visit that opens a cart is mobile."""
    mobile_browsing: float
    """A first visit that opens none is mobile."""
    bought: tuple[float, float]
    """A cart is bought online, now or later."""
    search_buying: float
    """A visit with an order has a search."""
    search_other: float
    """A visit without an order has a search."""


def solve(figures: Figures, habits: Habits) -> Rates:
    """Work out the chances of one visit.

    Per visit of any kind, with c = conversion and q = the share of orders placed in a later visit:

    - first visits are `1 - q c` of all visits, and those of a device `visits_d - q c orders_d`, because whoever
      comes back for a cart does so on the same device;
    - a device has `c orders_d` orders, hence `c orders_d / (1 - abandonment_d)` carts, all opened in first visits;
    - searches: `search_visits = c search_orders + (1 - c) search_other`.

    Raises UserError where no chances meet the figures.
    """
    c, q = figures.conversion, habits.bought_later
    visits = (1 - figures.mobile_visits, figures.mobile_visits)
    orders = (1 - figures.mobile_orders, figures.mobile_orders)
    bought = (1 - figures.abandonment_desktop, 1 - figures.abandonment_mobile)
    first = [v - q * c * o for v, o in zip(visits, orders, strict=True)]
    cart = [_ratio(c * o, b) for o, b in zip(orders, bought, strict=True)]
    browsing = [f - k for f, k in zip(first, cart, strict=True)]
    rates = Rates(
        carts=_ratio(sum(cart), sum(first)),
        mobile_cart=_ratio(cart[1], sum(cart)),
        mobile_browsing=_ratio(browsing[1], sum(browsing)),
        bought=bought,
        search_buying=figures.search_orders,
        search_other=_ratio(figures.search_visits - c * figures.search_orders, 1 - c),
    )
    for name, value in zip(Rates._fields, rates, strict=True):
        if not all(0 <= chance <= 1 for chance in (value if isinstance(value, tuple) else (value,))):
            raise UserError(f"no shop has these figures: {name} would have to be {value}")
    return rates


def expected_first_visits(sessions: int, figures: Figures, habits: Habits) -> int:
    """How many of `sessions` visits do not come back for a cart."""
    return round(sessions * (1 - habits.bought_later * figures.conversion))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
