"""The levels at which the true laws meet the published figures, for the products and people at hand."""

import math
from collections.abc import Callable
from functools import partial
from random import Random
from statistics import NormalDist, fmean
from typing import NamedTuple

from pipeline.config.durations import DAY
from pipeline.events.catalog import Product
from pipeline.simulator.catalogue import CATEGORIES, Catalogue
from pipeline.simulator.contents import fill
from pipeline.simulator.laws import BUSIEST, INCLINATION, KNOWN, active_rate, logit_of_order, rhythm
from pipeline.simulator.parameters import SimulatedShop
from pipeline.simulator.rates import Rates, expected_first_visits

MOST_CARTS = 0.1
"""Carts a day of a customer in the mean, at most: where there are fewer customers than that takes, browsers open the
rest."""

_SAMPLE = 4_000
_PARTS = 32
_WIDEST = 4.0


class Levels(NamedTuple):
    """What the laws are set to."""

    device: tuple[float, float]
    """Log odds of an order, in the order of DEVICES."""
    wishes_per_day: float
    """Carts that a customer wishes for, in the mean of those who have not left."""
    browser_carts: int
    """Carts that anonymous visitors open."""
    leaves_chance: float
    """Chance that a customer leaves for good after an order: as many leave as register."""
    order_chances: tuple[float, ...]
    """Mean chance that a cart of a known customer is ordered, by inclination from -4 to 4."""

    def order_chance(self, inclination: float) -> float:
        """Mean chance that a cart of a known customer of this inclination is ordered."""
        at = min(max((inclination / _WIDEST + 1) / 2 * _PARTS, 0.0), float(_PARTS))
        low = min(int(at), _PARTS - 1)
        return self.order_chances[low] + (at - low) * (self.order_chances[low + 1] - self.order_chances[low])


class _Sampled(NamedTuple):
    """A cart as a visitor would fill it: its log odds but for the owner and the device, and an inclination."""

    base: float
    inclination: float


def solve_levels(shop: SimulatedShop, rates: Rates, catalogue: Catalogue, random: Random) -> Levels:
    """Solve for the levels, over a sample of carts."""
    habits, days = shop.habits, shop.duration_ms / DAY
    carts = _sample(catalogue, habits.to_taste, random)
    total = expected_first_visits(shop.sessions, shop.figures, habits) * rates.carts
    of_customers = min(habits.known_visits * total, shop.customers * MOST_CARTS * days)
    share = of_customers / total if total else 0.0
    stays = 1 - habits.empties

    def level(bought: float) -> float:
        return _solve(
            lambda at: stays * (share * _mean(carts, at, known=True) + (1 - share) * _mean(carts, at, known=False)),
            bought,
            (-20.0, 20.0),
        )

    device = level(rates.bought[0]), level(rates.bought[1])

    def ordered(sample: list[_Sampled], *, known: bool) -> float:
        by_device = [_mean(sample, at, known=known) for at in device]
        online = by_device[0] + rates.mobile_cart * (by_device[1] - by_device[0])
        return stays * (online + (1 - online) * habits.bought_in_store * known)

    chance = ordered(carts, known=True)
    registered = habits.logs_in * (1 - share) * ordered(carts, known=False)
    few = carts[::16]
    grid = [_WIDEST * (2 * i / _PARTS - 1) for i in range(_PARTS + 1)]
    return Levels(
        device=device,
        wishes_per_day=_wishes(of_customers / days / shop.customers, chance) if of_customers else 0.0,
        browser_carts=round(total - of_customers),
        leaves_chance=registered / (registered + share * chance) if registered else 0.0,
        order_chances=tuple(ordered([cart._replace(inclination=u) for cart in few], known=True) for u in grid),
    )


def _sample(catalogue: Catalogue, to_taste: float, random: Random) -> list[_Sampled]:
    inclinations = [NormalDist().inv_cdf((i + 0.5) / _SAMPLE) for i in range(_SAMPLE)]
    random.shuffle(inclinations)
    carts = []
    for inclination in inclinations:
        contents = fill(partial(_pick, catalogue, random.choice(CATEGORIES), to_taste, random), random)
        at = busy_time(random, DAY)
        base = logit_of_order(0.0, contents.value, len(contents.kept), at, known=False, device=0.0)
        carts.append(_Sampled(base, inclination))
    return carts


def _pick(catalogue: Catalogue, taste: str, to_taste: float, random: Random) -> Product:
    return catalogue.pick(taste if random.random() < to_taste else None)


def busy_time(random: Random, within_ms: int, start_ms: int = 0) -> int:
    """A time of `[0, within_ms)` after the start, drawn by the rhythm of the day."""
    while True:
        at = random.randrange(within_ms)
        if random.random() * BUSIEST < rhythm(start_ms + at):
            return at


def _mean(carts: list[_Sampled], device: float, *, known: bool) -> float:
    level = device + KNOWN * known
    return fmean(1 / (1 + math.exp(-(cart.base + INCLINATION * cart.inclination + level))) for cart in carts)


def _wishes(carts_per_day: float, order_chance: float) -> float:
    """The mean of the exponential law of wishes that gives so many carts, for all that a left cart holds its owner."""
    quantiles = [-math.log1p(-(i + 0.5) / 100) for i in range(100)]

    def carts(mean: float) -> float:
        return fmean(active_rate(mean * quantile, order_chance) / order_chance for quantile in quantiles)

    return _solve(carts, carts_per_day, (0.0, 1_000.0))


def _solve(rising: Callable[[float], float], wanted: float, between: tuple[float, float]) -> float:
    low, high = between
    for _ in range(30):
        middle = (low + high) / 2
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return high
