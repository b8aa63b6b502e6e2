"""What the models say of a person, as triggers go by it and tell it. None of it where nothing has been learned."""

from typing import Final, NamedTuple

from msgspec.structs import replace
from xxhash import xxh3_64_intdigest

from pipeline.config.policy import SitePolicy
from pipeline.heads import cart, count, intent, reorder
from pipeline.scoring.factor import Factor
from pipeline.scoring.features import Shop
from pipeline.scoring.hazard import CART_EDGES, DAY, REORDER_EDGES, bin_at
from pipeline.scoring.scorer import Scorer
from pipeline.state.customer import Customer
from pipeline.state.heads import of_orders
from pipeline.triggers.contract import Expected, Score
from pipeline.triggers.site_now import SiteNow

_PARTS: Final = 10_000
"""In which shares are drawn."""

HORIZON: Final = 30 * DAY
"""Within which the reorder score says how likely an order is."""

LOW: Final = 1
MEDIUM: Final = 2
HIGH: Final = 3
"""Bands of intent; the numbers are stored, 0 is for no score."""

BANDS: Final = {0: "", LOW: "low", MEDIUM: "medium", HIGH: "high"}

_MEDIUM_FROM: Final = 0.75
_HIGH_FROM: Final = 2.0
"""Chance of an order in this visit, over that of the shop's average visit, from which each band begins."""

_MARGIN: Final = 1.1
"""A band is left only when its edge is passed by this ratio, or small changes would swing it."""


def band_of(customer: Customer, last: int, at: int, site: SiteNow) -> int:
    """The band of the intent to buy; that of `last` time is kept until its edge is passed by the margin."""
    scorer, heads = site.models.get("intent"), customer.heads
    if scorer is None or heads is None or heads.intent is None:
        return 0
    shop = scorer.shop(site.name)
    return banded(scorer.probability(scorer.logit(intent.inputs(heads.intent, at), shop)), shop, last)


def banded(chance: float, shop: Shop, last: int) -> int:
    """The band of a chance of an order in this visit, where the last one told was `last`."""
    times = chance / max(shop["rate"], 1e-6)
    medium = _MEDIUM_FROM / _MARGIN if last >= MEDIUM else _MEDIUM_FROM * (_MARGIN if last == LOW else 1)
    high = _HIGH_FROM / _MARGIN if last == HIGH else _HIGH_FROM * (_MARGIN if last else 1)
    return HIGH if times >= high else MEDIUM if times >= medium else LOW


def intent_said(customer: Customer, at: int, site: SiteNow) -> tuple[Score, ...]:
    """The intent to buy, as a trigger tells it."""
    scorer, heads = site.models.get("intent"), customer.heads
    if scorer is None or heads is None or heads.intent is None:
        return ()
    logit, factors = scorer.explained(intent.inputs(heads.intent, at), scorer.shop(site.name))
    return (_said(scorer, logit, scorer.probability(logit), factors),)


class Wait(NamedTuple):
    """Silence after which to speak of a cart, milliseconds, and the chance with which just this was chosen."""

    delay: int
    propensity: float


