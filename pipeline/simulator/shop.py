"""The simulated shop at work: draws who visits when, and what comes of it; yields events in time order."""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from pipeline.config.durations import MINUTE, SECOND
from pipeline.events.envelope import Item
from pipeline.simulator.cadence import Cadences
from pipeline.simulator.catalogue import Catalogue
from pipeline.simulator.contents import fill
from pipeline.simulator.fate import draw_fate
from pipeline.simulator.happening import Happening
from pipeline.simulator.levels import busy_time, solve_levels
from pipeline.simulator.parameters import COMES_BACK_WITHIN, DEVICES, SimulatedShop
from pipeline.simulator.people import People, Person
from pipeline.simulator.rates import expected_first_visits, solve
from pipeline.simulator.truth import CartTruth, Outcome, SessionTruth, Truth
from pipeline.simulator.visit import Visit

_SOONEST_ORDER = 3 * SECOND
"""After the last touch of a cart: nobody checks out faster."""

_SHORTEST_RETURN, _LONGEST_RETURN = 4 * MINUTE, 8 * MINUTE
"""How long a visit that comes back for a cart lasts, until the order. Its start and a search fit well into it."""


def simulate(shop: SimulatedShop, note: Callable[[Truth], None] = lambda _: None) -> Iterator[Happening]:
    """Yield the events of the shop in time order; `note` is told the truth of each visit and each cart.

    Memory grows with the number of people and first visits, not with the events. Raises UserError where the
    figures contradict each other.
    """
    yield from _Shop(shop, note).run()


class _Cart(NamedTuple):
    """A cart that waits for its owner: to come back to the site, or to go to the store."""

    outcome: Outcome
    person: Person
    device: str
    channel: str
    cart_id: str
    lines: dict[str, Item]
    opened: str
    orders_at: int


