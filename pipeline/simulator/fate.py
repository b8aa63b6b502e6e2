"""What is to become of a cart, drawn by the true laws before its visit is written."""

import math
from random import Random
from typing import NamedTuple

from pipeline.simulator import laws
from pipeline.simulator.contents import Contents
from pipeline.simulator.parameters import Habits
from pipeline.simulator.people import Person
from pipeline.simulator.rates import Rates
from pipeline.simulator.truth import Outcome


class Fate(NamedTuple):
    """An outcome, and the chances from which it was drawn: those that hold once the visit's search is known."""

    outcome: Outcome
    emptied: bool
    searches: bool
    order_chance: float
    later_share: float
    store_chance: float
    deliberation_ms: float
    pace_per_hour: float

    def draw_silence(self, touched_ms: int, random: Random) -> int | None:
        """Milliseconds between the last touch and the order, None where there is none."""
        if self.outcome is Outcome.ABANDONED:
            return None
        if self.outcome is Outcome.NOW:
            return laws.silence_at_once(random.random(), self.deliberation_ms)
        return laws.silence_later(random.random(), touched_ms, self.pace_per_hour)


def draw_fate(
    owner: Person, contents: Contents, at_ms: int, device: float, habits: Habits, rates: Rates, random: Random
) -> Fate:
    """Draw for a cart of a visit that begins at `at_ms`; `device` is a[device] of the laws.

    Visits with an order have a search more often, so a search says something of the order: the chances that are kept
    are those given that the visit has a search, or has none (Bayes).
    """
    logit = laws.logit_of_order(
        owner.inclination, contents.value, len(contents.kept), at_ms, known=owner.known, device=device
    )
    chance = 1 / (1 + math.exp(-logit))
    emptied = random.random() < habits.empties
    store = habits.bought_in_store if owner.known else 0.0
    outcome = Outcome.ABANDONED
    if not emptied:
        if random.random() < chance:
            outcome = Outcome.LATER if random.random() < habits.bought_later else Outcome.NOW
        elif random.random() < store:
            outcome = Outcome.STORE
    now = outcome is Outcome.NOW
    searches = random.random() < (rates.search_buying if now else rates.search_other)
    buying, other = rates.search_buying, rates.search_other
    if not searches:
        buying, other = 1 - buying, 1 - other
    at_once = chance * (1 - habits.bought_later) * buying
    later = chance * habits.bought_later * other
    never = (1 - chance) * other
    bought = at_once + later
    return Fate(
        outcome,
        emptied,
        searches,
        bought / (bought + never),
        later / bought if bought else 0.0,
        store,
        laws.deliberation(contents.value, owner.pace_per_hour),
        owner.pace_per_hour,
    )
