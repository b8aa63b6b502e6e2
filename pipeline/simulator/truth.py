"""What nobody can see in the log of a real shop: whether a visit buys, and what becomes of a cart, and when."""

import math
from enum import StrEnum

from msgspec import Struct

from pipeline.config.durations import HOUR
from pipeline.simulator.parameters import COMES_BACK_WITHIN


class Outcome(StrEnum):
    """What becomes of a cart. Bought in the store counts as abandoned online, as published figures do."""

    NOW = "bought_now"
    LATER = "bought_later"
    STORE = "bought_in_store"
    ABANDONED = "abandoned"


class SessionTruth(Struct, frozen=True, kw_only=True, tag_field="type", tag="session"):
    """A visit. `comes_back` is the opening event of the cart for which it was made, if for one."""

    session_id: str
    at_ms: int
    person: str
    device: str
    will_buy: bool
    searched: bool
    comes_back: str | None = None


class CartTruth(Struct, frozen=True, kw_only=True, tag_field="type", tag="cart"):
    """A cart, by the `event_id` that opened it.

    `left_at_ms` is the last activity of the visit that opened it, `returns_at_ms` when its owner comes back and
    buys. A cart not bought at once is bought later online with `later_chance`; the time until then is
    exponential with `pace_per_hour`, cut at 72 h.
    """

    opened: str
    session_id: str
    person: str
    device: str
    opened_at_ms: int
    left_at_ms: int
    outcome: Outcome
    later_chance: float
    pace_per_hour: float
    returns_at_ms: int | None = None

    def hazard(self, silent_hours: float) -> float:
        """True chance per hour that a cart left `silent_hours` ago, and not bought since, is bought now online."""
        limit = COMES_BACK_WITHIN / HOUR
        if not 0 <= silent_hours < limit:
            return 0.0
        within = -math.expm1(-self.pace_per_hour * limit)
        density = self.pace_per_hour * math.exp(-self.pace_per_hour * silent_hours) / within
        bought = -math.expm1(-self.pace_per_hour * silent_hours) / within
        return self.later_chance * density / (1 - self.later_chance * bought)


Truth = SessionTruth | CartTruth