def cart_wait(customer: Customer, event: str, site: SiteNow) -> Wait | None:
    """How long to wait after the touch of a cart by `event`; None where the fixed steps hold.

    A share of the carts waits longer, by a hash of the event: so it is learned what comes of a cart that is left alone.
    The heads remember for whom these stand.
    """
    policy, heads = site.policy.cart, customer.heads
    best = _best_wait(customer, site)
    if not best or heads is None or heads.cart is None:
        return None
    later = [edge for edge in CART_EDGES if best < edge <= cart.LATEST]
    if not later or not policy.explore:
        return Wait(best, 1.0)
    drawn = xxh3_64_intdigest(event.encode())
    if drawn % _PARTS >= policy.explore * _PARTS:
        return Wait(best, 1 - policy.explore)
    customer.heads = replace(heads, cart=cart.left_alone(heads.cart, best, policy.explore))
    return Wait(later[drawn // _PARTS % len(later)], policy.explore / len(later))


def _best_wait(customer: Customer, site: SiteNow) -> int:
    policy, scorer, heads = site.policy.cart, site.models.get("cart"), customer.heads
    if policy.timing != "learned" or scorer is None or heads is None or heads.cart is None:
        return 0
    trained, theta = scorer.snapshot.trained, policy.theta
    logits = scorer.logits(cart.looks(heads.cart), scorer.shop(site.name))
    for number, logit in zip(cart.LOOKS, logits, strict=True):
        timing = cart.timing(number, scorer.probability(logit), trained, cart.patience(number, theta))
        if timing is not cart.Timing.WAIT:
            return CART_EDGES[number - 1] if timing is cart.Timing.FIRE else 0
    return cart.LATEST


def cart_said(customer: Customer, at: int, site: SiteNow) -> tuple[Score, ...]:
    """How likely the cart is to be ordered untouched before the next look at it, as a trigger tells it."""
    scorer, heads = site.models.get("cart"), customer.heads
    if scorer is None or heads is None or heads.cart is None:
        return ()
    memory, shop = heads.cart, scorer.shop(site.name)
    number = min(bin_at(CART_EDGES, max(at - memory.touched, 0)), len(CART_EDGES) - 1)
    logit, factors = scorer.explained(cart.inputs(memory, at, number), shop)
    return (_said(scorer, logit, scorer.probability(logit), factors),)


def reorder_said(customer: Customer, at: int, site: SiteNow) -> tuple[Score, ...]:
    """How likely the next order is within HORIZON, given the silence so far, as a trigger tells it.

    The factors are those of the hazard of the bin that the silence is in.
    """
    scorer, of = site.models.get("reorder"), of_orders(customer.heads)
    if scorer is None or of is None or not of.reorder.day_end:
        return ()
    memory, shop = of.reorder, scorer.shop(site.name)
    silence = reorder.silence_of(memory, at)
    chance = reorder.within(hazards(memory, scorer, shop), silence, HORIZON)
    place = min(bin_at(REORDER_EDGES, silence), reorder.BINS - 1)
    logit, factors = scorer.explained(reorder.inputs(memory.facts, place), shop)
    return (_said(scorer, logit, chance, factors),)


def orders_expected(customer: Customer, at: int, site: SiteNow) -> Expected | None:
    """The orders to come within `count.WITHIN` and what they are worth, given the silence so far."""
    scorer, of = site.models.get("count"), of_orders(customer.heads)
    if scorer is None or of is None or not of.reorder.day_end:
        return None
    facts, shop = of.reorder.facts, scorer.shop(site.name)
    silence = reorder.silence_of(of.reorder, at) // DAY
    orders = count.told(scorer, shop, facts, silence, count.WITHIN)
    value = round(orders * count.worth(facts, shop))
    inputs = count.inputs(facts, silence, count.HORIZONS.index(count.WITHIN))
    days, currency = count.WITHIN // DAY, site.policy.currency
    return Expected("count", scorer.version, days, round(orders, 4), value, currency, scorer.factors(inputs, shop))


def lost_by(memory: reorder.Memory, at: int, site: SiteNow) -> int | None:
    """When a customer is to be won back, epoch milliseconds; 0 where the rules say, None where too little was learned.

    The rules say it of a customer of whom no order is expected (`reorder.lost`).
    """
    scorer = site.models.get("reorder")
    if scorer is None or scorer.snapshot.trained < reorder.ENOUGH_LABELS:
        return None
    return reorder.lost(memory, hazards(memory, scorer, scorer.shop(site.name)), at) or 0


def hazards(memory: reorder.Memory, scorer: Scorer, shop: Shop) -> list[float]:
    """Of each bin of the silence after the last purchase day."""
    logits = scorer.logits(reorder.rows(memory.facts), shop)
    return [scorer.probability(logit) for logit in logits]


def learned_span(customer: Customer, anchor: int, policy: SitePolicy) -> int:
    """Time from an order to when the next is due, milliseconds; 0 where rules hold."""
    if policy.win_back.timing != "learned" or (of := of_orders(customer.heads)) is None:
        return 0
    return next((due - at for at, due in of.due if at == anchor and due > at), 0)


def _said(scorer: Scorer, logit: float, chance: float, factors: tuple[Factor, ...]) -> Score:
    return Score(scorer.spec.head, scorer.version, logit, round(chance, 6), factors)
