"""Who visits the simulated shop: customers and browsers, who of them is free, and what they have said and left."""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from pipeline.config.durations import HOUR
from pipeline.log.persons import anonymous_key, customer_key
from pipeline.simulator.catalogue import CATEGORIES
from pipeline.simulator.laws import MIDDLE_PACE
from pipeline.simulator.parameters import COMES_BACK_WITHIN, Habits, SimulatedShop

_TRIES = 8
_PACE_SIGMA = 0.8


class Person(NamedTuple):
    """A visitor: a customer where `known`, else a browser. `key` is the person key."""

    key: str
    id: str
    known: bool
    allows_profile: bool
    would_allow_email: bool
    taste: str
    """The category that this person likes best."""
    pace_per_hour: float
    """How soon this person comes back for a cart: the rate of an exponential."""
    inclination: float
    """How readily this person orders what is in a cart: standard normal."""


class People:
    """Everyone, and what they are up to. A person makes one visit at a time and has one cart at a time."""

    def __init__(self, shop: SimulatedShop, random: Random) -> None:
        self._site = shop.site_id
        self._habits: Habits = shop.habits
        self._random = random
        self._seed = shop.seed
        self._registered = shop.customers
        self._customers: dict[int, Person] = {}
        self._browsers: list[Person] = []
        self._turned_customer: set[str] = set()
        self._busy_until: dict[str, int] = {}
        self._returns_at: dict[str, int] = {}
        self._held_until: dict[str, int] = {}
        self.left_carts: dict[str, str] = {}
        """Cart ids of the carts that people left full, by person key."""
        self.email: dict[str, bool] = {}
        """Whether a person allows marketing by email, by person key, once it was said."""

    def for_browsing(self, at_ms: int) -> Person:
        """Somebody who may look around at this time."""
        return self._somebody(lambda person: self._free(person, at_ms))

    def browser_for_cart(self, at_ms: int) -> Person:
        """An anonymous visitor who may open a cart at this time."""
        for _ in range(_TRIES):
            browser = self._any_browser()
            if self._held_until.get(browser.key, 0) <= at_ms and self._free(browser, at_ms):
                return browser
        return self._new_browser()

    def free_from(self, person: Person, at_ms: int) -> int:
        """When this person is next between two visits, at this time or later."""
        return max(at_ms, self._busy_until.get(person.key, 0) + 1)

    def occupy(self, person: Person, until_ms: int) -> None:
        """This person is visiting until then."""
        self._busy_until[person.key] = until_ms

    def hold(self, person: Person, touched_ms: int) -> None:
        """This person has left a cart that was touched at this time, and opens no other for long."""
        self._held_until[person.key] = touched_ms + COMES_BACK_WITHIN

    def expect(self, person: Person, at_ms: int) -> None:
        """This person comes back for the cart at this time."""
        self._returns_at[person.key] = at_ms

    def came_back(self, person: Person) -> None:
        """This person has come back for the cart."""
        self._returns_at.pop(person.key, None)
        self._held_until.pop(person.key, None)

    def customers(self) -> Iterator[Person]:
        """Everyone who has an account."""
        for index in range(self._registered):
            yield self._customer(index)

    def register(self, browser: Person) -> Person:
        """The new customer that a browser turns out to be."""
        customer = self._customer(self._registered)._replace(
            allows_profile=browser.allows_profile,
            would_allow_email=browser.would_allow_email,
            taste=browser.taste,
            pace_per_hour=browser.pace_per_hour,
            inclination=browser.inclination,
        )
        self._customers[self._registered] = customer
        self._registered += 1
        self._turned_customer.add(browser.key)
        return customer

    def _somebody(self, suits: Callable[[Person], bool]) -> Person:
        for _ in range(_TRIES):
            person = self._anybody()
            if suits(person):
                return person
        return self._new_browser()

    def _anybody(self) -> Person:
        if self._registered and self._random.random() < self._habits.known_visits:
            return self._customer(int(self._registered * self._random.random() ** 1.6))
        return self._any_browser()

    def _any_browser(self) -> Person:
        if self._browsers and self._random.random() < self._habits.familiar_browser:
            return self._random.choice(self._browsers)
        return self._new_browser()

    def _free(self, person: Person, at_ms: int) -> bool:
        if self._busy_until.get(person.key, 0) > at_ms or person.key in self._turned_customer:
            return False
        # Whoever comes back soon does nothing else before.
        returns_at = self._returns_at.get(person.key)
        return returns_at is None or returns_at >= at_ms + HOUR

    def _customer(self, index: int) -> Person:
        found = self._customers.get(index)
        if found is None:
            customer_id = f"customer-{index:06d}"
            found = self._customers[index] = self._person(
                customer_key(self._site, customer_id), customer_id, known=True
            )
        return found

    def _new_browser(self) -> Person:
        anonymous_id = f"browser-{self._seed}-{len(self._browsers):07d}"
        person = self._person(anonymous_key(self._site, anonymous_id), anonymous_id, known=False)
        self._browsers.append(person)
        return person

    def _person(self, key: str, person_id: str, *, known: bool) -> Person:
        return Person(
            key,
            person_id,
            known,
            self._random.random() < self._habits.allows_profile,
            self._random.random() < self._habits.grants_email,
            self._random.choice(CATEGORIES),
            self._random.lognormvariate(0, _PACE_SIGMA) * MIDDLE_PACE,
            self._random.gauss(0, 1),
        )
