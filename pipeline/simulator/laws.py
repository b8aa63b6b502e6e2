"""The true laws of the simulated shop: which carts are ordered and how soon, and who orders again. Pure formulas.

A cart that was last touched at time t, with features x, is ordered with chance `B(x)`, whatever is said to its owner:

    logit B = a[device] + 0.8 u + 0.6 known - 0.35 ln(value / 70) + 0.3 ln(lines) + 0.4 cos(2 pi (hour - 20) / 24)

`u` is the owner's inclination, standard normal, the same for all carts of one owner and never published. `a` is such
that the published abandonment holds for each device. An order is placed, with s the silence since the touch:

- in the same visit, with chance `1 - q`: log-logistic, cut at 30 min. Its median is 2.5 min for a cart of 70 whose
  owner is of middle pace, more for a dearer cart and for a slow owner;
- in a later visit, with chance q: from 30 min to 72 h at the owner's pace times the rhythm of the day, so that more
  come back in the evening than at night.

The visit in which the cart was opened begins at `hour` (UTC). Some carts are emptied at once, those are never ordered.
Visits with an order have a search more often; what is kept as the truth is B and q given that there was one, or none.
Of the carts of known customers that are not ordered online, some are bought in the store by the second of these.
Dear carts are abandoned more, see Kukar-Kinney and Close, Journal of the Academy of Marketing Science 38 (2010); all
coefficients are our assumptions, only their signs have sources.

A customer who has an account orders again at a constant rate of his own, and leaves for good after each order with
one chance: the BG/NBD model, Fader, Hardie and Lee, Marketing Science 24 (2005).
"""

import math

from pipeline.config.durations import DAY, HOUR, MINUTE
from pipeline.simulator.parameters import BUSIEST_HOUR, COMES_BACK_WITHIN, SAME_VISIT

MIDDLE_PACE = 1 / 6
"""Per hour."""
MIDDLE_VALUE = 7_000
"""Minor units."""

INCLINATION, KNOWN = 0.8, 0.6
"""What a unit of inclination, and an account, add to the log odds of an order."""

_SWING = 2 / 3
_STEEPNESS = 1.6
_MEDIAN = 2.5 * MINUTE


def rhythm(at_ms: int) -> float:
    """How busy the shop is at this time of the day, 1 in the mean."""
    return 1 + _SWING * math.cos(_angle(at_ms))


BUSIEST = 1 + _SWING


def logit_of_order(inclination: float, value: int, lines: int, at_ms: int, *, known: bool, device: float) -> float:
    """Log odds that a cart is ordered online, see above; `device` is a[device]. `value` in minor units."""
    return (
        device
        + INCLINATION * inclination
        + KNOWN * known
        - 0.35 * math.log(max(value, 1) / MIDDLE_VALUE)
        + 0.3 * math.log(lines)
        + 0.4 * math.cos(_angle(at_ms))
    )


def deliberation(value: int, pace_per_hour: float) -> float:
    """Median time between the last touch and an order in the same visit, milliseconds."""
    return _MEDIAN * float((max(value, 1) / MIDDLE_VALUE) ** 0.3 * (pace_per_hour / MIDDLE_PACE) ** -0.5)


def at_once_by(silence_ms: float, median_ms: float) -> float:
    """Share of the orders of the same visit that were placed by this silence."""
    return _log_logistic(min(silence_ms, SAME_VISIT), median_ms) / _log_logistic(SAME_VISIT, median_ms)


def silence_at_once(share: float, median_ms: float) -> int:
    """The silence by which this share was placed: the inverse."""
    part = share * _log_logistic(SAME_VISIT, median_ms)
    return round(median_ms * float((part / (1 - part)) ** (1 / _STEEPNESS)))


def later_by(silence_ms: float, touched_at_ms: int, pace_per_hour: float) -> float:
    """Share of the orders of a later visit that were placed by this silence."""
    if silence_ms <= SAME_VISIT:
        return 0.0
    whole = _passed(COMES_BACK_WITHIN, touched_at_ms, pace_per_hour)
    return math.expm1(-_passed(min(silence_ms, COMES_BACK_WITHIN), touched_at_ms, pace_per_hour)) / math.expm1(-whole)


def silence_later(share: float, touched_at_ms: int, pace_per_hour: float) -> int:
    """The silence by which this share was placed: the inverse, to the millisecond."""
    low, high = SAME_VISIT, COMES_BACK_WITHIN
    while high - low > 1:
        middle = (low + high) // 2
        if later_by(middle, touched_at_ms, pace_per_hour) < share:
            low = middle
        else:
            high = middle
    return high


def active_rate(wishes_per_day: float, order_chance: float) -> float:
    """Orders a day of a customer who has not left: each wish fills a cart, and a cart left holds its owner for 72 h."""
    return order_chance / (1 / wishes_per_day + _held(order_chance))


def held_share(wishes_per_day: float, order_chance: float) -> float:
    """Share of the time for which such a customer is held by a cart."""
    held = _held(order_chance)
    return held / (1 / wishes_per_day + held)


def _held(order_chance: float) -> float:
    return COMES_BACK_WITHIN / DAY * (1 - order_chance)


def _passed(silence_ms: float, touched_at_ms: int, pace_per_hour: float) -> float:
    """The exponential's argument: the pace times the rhythm, integrated from the end of the visit."""
    day = DAY / (2 * math.pi)
    turn = math.sin(_angle(touched_at_ms + silence_ms)) - math.sin(_angle(touched_at_ms + SAME_VISIT))
    return pace_per_hour / HOUR * (silence_ms - SAME_VISIT + _SWING * day * turn)


def _angle(at_ms: float) -> float:
    return (at_ms % DAY / HOUR - BUSIEST_HOUR) * math.pi / 12


def _log_logistic(silence_ms: float, median_ms: float) -> float:
    power = float((silence_ms / median_ms) ** _STEEPNESS)
    return power / (1 + power)
