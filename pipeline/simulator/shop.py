"""The simulated shop at work: draws who visits when, and what comes of it; yields events in time order."""

import math
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from pipeline.config.durations import DAY, HOUR
from pipeline.events.envelope import Item
from pipeline.simulator.catalogue import Catalogue
from pipeline.simulator.happening import Happening
from pipeline.simulator.parameters import COMES_BACK_WITHIN, DEVICES, SimulatedShop
from pipeline.simulator.people import People, Person
from pipeline.simulator.rates import expected_first_visits, solve
from pipeline.simulator.truth import CartTruth, Outcome, SessionTruth, Truth
from pipeline.simulator.visit import Visit

_BUSIEST_HOUR = 20


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


class _Shop:
    def __init__(self, shop: SimulatedShop, note: Callable[[Truth], None]) -> None:
        self._shop = shop
        self._note = note
        self._habits = shop.habits
        self._rates = solve(shop.figures, shop.habits)
        self._random = Random(shop.seed)  # noqa: S311 - a simulation has to be repeatable
        self._catalogue = Catalogue(shop, self._random)
        self._people = People(shop, self._random)
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
        for start in self._first_visit_times():
            yield from self._work_off(start)
            self._put(self._first_visit(start))
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

    def _first_visit_times(self) -> list[int]:
        count = expected_first_visits(self._shop.sessions, self._shop.figures, self._habits)
        times: list[int] = []
        while len(times) < count:
            at = self._shop.start_ms + self._random.randrange(self._shop.duration_ms)
            angle = (at % DAY / HOUR - _BUSIEST_HOUR) * math.pi / 12
            if self._random.random() < 0.6 + 0.4 * math.cos(angle):
                times.append(at)
        return sorted(times)

    def _first_visit(self, at: int) -> list[Happening]:
        random, rates = self._random, self._rates
        device = int(random.random() < rates.mobile_first)
        channel = "app" if device and random.random() < self._habits.app else "web"
        opens_cart = random.random() < rates.cart[device]
        person = self._people.for_cart(at) if opens_cart else self._people.for_browsing(at)
        visit = self._visit(person, at)
        source = self._prepare(visit)
        visit.arrive(DEVICES[device], channel, source)
        if opens_cart:
            self._cart_visit(visit, device, channel)
        else:
            searched = self._maybe_search(visit, rates.search_other)
            if searched or random.random() >= self._habits.bounce:
                visit.look_around(1 + min(20, int(random.expovariate(1 / 2.5))))
            self._finish(visit, device, will_buy=False, searched=searched)
        return visit.written

    def _cart_visit(self, visit: Visit, device: int, channel: str) -> None:
        random, rates = self._random, self._rates
        outcome = self._outcome(visit.person, device)
        buys = outcome is Outcome.NOW
        searched = self._maybe_search(visit, rates.search_buying if buys else rates.search_other)
        if (left := self._people.left_carts.pop(visit.person.key, None)) is not None:
            visit.empty(left)
        visit.look_around(int(random.expovariate(1 / 2)) % 8)
        opened = visit.add()
        opened_at = visit.at_ms
        for _ in range(random.choice((0, 0, 0, 1, 1, 2, 3))):
            visit.add()
        if random.random() < 0.2:
            visit.remove()
        if random.random() < self._habits.snapshots:
            visit.snapshot()
        owner = visit.person
        cart = _Cart(outcome, owner, DEVICES[device], channel, visit.cart_id, dict(visit.lines), opened)
        if buys:
            self._check_out(visit)
        else:
            self._leave(visit, cart)
        returns_at = None
        if outcome in (Outcome.LATER, Outcome.STORE):
            returns_at = visit.at_ms + self._time_to_return(owner)
            self._people.expect(owner, returns_at)
            self._plan(returns_at, lambda at: self._return(cart, at))
        self._note(
            CartTruth(
                opened=opened,
                session_id=visit.session_id,
                person=owner.key,
                device=DEVICES[device],
                opened_at_ms=opened_at,
                left_at_ms=visit.at_ms,
                outcome=outcome,
                later_chance=rates.later[device],
                pace_per_hour=owner.pace_per_hour,
                returns_at_ms=returns_at,
            )
        )
        self._finish(visit, device, will_buy=buys, searched=searched)

    def _outcome(self, person: Person, device: int) -> Outcome:
        draw = self._random.random
        if draw() < self._rates.now[device]:
            return Outcome.NOW
        if draw() < self._rates.later[device]:
            return Outcome.LATER
        if person.known and draw() < self._habits.bought_in_store:
            return Outcome.STORE
        return Outcome.ABANDONED

    def _leave(self, visit: Visit, cart: _Cart) -> None:
        if self._random.random() < self._habits.starts_checkout:
            visit.start_checkout()
        if cart.outcome is Outcome.ABANDONED:
            if self._random.random() < self._habits.empties:
                visit.empty(cart.cart_id)
            else:
                self._people.left_carts[visit.person.key] = cart.cart_id

    def _return(self, cart: _Cart, at: int) -> list[Happening]:
        self._people.came_back(cart.person)
        visit = self._visit(cart.person, at)
        visit.resume(cart.cart_id, cart.lines)
        if cart.outcome is Outcome.STORE:
            visit.buy_in_store()
            self._people.occupy(cart.person, visit.at_ms)
            return visit.written
        visit.arrive(cart.device, cart.channel)
        searched = self._maybe_search(visit, self._rates.search_buying)
        visit.look_around(int(self._random.expovariate(1 / 1.5)) % 5)
        self._check_out(visit)
        self._finish(visit, DEVICES.index(cart.device), will_buy=True, searched=searched, comes_back=cart.opened)
        return visit.written

    def _check_out(self, visit: Visit) -> None:
        visit.start_checkout()
        if not visit.person.known and self._random.random() < self._habits.logs_in:
            visit.open_account(self._people.register(visit.person))
            if visit.person.would_allow_email:
                visit.grant_email()
                self._people.email[visit.person.key] = True
            if visit.person.allows_profile:
                visit.allow_personalization()
        visit.buy()

    def _time_to_return(self, person: Person) -> int:
        """Exponential with the person's pace, cut at COMES_BACK_WITHIN, in milliseconds."""
        pace = person.pace_per_hour / HOUR
        within = -math.expm1(-pace * COMES_BACK_WITHIN)
        return max(1, math.floor(-math.log1p(-self._random.random() * within) / pace))

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
