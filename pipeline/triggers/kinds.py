"""The kinds of triggers that the engine runs, in the order in which they take an event."""

from typing import Final

from pipeline.log.rows import PersonEvent
from pipeline.state.customer import Customer
from pipeline.triggers import cart_abandoned, personalization, win_back
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.trigger import Trigger
from pipeline.triggers.verdict import Verdict

TRIGGERS: Final[tuple[Trigger, ...]] = (cart_abandoned, win_back, personalization)


def on_event(customer: Customer, person: str, event: PersonEvent, site: SiteNow) -> list[Verdict]:
    """What each kind decides of an event at once. Called by their names: so it can be compiled to plain calls."""
    verdicts = cart_abandoned.on_event(customer, person, event, site)
    verdicts += win_back.on_event(customer, person, event, site)
    verdicts += personalization.on_event(customer, person, event, site)
    return verdicts
