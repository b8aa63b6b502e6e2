"""One event folded into one customer: the profile takes it, then each kind of trigger does.

The customer is a copy that is changed in place, so that an exception leaves the customer as it was.
"""

from typing import Final

from pipeline.engine import heads
from pipeline.engine.intake import HANDLERS, KNOWN_ORDER, click, may_profile
from pipeline.log.rows import CartRow, Click, OrderRow, PersonEvent
from pipeline.profile.days import day_of, start_of
from pipeline.profile.funnel import Stage, stage_at
from pipeline.profile.orders import next_fall, roll
from pipeline.state.customer import NEVER, Customer
from pipeline.state.wake import wake_by
from pipeline.triggers import personalization
from pipeline.triggers.cart_content import filled
from pipeline.triggers.cart_judgement import BOT_MEMORY
from pipeline.triggers.contract import Kind, Outcome
from pipeline.triggers.kinds import TRIGGERS, on_event
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict

Folded = list[Verdict] | str
"""What was decided at once, or the reason for which the event was not used."""


# In compiled code a constant is at hand, a global is looked up at each use.
_CLICK: Final = Click
_ORDER: Final = OrderRow
_CART_CHANGE: Final = CartRow
_CART: Final = Kind.CART_ABANDONED
_EMITTED: Final = Outcome.EMITTED
_AWARENESS: Final = int(Stage.AWARENESS)
_CONSIDERATION: Final = int(Stage.CONSIDERATION)


def fold(customer: Customer, person: str, event: PersonEvent, site: SiteNow) -> Folded:
    """Fold an event into `customer`, in place. Raises RefusedError; any other exception is a fault of ours."""
    known, before = customer.tastes, customer.orders
    refusal: str | None
    if type(event) is _CLICK:  # nine of ten events
        refusal = click(customer, person, event, site)
    else:
        refusal = HANDLERS[type(event)](customer, person, event, site)
    if type(event) is _ORDER and (refusal is None or refusal is KNOWN_ORDER):
        heads.correct(customer, before, event, site)
    if refusal is KNOWN_ORDER:
        _advance(customer, event.at, site)
        return []
    if refusal is not None:
        return refusal
    if may_profile(customer, event.at, site) and not (customer.bot and abs(event.at - customer.bot) < BOT_MEMORY):
        heads.take(customer, known, person, event, site)
    elif type(event) is _ORDER:
        heads.miss(customer, event)
    verdicts = on_event(customer, person, event, site)
    if type(event) is not _CLICK or customer.stage < (_CONSIDERATION if customer.interested else _AWARENESS):
        _advance(customer, event.at, site)
    if type(event) is _CART_CHANGE and not filled(customer.cart):
        heads.empty(customer, event.at)
    return verdicts


def forbid(customer: Customer, event: PersonEvent, site: SiteNow) -> list[Verdict]:
    """Take what a page forbids with an event that is not used otherwise, for want of consent."""
    return personalization.withdraw(customer, event.at, site)


def settle(customer: Customer, person: str, site: SiteNow) -> list[Verdict]:
    """Let time pass for a customer, in place, up to the site's clock."""
    verdicts = [verdict for trigger in TRIGGERS for verdict in trigger.settle(customer, person, site)]
    for verdict in verdicts:
        if verdict.kind is _CART and verdict.outcome is _EMITTED:
            heads.leave(customer, verdict.due)
    heads.settle(customer, site)
    if customer.orders is not None:
        customer.orders = roll(customer.orders, day_of(site.clock, site.policy.timezone))
    stage, lapses = stage_at(customer, site.clock, filled=filled(customer.cart))
    customer.stage = stage if customer.stage else 0
    customer.next_due = NEVER
    wake_by(customer, lapses)
    wake_by(customer, _next_fall(customer, site))
    wake_by(customer, heads.wake(customer, site))
    for trigger in TRIGGERS:
        wake_by(customer, trigger.wake(customer, site))
    return verdicts


def lapse(customer: Customer, site: SiteNow) -> int:
    """When what is held must be looked at again though orders are silent, 0 where nothing is."""
    ends = [trigger.lapse(customer, site) for trigger in TRIGGERS]
    return min((end for end in (*ends, heads.wake(customer, site), customer.session_due) if end), default=0)


def _advance(customer: Customer, at: int, site: SiteNow) -> None:
    """Enter the stage of the funnel, and have the clock look again when it or a rolling sum falls."""
    stage, lapses = stage_at(customer, max(at, site.clock), filled=filled(customer.cart))
    if stage != customer.stage:
        customer.stage = stage
        wake_by(customer, lapses)
    wake_by(customer, _next_fall(customer, site))


def _next_fall(customer: Customer, site: SiteNow) -> int:
    orders = customer.orders
    if orders is None or not (day := next_fall(orders)):
        return NEVER
    return start_of(day, site.policy.timezone)
