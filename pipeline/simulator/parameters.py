"""What a simulated shop is given: its size and seed, the published figures that it meets, and our own assumptions."""

import re
from typing import NamedTuple

from msgspec import Struct

from pipeline.config.durations import DAY, HOUR, MINUTE
from pipeline.config.errors import UserError
from pipeline.events.envelope import SITE_PATTERN

DEVICES = ("desktop", "mobile")

COMES_BACK_WITHIN = 72 * HOUR
"""A cart that is bought in a later visit is bought within this time after it was last touched, in milliseconds.

So long a left cart holds its owner: nobody opens another one before.
"""

SAME_VISIT = 30 * MINUTE
"""A cart that is bought in the visit which opened it is bought within this time after it was last touched."""

BUSIEST_HOUR = 20


class Figures(NamedTuple):
    """Shares published for online shops; each is a probability."""

    conversion: float = 0.017
    """Orders per visit."""
    abandonment_desktop: float = 0.77
    """Carts that are never bought online, per cart."""
    abandonment_mobile: float = 0.86
    mobile_visits: float = 0.78
    mobile_orders: float = 0.66
    search_visits: float = 0.06
    """Visits with a search."""
    search_orders: float = 0.15
    """Orders of a visit with a search, per order."""


class Habits(NamedTuple):
    """What nobody publishes: our assumptions; each is a probability."""

    bought_later: float = 0.3
    """Online orders placed in a later visit than the one that opened the cart."""
    bought_in_store: float = 0.03
    """Carts left online by a known customer that are bought in the store within three days."""
    known_visits: float = 0.4
    """Visits of customers who are logged in, and carts of such visits; fewer carts where there are few customers."""
    familiar_browser: float = 0.35
    """Anonymous visits of a browser that was here before."""
    bounce: float = 0.45
    """Visits of one page, of those that open no cart."""
    app: float = 0.25
    """Mobile visits in the app."""
    logs_in: float = 0.7
    """Anonymous buyers who open an account at the checkout; the others order as guests."""
    grants_email: float = 0.6
    """Customers who allow marketing by email."""
    allows_profile: float = 0.7
    """Browsers that allow analytics and personalization, and customers who allow personalization in their account."""
    to_taste: float = 0.6
    """Products looked at that are of the category which a person likes best; the others are as popular as they are."""
    newsletter: float = 0.03
    """Visits of a customer who allows email that begin in a newsletter."""
    withdraws: float = 0.004
    """Visits of a customer who allows email that end with a withdrawal."""
    snapshots: float = 0.15
    """Carts after which the shop sends the whole cart as well."""
    empties: float = 0.06
    """Carts that their owners empty before they leave."""
    starts_checkout: float = 0.35
    """Carts not emptied that reach the checkout in the visit which opened them, whatever becomes of them."""


class SimulatedShop(Struct, frozen=True, kw_only=True):
    """A simulated shop. Equal values give equal events, byte for byte.

    New visits start in `[start_ms, start_ms + duration_ms)`, in epoch milliseconds; a visit that comes back for
    a cart may start some 72 h later than that. `sessions` is how many visits there are, within chance.
    """

    seed: int = 1
    site_id: str = "simulated"
    customers: int = 2_000
    start_ms: int = 1_704_067_200_000
    duration_ms: int = 7 * DAY
    sessions: int = 20_000
    figures: Figures = Figures()
    habits: Habits = Habits()

    def __post_init__(self) -> None:
        """Raise UserError for a value that makes no shop."""
        if not re.fullmatch(SITE_PATTERN, self.site_id):
            raise UserError(f"site {self.site_id!r}: use 1 to 32 of a-z, 0-9 and '-'")
        for name in ("seed", "customers", "sessions", "start_ms"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} {getattr(self, name)}: must not be negative")
        if self.duration_ms < 1:
            raise UserError(f"duration {self.duration_ms} ms: must be positive")
