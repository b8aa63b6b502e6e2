"""One visit to the simulated shop: a pen that writes its events in order, a few seconds apart."""

from random import Random
from typing import Any, Literal

from pipeline.config.durations import MINUTE, SECOND
from pipeline.events.cart import AddToCart, BeginCheckout, CartSnapshot, ClearCart, RemoveFromCart
from pipeline.events.catalog import Product
from pipeline.events.click import AppOpen, PageView, Search, ViewCategory, ViewItem
from pipeline.events.customer import Channel, ConsentUpdate, Identify, Purpose, Unsubscribe
from pipeline.events.envelope import ConsentMode, Context, Event, Item
from pipeline.events.message import MessageClicked, MessageDelivered, MessageSent, MessageUnsubscribed
from pipeline.events.order import Purchase
from pipeline.simulator.catalogue import CURRENCY, Catalogue, line
from pipeline.simulator.happening import CARTS, CLICKS, CUSTOMERS, MESSAGES, ORDERS, Happening
from pipeline.simulator.parameters import SimulatedShop
from pipeline.simulator.people import Person

_SETTINGS = {
    True: ConsentMode(analytics_storage="granted", personalization_storage="granted", ad_storage="denied"),
    False: ConsentMode(analytics_storage="denied", personalization_storage="denied", ad_storage="denied"),
}
LONGEST_PAUSE = 90 * SECOND

_CHECKOUT = 20 * SECOND
"""Before an order: whoever has not begun the checkout yet begins it then."""


