"""Whether orders and events can be told apart, and orders be brought together with carts."""

from pipeline.config.durations import HOUR
from pipeline.config.policy import SitePolicy
from pipeline.events.order import Purchase
from pipeline.quality.finding import Finding, Level, Seen, at_most, percent, share


class EventIds:
    """Whether an event_id names one event. The same event again is a resend, as it should be."""

    def __init__(self) -> None:
        self._events = self._resent = self._shared = 0
        self._content: dict[int, int] = {}

    def see(self, seen: Seen) -> None:
        """Compare what has the same id."""
        self._events += 1
        event_id = hash(seen.event.event_id)
        if event_id not in self._content:
            self._content[event_id] = seen.content
        elif self._content[event_id] != seen.content:
            self._shared += 1
        else:
            self._resent += 1

    def judge(self, _policy: SitePolicy) -> Finding:
        """Fails where ids are shared by different events."""
        shared = share(self._shared, self._events)
        return Finding(
            "event_id",
            at_most(shared, 0.0, 0.001) if self._events else Level.NONE,
            f"{self._shared:,} of {self._events:,} events have an id of another; {self._resent:,} were sent again",
            {"events": self._events, "shared": shared, "resent": share(self._resent, self._events)},
            "an event whose id was seen before is taken for a resend and dropped; triggers are named by it",
            "make the id where the event happens, unique on the site, and keep it when sending again",
        )


class OrderIds:
    """Whether an order_id names one order of one person."""

    def __init__(self) -> None:
        self._orders = self._resent = self._shared = 0
        self._owner: dict[int, int | None] = {}

    def see(self, seen: Seen) -> None:
        """Compare whose orders have the same id."""
        if not isinstance(seen.event, Purchase):
            return
        order = hash(seen.event.order_id)
        self._orders += 1
        if order not in self._owner:
            self._owner[order] = seen.person
        elif self._owner[order] != seen.person:
            self._shared += 1
        else:
            self._resent += 1

    def judge(self, _policy: SitePolicy) -> Finding:
        """Fails where two people have one order."""
        return Finding(
            "order_id",
            Level.FAIL if self._shared else Level.OK if self._orders else Level.NONE,
            f"{self._shared:,} of {self._orders:,} orders have the id of another person's; {self._resent:,} came again",
            {"orders": self._orders, "shared": self._shared, "resent": self._resent},
            "news of an order find it by person and id, and what is sent again counts once",
            "publish the shop's own order number, and one person with all news of an order",
        )


class OrdersWithoutCart:
    """Of the online orders, how many come from people with no cart before."""

    def __init__(self) -> None:
        self._first_cart: dict[int, int] = {}
        self._orders: list[tuple[int, int]] = []

    def see(self, seen: Seen) -> None:
        """Note when people had their first cart, and when they ordered."""
        if seen.person is None:
            return
        if seen.topic == "shop.carts":
            self._first_cart[seen.person] = min(seen.at, self._first_cart.get(seen.person, seen.at))
        elif isinstance(seen.event, Purchase) and seen.event.channel == "online":
            self._orders.append((seen.person, seen.at))

    def judge(self, _policy: SitePolicy) -> Finding:
        """Fails where most have none. Orders from before the sample's carts, or soon after, cannot be judged."""
        begin = min(self._first_cart.values(), default=0)
        judged = [(person, at) for person, at in self._orders if self._first_cart.get(person, begin + HOUR) <= at]
        without = sum(person not in self._first_cart for person, _ in judged)
        return Finding(
            "orders without a cart",
            at_most(share(without, len(judged)), 0.3, 0.7) if judged and self._first_cart else Level.NONE,
            f"{percent(without, len(judged))} of {len(judged):,} online orders have no cart of that person before them",
            {"orders": len(judged), "without": share(without, len(judged))},
            "where cart and order name different people, an order stops no message: who has bought is reminded",
            "publish the same customer_id, or for guests the same anonymous_id, in carts and orders",
        )
