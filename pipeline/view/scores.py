"""What the models say of a stored customer, by the code that triggers go by. Pure.

A score is as of the newest time that the stored value knows of: reading a clock here would make two readers of one
value differ. A customer who keeps silent is stored again at the end of each bin of the reorder head, and is then scored
as one who has been silent for so long.
"""

from collections.abc import Mapping

from pipeline.heads import cart, count, intent, reorder
from pipeline.scoring.hazard import CART_EDGES, DAY, REORDER_EDGES, bin_at
from pipeline.scoring.scorer import Scorer
from pipeline.state.customer import Customer
from pipeline.state.heads import of_orders
from pipeline.triggers.scored import BANDS, HORIZON, banded, hazards
from pipeline.view.profile import CartScore, ExpectedOrders, IntentScore, ReorderScore, Scores
from pipeline.view.times import moment

_MOST = 16_384
"""Order histories of which is kept what a snapshot says of them."""


class Model:
    """A snapshot to score with.

    What it says of an order history is kept: that changes with an order, the stored value with every click.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.version = scorer.version
        self._hazards: dict[tuple[reorder.Facts, str], list[float]] = {}
        self._orders: dict[tuple[reorder.Facts, str, int], float] = {}

    def hazards(self, facts: reorder.Facts, site: str) -> list[float]:
        """Of the reorder head: those of each bin of the silence."""
        found = self._hazards.get((facts, site))
        if found is None:
            if len(self._hazards) >= _MOST:
                self._hazards.clear()
            found = hazards(reorder.Memory(facts=facts), self.scorer, self.scorer.shop(site))
            self._hazards[facts, site] = found
        return found

    def orders(self, facts: reorder.Facts, site: str, silence: int) -> float:
        """Of the count head: the days with an order within `count.WITHIN`, after so many days of silence."""
        found = self._orders.get((facts, site, silence))
        if found is None:
            if len(self._orders) >= _MOST:
                self._orders.clear()
            found = count.told(self.scorer, self.scorer.shop(site), facts, silence, count.WITHIN)
            self._orders[facts, site, silence] = found
        return found


Models = Mapping[str, Model]
"""The snapshots to score with, by head."""

Versions = tuple[tuple[str, int], ...]
"""Heads, and the version of each that said a score."""


def scores(customer: Customer, site: str, models: Models) -> Scores | None:
    """The scores of a customer of a site; None where no model has anything to say."""
    heads = customer.heads
    if heads is None or not models:
        return None
    at, of = known_until(customer), of_orders(heads)
    bought = None if of is None else of.reorder
    found = Scores(
        scored_at=moment(at),
        intent=_intent(customer, heads.intent, at, site, models.get("intent")),
        cart=_cart(heads.cart, at, site, models.get("cart")),
        reorder=_reorder(bought, at, site, models.get("reorder")),
        expected=_expected(bought, at, site, models.get("count")),
    )
    return found if found.intent or found.cart or found.reorder or found.expected else None


def versions(said: Scores) -> Versions:
    """The version of the snapshot that says each of these, by head; without those that say nothing."""
    by_head = {"intent": said.intent, "cart": said.cart, "reorder": said.reorder, "count": said.expected}
    return tuple([(head, score.version) for head, score in by_head.items() if score is not None])


def known_until(customer: Customer) -> int:
    """The newest time that a stored customer tells of, epoch milliseconds.

    That of an event, of the bin that the silence of a cart has reached, or of the last bin that the silence after an
    order has passed.
    """
    newest = max(customer.seen, customer.ordered)
    if (heads := customer.heads) is None:
        return newest
    if heads.intent is not None:
        newest = max(newest, heads.intent.last)
    if heads.cart is not None:
        asked_of_cart = cart.open_of(heads.cart)
        newest = max(newest, heads.cart.seen, asked_of_cart.made_at if asked_of_cart is not None else 0)
    if (of := of_orders(heads)) is not None and of.reorder.pending:
        asked = of.reorder.pending[-1]
        if asked.silence < 0 and asked.bin:
            newest = max(newest, asked.begin + REORDER_EDGES[asked.bin - 1])
    return newest


def _intent(
    customer: Customer, memory: intent.Memory | None, at: int, site: str, model: Model | None
) -> IntentScore | None:
    """Of a visit that goes on and has not ended with an order."""
    if model is None or memory is None or memory.session is None or memory.session.bought:
        return None
    if at - memory.last >= intent.GAP:
        return None
    scorer, shop = model.scorer, model.scorer.shop(site)
    chance = scorer.probability(scorer.logit(intent.inputs(memory, memory.last), shop))
    shown = customer.shown
    last = 0 if shown is None or shown.told is None else shown.told.standing.band
    return IntentScore(BANDS[banded(chance, shop, last)], round(chance, 6), model.version)


def _cart(memory: cart.Memory | None, at: int, site: str, model: Model | None) -> CartScore | None:
    """Of a cart in the bins of its silence; once it has been written of, the silence is not the customer's own."""
    if model is None or memory is None or not memory.open:
        return None
    number = bin_at(CART_EDGES, max(at - memory.touched, 0))
    if number == len(CART_EDGES):
        return None
    scorer = model.scorer
    chance = scorer.probability(scorer.logit(cart.inputs(memory, at, number), scorer.shop(site)))
    return CartScore(round(chance, 6), moment(memory.touched + CART_EDGES[number]), model.version)


def _reorder(memory: reorder.Memory | None, at: int, site: str, model: Model | None) -> ReorderScore | None:
    """Of somebody who has ordered."""
    if model is None or memory is None or not memory.day_end:
        return None
    chances, silence = model.hazards(memory.facts, site), reorder.silence_of(memory, at)
    due = reorder.due(memory, chances, at)
    return ReorderScore(
        days=HORIZON // DAY,
        probability=round(reorder.within(chances, silence, HORIZON), 6),
        churn_risk=round(1 - reorder.within(chances, silence, reorder.GONE), 6),
        version=model.version,
        due_at=None if due is None else moment(due),
    )


def _expected(memory: reorder.Memory | None, at: int, site: str, model: Model | None) -> ExpectedOrders | None:
    """Of somebody who has ordered."""
    if model is None or memory is None or not memory.day_end:
        return None
    facts, shop = memory.facts, model.scorer.shop(site)
    orders = model.orders(facts, site, reorder.silence_of(memory, at) // DAY)
    value = round(orders * count.worth(facts, shop))
    return ExpectedOrders(count.WITHIN // DAY, round(orders, 4), value, model.version)
