"""When customers who have an account wish for their next cart, and which order is their last."""

from collections.abc import Callable
from random import Random

from pipeline.config.durations import DAY
from pipeline.simulator.laws import BUSIEST, active_rate, held_share, rhythm
from pipeline.simulator.levels import Levels
from pipeline.simulator.parameters import COMES_BACK_WITHIN
from pipeline.simulator.people import Person
from pipeline.simulator.truth import CadenceTruth

NEVER = 2**63
"""Later than any shop lasts."""


class Cadences:
    """The wishes of customers: each has a rate of his own, gamma among all, until an order is his last."""

    def __init__(self, levels: Levels, random: Random, note: Callable[[CadenceTruth], None]) -> None:
        self._levels = levels
        self._random = random
        self._note = note
        self._wishes_per_day: dict[str, float] = {}

    def begin(self, customer: Person, after_ms: int) -> int:
        """The next wish of a customer who was there before the first visit, epoch milliseconds."""
        wishes = self._wishes_per_day[customer.key] = self._random.expovariate(1) * self._levels.wishes_per_day
        if wishes and self._random.random() < held_share(wishes, self._levels.order_chance(customer.inclination)):
            after_ms += self._random.randrange(COMES_BACK_WITHIN)  # a cart of before still holds him
        return self.next_wish(customer, after_ms)

    def ordered(self, customer: Person, at_ms: int) -> int | None:
        """The next wish of a customer who has ordered, None where that was the last order.

        Whoever is new wishes faster than those who are there: the fast ones order more, hence leave sooner.
        """
        wishes = self._wishes_per_day.get(customer.key)
        if wishes is None:
            wishes = self._random.gammavariate(2, 1) * self._levels.wishes_per_day
            self._wishes_per_day[customer.key] = wishes
        chance, leaves = self._levels.order_chance(customer.inclination), self._levels.leaves_chance
        rate = active_rate(wishes, chance) if wishes else 0.0
        self._note(CadenceTruth(person=customer.key, ordered_at_ms=at_ms, rate_per_day=rate, leaves_chance=leaves))
        return None if self._random.random() < leaves else self.next_wish(customer, at_ms)

    def next_wish(self, customer: Person, after_ms: int) -> int:
        """The next time at which this customer would fill a cart, later than `after_ms`, by the rhythm of the day."""
        rate = self._wishes_per_day[customer.key] * BUSIEST / DAY
        at = float(after_ms)
        while rate > 0:
            at += self._random.expovariate(rate)
            if self._random.random() * BUSIEST < rhythm(int(at)):
                return int(at) + 1
        return NEVER
