"""The live path of the next item over a log of clicks: what the engine, the learner and a worker's shelf do, in turn.

An interaction changes the person's affinities and visit as the engine does it, and is handed over by the engine's own
function. Tables learn it. Their rows reach the shelf as late as they do live. A person's suggestions come from the
shelf and the items of the person's own affinities.
"""

from collections.abc import Callable
from time import thread_time_ns

from pipeline.backtest.clicklog import Interaction
from pipeline.config.policy import SitePolicy
from pipeline.engine.touches import hand_over
from pipeline.heads import intent
from pipeline.learner.items import PACE
from pipeline.log.rows import Line
from pipeline.next_item.shelf import Shelf
from pipeline.next_item.tables import Tables
from pipeline.next_item.touch import Touch
from pipeline.profile.tastes import BOUGHT, CARTED, VIEWED, WISHED, bought, touched
from pipeline.replay.rows import Action
from pipeline.state.customer import Customer
from pipeline.state.heads import Heads
from pipeline.triggers.site_now import SiteNow

SITE = "backtest"

LATE = round(PACE * 1_000) + 1_000
"""Milliseconds of the log between two batches of rows: the learner's pace, and a second on the way to and from it."""

_ALL_ROWS = 1_000_000_000
_WEIGHTS = {Action.VIEW: VIEWED, Action.ADD: CARTED, Action.WISH: WISHED}
_VISITS = {Action.VIEW: intent.viewed, Action.ADD: intent.carted, Action.WISH: intent.favoured}


class LivePath:
    """Customers, tables and shelf. CPU is in nanoseconds."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.shelf = Shelf()
        self.touches = 0
        self.observe_cpu = 0
        self.rows = 0
        self.rows_cpu = 0
        self.put_cpu = 0
        self._customers: dict[str, Customer] = {}
        self._policy = SitePolicy()
        self._site = SiteNow(
            clock=0,
            live=True,
            policy=self._policy,
            orders_silent=lambda: False,
            product=lambda _: None,
            name=SITE,
            touch=self._observe,
        )
        self._published = 0

    def tell(self, row: Interaction) -> None:
        """Take an interaction. What is taken out of a cart is a step of the visit, and no touch of the product."""
        self.publish(row.at)
        customer = self._customers.get(row.person)
        if customer is None:
            customer = self._customers[row.person] = Customer()
        at, item, category, half_life = row.at, row.item, row.category, self._policy.taste.half_life
        visit = customer.heads.intent if customer.heads and customer.heads.intent else intent.Memory()
        if (weight := _WEIGHTS.get(row.kind)) is not None:
            known = customer.tastes
            customer.tastes = touched(known, weight, at, half_life, category, item=item)
            visit = _VISITS[row.kind](visit, at, item, category)
            line = Line(item, 1, row.price, category, row.brand)
            hand_over(customer, known, visit.session, (line,), self._site)
        elif row.kind is Action.BUY:
            customer.tastes = bought(touched(customer.tastes, BOUGHT, at, half_life, category), [item])
            visit = intent.ordered(visit, at)
        else:
            visit = intent.changed_cart(visit, at)
        customer.heads = Heads(visit)

    def publish(self, at: int) -> None:
        """Bring the rows that have changed to the shelf, if it is time."""
        if at < self._published + LATE:
            return
        self._published = at
        began = thread_time_ns()
        rows = self.tables.changed(_ALL_ROWS)
        taken = thread_time_ns()
        for key, value in rows:
            self.shelf.put(key, value)
        self.put_cpu += thread_time_ns() - taken
        self.rows_cpu += taken - began
        self.rows += len(rows)

    def suggested(self, person: str, k: int, may: Callable[[str], bool]) -> list[str]:
        """The best items for a person."""
        return [found.item for found in self.shelf.suggest(SITE, self.recent(person), k, may)]

    def recent(self, person: str) -> dict[str, int]:
        """A person's own items, as the affinities have them."""
        customer = self._customers.get(person)
        return {} if customer is None or customer.tastes is None else customer.tastes.items

    def _observe(self, touch: Touch) -> None:
        began = thread_time_ns()
        self.tables.observe(touch)
        self.observe_cpu += thread_time_ns() - began
        self.touches += 1