class _Shop:
    def __init__(self, shop: SimulatedShop, note: Callable[[Truth], None]) -> None:
        self._shop = shop
        self._note = note
        self._habits = shop.habits
        self._rates = solve(shop.figures, shop.habits)
        self._random = Random(shop.seed)  # noqa: S311 - a simulation has to be repeatable
        self._catalogue = Catalogue(shop, self._random)
        self._people = People(shop, self._random)
        self._levels = solve_levels(shop, self._rates, self._catalogue, self._random)
        self._cadences = Cadences(self._levels, self._random, note)
        self._visits = 0
        self._agenda: list[tuple[int, int, Callable[[int], list[Happening]]]] = []
        self._planned = 0
        self._pending: list[tuple[int, int, Happening]] = []
        self._written = 0

    def run(self) -> Iterator[Happening]:
        yield from self._catalogue.opening()
        yield from self._words_in_accounts()
        for at in self._catalogue.change_times():
            self._plan(at, lambda at: [self._catalogue.change(at)])
        for customer in self._people.customers():
            self._plan_wish(customer, self._cadences.begin(customer, self._shop.start_ms))
        for start, opens_cart in self._other_visits():
            yield from self._work_off(start)
            self._put(self._browser_cart(start) if opens_cart else self._browse(start))
        yield from self._work_off(None)
        yield from self._pending_until(None)

    def _words_in_accounts(self) -> Iterator[Happening]:
        """What customers had said of personalization before the first visit, as the shop publishes it at the start."""
        for person in self._people.customers():
            if person.allows_profile:
                visit = self._visit(person, self._shop.start_ms)
                visit.allow_personalization()
                yield from visit.written

    def _work_off(self, until: int | None) -> Iterator[Happening]:
        """Do what is planned before `until`, and yield what can no longer be overtaken."""
        while self._agenda and (until is None or self._agenda[0][0] < until):
            at, _, plan = heappop(self._agenda)
            yield from self._pending_until(at)
            self._put(plan(at))
        yield from self._pending_until(until)

    def _pending_until(self, until: int | None) -> Iterator[Happening]:
        while self._pending and (until is None or self._pending[0][0] < until):
            yield heappop(self._pending)[2]

    def _put(self, happenings: list[Happening]) -> None:
        for happening in happenings:
            self._written += 1
            heappush(self._pending, (happening.at_ms, self._written, happening))

    def _plan(self, at: int, plan: Callable[[int], list[Happening]]) -> None:
        self._planned += 1
        heappush(self._agenda, (at, self._planned, plan))

    def _other_visits(self) -> list[tuple[int, bool]]:
        """When first visits begin that are not for a customer's cart, and whether they open one."""
        visits = expected_first_visits(self._shop.sessions, self._shop.figures, self._habits)
        browsing = round(visits * (1 - self._rates.carts))
        start, lasts = self._shop.start_ms, self._shop.duration_ms
        return sorted(
            (start + busy_time(self._random, lasts, start), number >= browsing)
            for number in range(browsing + self._levels.browser_carts)
        )

    def _plan_wish(self, customer: Person, at: int | None) -> None:
        if at is not None and at < self._shop.start_ms + self._shop.duration_ms:
            self._plan(at, lambda at: self._customer_cart(customer, at))

    def _customer_cart(self, customer: Person, at: int) -> list[Happening]:
        free = self._people.free_from(customer, at)
        if free > at:
            self._plan_wish(customer, free)
            return []
        return self._open_cart(customer, at)

    def _browser_cart(self, at: int) -> list[Happening]:
        return self._open_cart(self._people.browser_for_cart(at), at)

    def _browse(self, at: int) -> list[Happening]:
        device, channel = self._device(self._rates.mobile_browsing)
        visit = self._visit(self._people.for_browsing(at), at)
        visit.arrive(DEVICES[device], channel, self._prepare(visit))
        searched = self._maybe_search(visit, self._rates.search_other)
        if searched or self._random.random() >= self._habits.bounce:
            visit.look_around(1 + min(20, int(self._random.expovariate(1 / 2.5))))
        self._finish(visit, device, will_buy=False, searched=searched)
        return visit.written

    def _device(self, mobile: float) -> tuple[int, str]:
        device = int(self._random.random() < mobile)
        return device, "app" if device and self._random.random() < self._habits.app else "web"

    def _open_cart(self, owner: Person, at: int) -> list[Happening]:
        """What comes of a cart is drawn first, by its contents; what the visit then shows gives nothing else away."""
        random = self._random
        device, channel = self._device(self._rates.mobile_cart)
        visit = self._visit(owner, at)
        contents = fill(visit.pick, random)
        fate = draw_fate(owner, contents, at, self._levels.device[device], self._habits, self._rates, random)
        visit.arrive(DEVICES[device], channel, self._prepare(visit))
        if fate.searches:
            visit.search()
        if (left := self._people.left_carts.pop(owner.key, None)) is not None:
            visit.empty(left)
        visit.look_around(int(random.expovariate(1 / 2)) % 8)
        opened_at, opened = contents.put_into(visit)
        if random.random() < self._habits.snapshots:
            visit.snapshot()
        touched = visit.touched_ms
        if fate.emptied:
            visit.empty(visit.cart_id)
        silence = fate.draw_silence(touched, random)
        orders_at = None if silence is None else touched + max(silence, _SOONEST_ORDER)
        visit.linger(
            int(random.expovariate(1 / 2)) % 8,
            orders_at,
            checkout=not fate.emptied and random.random() < self._habits.starts_checkout,
        )
        returns_at = None
        if fate.outcome is Outcome.NOW and orders_at is not None:
            self._check_out(visit, orders_at)
        elif orders_at is not None:
            returns_at = self._expect(visit, fate.outcome, device, channel, opened, orders_at)
        else:
            self._abandon(visit, emptied=fate.emptied)
        self._note(
            CartTruth(
                opened=opened,
                session_id=visit.session_id,
                person=owner.key,
                device=DEVICES[device],
                known=owner.known,
                value=contents.value,
                lines=len(contents.kept),
                opened_at_ms=opened_at,
                touched_at_ms=touched,
                left_at_ms=visit.at_ms,
                outcome=fate.outcome,
                emptied=fate.emptied,
                order_chance=fate.order_chance,
                later_share=fate.later_share,
                store_chance=fate.store_chance,
                deliberation_ms=fate.deliberation_ms,
                pace_per_hour=owner.pace_per_hour,
                returns_at_ms=returns_at,
                orders_at_ms=orders_at,
            )
        )
        self._finish(visit, device, will_buy=fate.outcome is Outcome.NOW, searched=fate.searches)
        return visit.written

    def _abandon(self, visit: Visit, *, emptied: bool) -> None:
        owner = visit.person
        self._people.hold(owner, visit.touched_ms)
        if not emptied:
            self._people.left_carts[owner.key] = visit.cart_id
        if owner.known:
            self._plan_wish(owner, self._cadences.next_wish(owner, visit.touched_ms + COMES_BACK_WITHIN))

    def _expect(self, visit: Visit, outcome: Outcome, device: int, channel: str, opened: str, orders_at: int) -> int:
        """Plan the owner's return: to the store for the order, to the site some minutes before it."""
        cart = _Cart(
            outcome, visit.person, DEVICES[device], channel, visit.cart_id, dict(visit.lines), opened, orders_at
        )
        returns_at = orders_at
        if outcome is Outcome.LATER:
            returns_at -= self._random.randint(_SHORTEST_RETURN, _LONGEST_RETURN)
        self._people.hold(cart.person, visit.touched_ms)
        self._people.expect(cart.person, returns_at)
        self._plan(returns_at, lambda at: self._return(cart, at))
        return returns_at

    def _return(self, cart: _Cart, at: int) -> list[Happening]:
        self._people.came_back(cart.person)
        visit = self._visit(cart.person, at)
        visit.resume(cart.cart_id, cart.lines)
        if cart.outcome is Outcome.STORE:
            visit.buy_in_store()
            self._people.occupy(cart.person, visit.at_ms)
            self._plan_wish(cart.person, self._cadences.ordered(cart.person, visit.at_ms))
            return visit.written
        visit.arrive(cart.device, cart.channel)
        searched = self._maybe_search(visit, self._rates.search_buying)
        visit.linger(int(self._random.expovariate(1 / 1.5)) % 5, cart.orders_at, checkout=False)
        self._check_out(visit, cart.orders_at)
        self._finish(visit, DEVICES.index(cart.device), will_buy=True, searched=searched, comes_back=cart.opened)
        return visit.written

    def _check_out(self, visit: Visit, orders_at: int) -> None:
        visit.wait_for(orders_at)
        visit.start_checkout()
        if not visit.person.known and self._random.random() < self._habits.logs_in:
            visit.open_account(self._people.register(visit.person))
            if visit.person.would_allow_email:
                visit.grant_email()
                self._people.email[visit.person.key] = True
            if visit.person.allows_profile:
                visit.allow_personalization()
        visit.buy()
        if visit.person.known:
            self._plan_wish(visit.person, self._cadences.ordered(visit.person, visit.at_ms))

    def _visit(self, person: Person, at: int) -> Visit:
        self._visits += 1
        return Visit(self._shop, self._random, self._catalogue, self._visits, person, at)

    def _prepare(self, visit: Visit) -> str | None:
        """What precedes a first visit: the first word on consent, or a newsletter. Returns the visit's source."""
        person, email = visit.person, self._people.email
        if not person.known or not person.would_allow_email:
            return None
        if person.key not in email:
            email[person.key] = True
            visit.grant_email()
        elif email[person.key] and self._random.random() < self._habits.newsletter:
            visit.come_by_newsletter()
            return "newsletter"
        return None

    def _maybe_search(self, visit: Visit, chance: float) -> bool:
        if self._random.random() >= chance:
            return False
        visit.search()
        return True

    def _finish(
        self, visit: Visit, device: int, *, will_buy: bool, searched: bool, comes_back: str | None = None
    ) -> None:
        person = visit.person
        if self._people.email.get(person.key) and self._random.random() < self._habits.withdraws:
            self._people.email[person.key] = False
            visit.withdraw_email()
        self._people.occupy(person, visit.at_ms)
        self._note(
            SessionTruth(
                session_id=visit.session_id,
                at_ms=visit.written[0].at_ms,
                person=person.key,
                device=DEVICES[device],
                will_buy=will_buy,
                searched=searched,
                comes_back=comes_back,
            )
        )