class Visit:
    """Writes what one person does in one visit.

    `at_ms` is the time of the last event written, `touched_ms` that of the last change of the cart's lines.
    """

    def __init__(
        self, shop: SimulatedShop, random: Random, catalogue: Catalogue, number: int, person: Person, at_ms: int
    ) -> None:
        self._shop = shop
        self._random = random
        self._catalogue = catalogue
        self._number = number
        self._lines: dict[str, Item] = {}
        self._context: Context | None = None
        self.person = person
        self.session_id = f"visit-{shop.seed}-{number}"
        self.cart_id = f"cart-{shop.seed}-{number}"
        self.at_ms = at_ms
        self.touched_ms = at_ms
        self.written: list[Happening] = []
        self._ends_ms: int | None = None
        self._at_checkout = False

    def arrive(self, device: str, channel: str, source: str | None = None) -> None:
        """The first page, or the start of the app."""
        consent = None if self.person.known else _SETTINGS[self.person.allows_profile]
        self._context = Context(device=device, channel=channel, source=source, locale="en", consent=consent)
        if channel == "app":
            self._write(CLICKS, AppOpen(**self._envelope()))
            self._pause()
        self._write(CLICKS, PageView(**self._envelope(), page="home"))

    def search(self) -> None:
        """Search for a kind of product."""
        self._pause()
        term = f"{self.pick().item_category} {self._random.choice(('cheap', 'best', 'new', 'set'))}"
        self._write(CLICKS, Search(**self._envelope(), search_term=term))

    def look_around(self, pages: int) -> None:
        """View products, now and then a category."""
        for _ in range(pages):
            self._pause()
            self._look()

    def resume(self, cart_id: str, lines: dict[str, Item]) -> None:
        """Take up a cart of an earlier visit."""
        self.cart_id, self._lines = cart_id, lines

    def empty(self, cart_id: str) -> None:
        """Take everything out of a cart."""
        self._pause()
        self._write(CARTS, ClearCart(**self._envelope(), cart_id=cart_id))

    def pick(self) -> Product:
        """A product that this person may like."""
        to_taste = self._random.random() < self._shop.habits.to_taste
        return self._catalogue.pick(self.person.taste if to_taste else None)

    def add(self, product: Product, quantity: int) -> str:
        """View a product and put it into the cart; returns the id of the event that adds it."""
        self._pause()
        self._write(CLICKS, ViewItem(**self._envelope(), items=[line(product)], currency=CURRENCY))
        self._pause()
        added = AddToCart(**self._envelope(), cart_id=self.cart_id, items=[line(product, quantity)], currency=CURRENCY)
        self._write(CARTS, added)
        held = self._lines.get(product.item_id)
        self._lines[product.item_id] = line(product, quantity + (held.quantity if held else 0))
        self.touched_ms = self.at_ms
        return added.event_id

    def remove(self, item_id: str) -> None:
        """Take a line out of the cart."""
        self._pause()
        gone = self._lines.pop(item_id)
        self._write(CARTS, RemoveFromCart(**self._envelope(), cart_id=self.cart_id, items=[gone]))
        self.touched_ms = self.at_ms

    def snapshot(self) -> None:
        """Send the whole cart as it is."""
        self._pause()
        items = list(self._lines.values())
        self._write(CARTS, CartSnapshot(**self._envelope(), cart_id=self.cart_id, items=items, currency=CURRENCY))
        self.touched_ms = self.at_ms

    def linger(self, pages: int, order_ms: int | None, *, checkout: bool) -> None:
        """Look around and go to the checkout as whoever does not order would, until the order at this time.

        So what was seen before the order says nothing of it.
        """
        for _ in range(pages):
            if not self._idles(order_ms):
                return
            self._look()
        if checkout and self._idles(order_ms):
            self.start_checkout()

    def wait_for(self, order_ms: int) -> None:
        """Do nothing until shortly before an order at this time; what is still to be done fits before it."""
        self._ends_ms = order_ms
        self.at_ms = max(self.at_ms, order_ms - _CHECKOUT, (self.at_ms + order_ms) // 2)

    def start_checkout(self) -> None:
        """Go to the checkout, once."""
        if not self._at_checkout:
            self._at_checkout = True
            self._write(CARTS, BeginCheckout(**self._envelope(), cart_id=self.cart_id))

    def open_account(self, customer: Person) -> None:
        """The browser turns out to be this customer: events are the customer's from here on."""
        self._pause()
        browser, self.person = self.person, customer
        identify = Identify(**self._envelope())
        identify.anonymous_id = browser.id
        self._write(CUSTOMERS, identify)

    def buy(self) -> None:
        """Order what is in the cart, at the time that was said to `wait_for`."""
        self._pause()
        if self._ends_ms is not None:
            self.at_ms, self._ends_ms = max(self.at_ms, self._ends_ms), None
        self._order("online")

    def buy_in_store(self) -> None:
        """Order what is in the cart at the till."""
        self._context = Context(channel="store")
        self._order("offline")

    def grant_email(self) -> None:
        """Allow marketing by email."""
        self._write(
            CUSTOMERS,
            ConsentUpdate(
                **self._envelope(), purpose=Purpose.MARKETING_MESSAGE, status="granted", channel=Channel.EMAIL
            ),
        )
        self._pause()

    def allow_personalization(self) -> None:
        """Allow personalized pages in the account; of anonymous visitors the page says it."""
        self._write(
            CUSTOMERS, ConsentUpdate(**self._envelope(), purpose=Purpose.ONSITE_PERSONALIZATION, status="granted")
        )
        self._pause()

    def withdraw_email(self) -> None:
        """Take the permission back: in the account, by the unsubscribe page, or from within a newsletter."""
        self._pause()
        draw = self._random.random()
        if draw < 0.4:
            self._write(
                CUSTOMERS,
                ConsentUpdate(
                    **self._envelope(),
                    purpose=Purpose.MARKETING_MESSAGE,
                    status="denied",
                    channel=Channel.EMAIL,
                ),
            )
        elif draw < 0.7:
            self._write(CUSTOMERS, Unsubscribe(**self._envelope(), channel=Channel.EMAIL))
        else:
            self._write(MESSAGES, MessageUnsubscribed(**self._envelope(), channel=Channel.EMAIL))

    def come_by_newsletter(self) -> None:
        """A newsletter is sent, delivered, and its link followed within minutes."""
        self._write(MESSAGES, MessageSent(**self._envelope(), channel=Channel.EMAIL))
        self.at_ms += self._random.randint(SECOND, 4 * SECOND)
        self._write(MESSAGES, MessageDelivered(**self._envelope(), channel=Channel.EMAIL))
        self.at_ms += self._random.randint(10 * SECOND, 8 * MINUTE)
        self._write(MESSAGES, MessageClicked(**self._envelope(), channel=Channel.EMAIL))
        self.at_ms += SECOND

    @property
    def lines(self) -> dict[str, Item]:
        """The lines of the cart by item id."""
        return self._lines

    def _envelope(self) -> dict[str, Any]:
        return {
            "event_id": f"{self._shop.seed}-{self._number}-{len(self.written)}",
            "site_id": self._shop.site_id,
            "occurred_at": self.at_ms,
            "session_id": self.session_id,
            "context": self._context,
            "customer_id" if self.person.known else "anonymous_id": self.person.id,
        }

    def _write(self, topic: str, event: Event) -> None:
        self.written.append(Happening(self.at_ms, topic, self.person.key, event))

    def _order(self, channel: Literal["online", "offline"]) -> None:
        items = list(self._lines.values())
        self._write(
            ORDERS,
            Purchase(
                **self._envelope(),
                order_id=f"order-{self._shop.seed}-{self._number}",
                value=sum(item.quantity * (item.price or 0) for item in items),
                currency=CURRENCY,
                channel=channel,
                items=items,
            ),
        )
        self._lines = {}

    def _look(self) -> None:
        product = self.pick()
        if self._random.random() < 0.25 and product.item_category is not None:
            self._write(CLICKS, ViewCategory(**self._envelope(), item_category=product.item_category))
        else:
            self._write(CLICKS, ViewItem(**self._envelope(), items=[line(product)], currency=CURRENCY))

    def _pause(self) -> None:
        pause = self._next_pause()
        if self._ends_ms is not None:
            pause = min(pause, max(1, (self._ends_ms - self.at_ms) // 4))
        self.at_ms += pause

    def _idles(self, order_ms: int | None) -> bool:
        """Pause, unless an order comes first."""
        pause = self._next_pause()
        if order_ms is not None and self.at_ms + pause >= order_ms:
            return False
        self.at_ms += pause
        return True

    def _next_pause(self) -> int:
        return min(LONGEST_PAUSE, SECOND + round(self._random.expovariate(1 / (24 * SECOND))))
