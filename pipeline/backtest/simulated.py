"""The simulated shop as the backtests read logs: what a shop would publish on one side, the truth on the other."""

from msgspec import Struct

from pipeline.backtest.clicklog import Interaction
from pipeline.backtest.orderlog import Order
from pipeline.config.durations import DAY
from pipeline.config.errors import UserError
from pipeline.events.cart import AddToCart, CartSnapshot, ClearCart, RemoveFromCart
from pipeline.events.catalog import ProductChange
from pipeline.events.click import ViewItem
from pipeline.events.customer import Identify
from pipeline.events.envelope import Event
from pipeline.events.order import Purchase
from pipeline.log.persons import anonymous_key, has_account
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
        self._held: dict[str, dict[str, int]] = {}
        self.persons: dict[str, int] = {}
        self.interactions: list[Interaction] = []
        self.orders: list[Order] = []

    def name(self, key: str) -> str:
        """The person key under which somebody first appeared."""
        return self._merged.get(key, key)

    def take(self, happening: Happening) -> None:
        """Take an event as the engine would read it."""
        event, at, key = happening.event, happening.at_ms, happening.key
        if isinstance(event, Identify) and event.anonymous_id is not None:
            self._merged[key] = anonymous_key(self._site, event.anonymous_id)
        if happening.topic not in (CLICKS, CARTS, ORDERS):
            return
        name = self.name(key)
        held = self._held.setdefault(name, {})
        match event:
            case ViewItem(items=[item, *_]):
                self._row(happening, Action.VIEW, item.item_id)
            case AddToCart() | CartSnapshot():
                first = event.items[0]
                before = held.get(first.item_id, 0)
                for item in event.items:
                    known = held.get(item.item_id, 0) if isinstance(event, AddToCart) else 0
                    held[item.item_id] = known + item.quantity
                price = -1 if first.price is None else first.price
                self._row(happening, Action.ADD, first.item_id, price, held[first.item_id] - before)
            case RemoveFromCart():
                self._remove(happening, {item.item_id: item.quantity for item in event.items})
            case ClearCart():
                self._remove(happening, dict(held))
            case Purchase():
                held.clear()
                self._row(happening, Action.BUY, event.order_id)
                if event.customer_id is not None:
                    items = sum(item.quantity for item in event.items or ())
                    self.orders.append(Order(at, (at // DAY + 1) * DAY, key, event.value, items))
            case _:
                self._row(happening, Action.VIEW, "")

    def _remove(self, happening: Happening, quantities: dict[str, int]) -> None:
        held = self._held[self.name(happening.key)]
        for item, quantity in quantities.items():
            held[item] = held.get(item, 0) - quantity
            if held[item] <= 0:
                del held[item]
            self._row(happening, Action.REMOVE, item, quantity=quantity)

    def _row(self, happening: Happening, kind: Action, item: str, price: int = -1, quantity: int = 1) -> None:
        name, key = self.name(happening.key), happening.key
        self.persons.setdefault(name, len(self.persons))
        self.interactions.append(
            Interaction(
                happening.at_ms,
                name,
                kind,
                item,
                price=price,
                quantity=quantity,
                device=_device(happening.event),
                account=has_account(key),
            )
        )


def _device(event: Event | ProductChange) -> str:
    context = None if isinstance(event, ProductChange) else event.context
    return (context and context.device) or ""


def no_file(path: object) -> None:
    """Raise UserError for a file: these backtests have a shop of their own."""
    if path is not None:
        raise UserError("this backtest runs on the simulated shop: leave out --data")
