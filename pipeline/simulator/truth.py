"""What nobody can see in the log of a real shop: who buys, what becomes of a cart and when, and when customers return.

Nothing of this may reach a model: it is what models are measured against.
"""

import math
from enum import StrEnum

from msgspec import Struct

from pipeline.config.durations import DAY, HOUR, SECOND
from pipeline.simulator import laws
from pipeline.simulator.parameters import COMES_BACK_WITHIN

_STEP = SECOND
"""Milliseconds over which a hazard is worked out."""


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

    `touched_at_ms` is the last change of its lines: from then on it is silent, and what the visit still does says
    nothing of what becomes of it. `left_at_ms` is the last activity of that visit, `returns_at_ms` when its owner
    comes back and buys, `orders_at_ms` when it is ordered. `value` is in minor units.

    The laws are in `pipeline.simulator.laws`: `order_chance` is B there, `later_share` q, `store_chance` the chance
    of the store once it is not ordered online. An `emptied` cart was emptied at once, and is never ordered.
    """

    opened: str
    session_id: str
    person: str
    device: str
    known: bool
    value: int
    lines: int
    opened_at_ms: int
    touched_at_ms: int
    left_at_ms: int
    outcome: Outcome
    emptied: bool
    order_chance: float
    later_share: float
    store_chance: float
    deliberation_ms: float
    pace_per_hour: float
    returns_at_ms: int | None = None
    orders_at_ms: int | None = None

    @property
    def ordered_ever(self) -> float:
        """True chance at the last touch that the cart is ordered, online or in the store."""
        return 0.0 if self.emptied else self.order_chance + (1 - self.order_chance) * self.store_chance

    def ordered_by(self, silence_ms: float) -> float:
        """True chance at the last touch that the cart is ordered within this silence, if nobody interferes."""
        if self.emptied or silence_ms <= 0:
            return 0.0
        online = self.order_chance
        at_once = online * (1 - self.later_share) * laws.at_once_by(silence_ms, self.deliberation_ms)
        late = online * self.later_share + (1 - online) * self.store_chance
        return at_once + late * laws.later_by(silence_ms, self.touched_at_ms, self.pace_per_hour)

    def chance(self, begin_ms: float, end_ms: float) -> float:
        """True chance that a cart silent until `begin_ms` is ordered before it has been silent for `end_ms`."""
        before = self.ordered_by(begin_ms)
        return (self.ordered_by(end_ms) - before) / (1 - before)

    def hazard(self, silent_hours: float) -> float:
        """True chance per hour that a cart silent for so long, and not ordered since, is ordered now."""
        if not 0 <= silent_hours * HOUR < COMES_BACK_WITHIN:
            return 0.0
        step = min(_STEP, COMES_BACK_WITHIN - silent_hours * HOUR)
        return self.chance(silent_hours * HOUR, silent_hours * HOUR + step) * HOUR / step


class CadenceTruth(Struct, frozen=True, kw_only=True, tag_field="type", tag="cadence"):
    """What follows an order of a customer with an account.

    With `leaves_chance` there is no further one; else there is after an exponential time of `rate_per_day`. The rate
    is that of `laws.active_rate`, the mean over the time that left carts hold their owner: exact over weeks, not
    over the first three days.
    """

    person: str
    ordered_at_ms: int
    rate_per_day: float
    leaves_chance: float

    def ordered_by(self, silence_ms: float) -> float:
        """True chance at the order that the next one is placed within this silence."""
        return (1 - self.leaves_chance) * -math.expm1(-self.rate_per_day * max(silence_ms, 0) / DAY)

    def chance(self, begin_ms: float, end_ms: float) -> float:
        """True chance that who has not ordered for `begin_ms` orders before `end_ms`."""
        before = self.ordered_by(begin_ms)
        return (self.ordered_by(end_ms) - before) / (1 - before)


Truth = SessionTruth | CartTruth | CadenceTruth
