"""What a kind of trigger is to the engine: a module with these functions, and two lines in `pipeline.triggers.kinds`.

All are pure. They change the customer they are given, which is a copy, and return what they decided.
"""

from typing import Protocol

from pipeline.log.rows import PersonEvent
from pipeline.state.customer import Customer
from pipeline.triggers.contract import Kind
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict


class Trigger(Protocol):
    """A kind of trigger. Its memory is a section of the customer value."""

    @property
    def KIND(self) -> Kind:  # noqa: N802  # a constant of the module
        """Which kind; also the name of its topic."""

    def on_event(self, customer: Customer, person: str, event: PersonEvent, site: SiteNow) -> list[Verdict]:
        """Take an event, after the profile has. Returns what it decides at once: cancellations.

        Where `settle` must be called sooner than before, it says so with `wake_by`; it need not put a wake off.

        Raises RefusedError for an event that cannot be used.
        """

    def wake(self, customer: Customer, site: SiteNow) -> int:
        """When the clock must call `settle`, epoch milliseconds, 0 for not at all. Never later than what it decides."""

    def settle(self, customer: Customer, person: str, site: SiteNow, /) -> list[Verdict]:
        """Decide all that the clock has passed. Called again at the same clock it decides nothing more."""

    def lapse(self, customer: Customer, site: SiteNow) -> int:
        """When this kind must look again at a person of whom anything is held though orders are silent, 0 for never."""
