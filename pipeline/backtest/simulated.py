"""The simulated shop as the backtests read logs: what a shop would publish on one side, the truth on the other."""

from msgspec import Struct

from pipeline.backtest.clicklog import Interaction
from pipeline.backtest.orderlog import Order
from pipeline.config.durations import DAY
from pipeline.config.errors import UserError
from pipeline.events.cart import AddToCart, CartSnapshot, ClearCart, RemoveFromCart
from pipeline.events.click import ViewItem
from pipeline.events.customer import Identify
from pipeline.events.order import Purchase
from pipeline.log.persons import anonymous_key
from pipeline.replay.rows import Action
from pipeline.simulator.happening import CARTS, CLICKS, ORDERS, Happening
from pipeline.simulator.parameters import SimulatedShop
from pipeline.simulator.shop import simulate
from pipeline.simulator.truth import CadenceTruth, CartTruth, Truth


class Simulated(Struct, frozen=True):
    """A history in time order, and its truth.

    `carts` go by their owner and the time of the last touch, `cadences` by customer and the time of the order. Persons
    are numbered in the order in which they appear among the interactions. An anonymous visitor who opens an account
    stays the person that he was, as the engine's merge has it.
    """

    interactions: list[Interaction]
    orders: list[Order]
    carts: dict[tuple[int, int], CartTruth]
    cadences: dict[tuple[str, int], CadenceTruth]


def simulated(shop: SimulatedShop) -> Simulated:
    """Simulate a shop. Whoever learns gets `interactions` or `orders` alone; orders are those of accounts."""
    truths: list[Truth] = []
    reader = _Reader(shop.site_id)
    for happening in simulate(shop, truths.append):
        reader.take(happening)
    return Simulated(
        reader.interactions,
        reader.orders,
        {
            (reader.persons[reader.name(truth.person)], truth.touched_at_ms): truth
            for truth in truths
            if isinstance(truth, CartTruth)
        },
        {(truth.person, truth.ordered_at_ms): truth for truth in truths if isinstance(truth, CadenceTruth)},
    )


class _Reader:
    def __init__(self, site: str) -> None:
        self._site = site
        self._merged: dict[str, str] = {}
        self._held: dict[str, dict[str, None]] = {}
        self.persons: dict[str, int] = {}
        self.interactions: list[Interaction] = []
        self.orders: list[Order] = []

    def name(self, key: str) -> str:
        """The person key under which somebody first appeared."""
        return self._merged.get(key, key)

    def take(self, happening: Happening) -> None:
        """Take an event as the engine would read it."""
        event, at = happening.event, happening.at_ms
        if isinstance(event, Identify) and event.anonymous_id is not None:
            self._merged[happening.key] = anonymous_key(self._site, event.anonymous_id)
        if happening.topic not in (CLICKS, CARTS, ORDERS):
            return
        name = self.name(happening.key)
        held = self._held.setdefault(name, {})
        match event:
            case ViewItem(items=[item, *_]):
                self._row(at, name, Action.VIEW, item.item_id)
            case AddToCart() | CartSnapshot():
                for item in event.items:
                    held[item.item_id] = None
                self._row(at, name, Action.ADD, event.items[0].item_id)
            case RemoveFromCart():
                self._remove(at, name, [item.item_id for item in event.items])
            case ClearCart():
                self._remove(at, name, list(held))
            case Purchase():
                held.clear()
                self._row(at, name, Action.BUY, event.order_id)
                if event.customer_id is not None:
                    items = sum(item.quantity for item in event.items or ())
                    self.orders.append(Order(at, (at // DAY + 1) * DAY, happening.key, event.value, items))
            case _:
                self._row(at, name, Action.VIEW, "")

    def _remove(self, at: int, name: str, items: list[str]) -> None:
        for item in items:
            self._held[name].pop(item, None)
            self._row(at, name, Action.REMOVE, item)

    def _row(self, at: int, name: str, kind: Action, item: str) -> None:
        self.persons.setdefault(name, len(self.persons))
        self.interactions.append(Interaction(at, name, kind, item))


def no_file(path: object) -> None:
    """Raise UserError for a file: these backtests have a shop of their own."""
    if path is not None:
        raise UserError("this backtest runs on the simulated shop: leave out --data")
