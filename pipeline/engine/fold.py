"""One event folded into one customer: the profile takes it, then each kind of trigger does.

The customer is a copy that is changed in place, so that an exception leaves the customer as it was.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pipeline.events.customer import Basis, Purpose
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ConsentRow,
    IdentifyRow,
    MessageRow,
    OrderNews,
    OrderRow,
    PersonEvent,
    Report,
)
from pipeline.policy import permission
from pipeline.state import recent
from pipeline.state.customer import MAX_CHANNELS, MAX_ORDERS, NEVER, Customer, Grants, Recent, wake_by
from pipeline.triggers.kinds import TRIGGERS
from pipeline.triggers.verdict import SiteNow, Verdict

DUPLICATE = "duplicate"
TOO_LATE = "too_late"
NO_CONSENT = "no_consent"

Folded = list[Verdict] | str
"""What was decided at once, or the reason for which the event was not used."""

_DIGEST = 5
_COLLECT = Purpose.COLLECT


def fold(customer: Customer, person: str, event: PersonEvent, site: SiteNow) -> Folded:
    """Fold an event into `customer`, in place. Raises RefusedError; any other exception is a fault of ours."""
    refusal = _HANDLERS[type(event)](customer, person, event, site)
    if refusal is not None:
        return refusal
    verdicts: list[Verdict] = []
    for trigger in TRIGGERS:
        if decided := trigger.on_event(customer, person, event, site):
            verdicts += decided
    return verdicts


def settle(customer: Customer, site: SiteNow) -> list[Verdict]:
    """Let time pass for a customer, in place, up to the site's clock."""
    verdicts = [verdict for trigger in TRIGGERS for verdict in trigger.settle(customer, site)]
    customer.next_due = NEVER
    for trigger in TRIGGERS:
        wake_by(customer, trigger.wake(customer, site))
    return verdicts


def lapse(customer: Customer, site: SiteNow) -> int:
    """When what is held must be looked at again though orders are silent, 0 where nothing is."""
    return min((end for trigger in TRIGGERS if (end := trigger.lapse(customer, site))), default=0)


def _click(customer: Customer, person: str, event: Click, site: SiteNow) -> str | None:
    if not _may_collect(customer, person, event.consent, event.at, site):
        return NO_CONSENT
    known = _remember(customer, customer.clicks, event.id, event.at)
    if isinstance(known, str):
        return known
    customer.clicks = known
    _seen(customer, event)
    return None


def _cart(customer: Customer, person: str, event: CartRow, site: SiteNow) -> str | None:
    if not _may_collect(customer, person, event.consent, event.at, site):
        return NO_CONSENT
    known = _remember(customer, customer.carts, event.id, event.at)
    if isinstance(known, str):
        return known
    customer.carts = known
    _seen(customer, event)
    if event.op in (CartOp.ADD, CartOp.SNAPSHOT) and event.at > customer.cart_added:
        customer.cart_added = event.at
    return None


def _order(customer: Customer, _person: str, event: OrderRow, _site: SiteNow) -> str | None:
    if event.news != OrderNews.PURCHASE:
        return None
    mark = recent.digest(event.order_id)
    orders = customer.orders
    if any(orders[i : i + _DIGEST] == mark for i in range(0, len(orders), _DIGEST)):
        return DUPLICATE
    customer.orders = (orders + mark)[-MAX_ORDERS * _DIGEST :]
    customer.ordered = max(customer.ordered, event.at)
    if event.offline:
        customer.ordered_offline = max(customer.ordered_offline, event.at)
        _on_channel(customer, "store", event.at)
    return None


def _consent(customer: Customer, _person: str, event: ConsentRow, site: SiteNow) -> str | None:
    customer.grants = permission.record(
        customer.grants, event.purpose, event.channel, event.granted, event.basis, event.at, _judged(customer, site)
    )
    customer.page_consent = 0
    return None


def _identify(customer: Customer, _person: str, event: IdentifyRow, _site: SiteNow) -> str | None:
    customer.seen = max(customer.seen, event.at)
    return None


def _message(customer: Customer, _person: str, event: MessageRow, site: SiteNow) -> str | None:
    if event.report in (Report.UNSUBSCRIBED, Report.COMPLAINED):
        customer.grants = permission.record(
            customer.grants,
            Purpose.MARKETING_MESSAGE,
            event.channel,
            granted=False,
            basis=Basis.NONE,
            at=event.at,
            settled=_judged(customer, site),
        )
    return None


_HANDLERS: dict[type, Callable[[Customer, str, Any, SiteNow], str | None]] = {
    Click: _click,
    CartRow: _cart,
    OrderRow: _order,
    ConsentRow: _consent,
    IdentifyRow: _identify,
    MessageRow: _message,
}
"""Each takes an event into the profile, and returns the reason for which it was not used, if it was not."""


def _may_collect(customer: Customer, person: str, packed: int, at: int, site: SiteNow) -> bool:
    """Whether activity may be collected. A page's consent mode speaks for anonymous visitors only."""
    rules = site.policy.permission
    words = customer.grants.get(_COLLECT)
    if packed and person[person.index("|") + 1] == "a":
        if packed == customer.page_consent and words is not None and words[-1].at <= at:
            return words[-1].granted and words[-1].basis in rules.accepted.get(_COLLECT, ())
        _say(customer, packed, at, site)
        if not _consent_mode(packed).get(_COLLECT, True):
            return False
    elif words is None:
        return _COLLECT in rules.without_record
    return permission.allowed(customer.grants, _COLLECT, "", rules, at)


def _say(customer: Customer, packed: int, at: int, site: SiteNow) -> None:
    """Enter what a page says of consent, where it is news."""
    said = _consent_mode(packed)
    if not _repeats(said, customer.grants, at):
        customer.grants = permission.record_consent_mode(customer.grants, said, at, _judged(customer, site))
    newest = all(customer.grants[purpose][-1].granted == granted for purpose, granted in said.items())
    customer.page_consent = packed if newest else 0


_consent_mode = lru_cache(maxsize=1024)(permission.consent_mode)


def _repeats(said: Mapping[Purpose, bool], grants: Grants, at: int) -> bool:
    """Whether a page says once more the only word that is known of each purpose."""
    for purpose, granted in said.items():
        words = grants.get(purpose)
        if words is None or len(words) != 1 or words[0].granted != granted or words[0].at > at:
            return False
    return True


def _judged(customer: Customer, site: SiteNow) -> int:
    """The time up to which nothing of the customer is judged any more: the clock, unless a step is held."""
    return min(site.clock, customer.next_due - 1) if customer.next_due else site.clock


def _remember(customer: Customer, known: Recent, identity: str, at: int) -> Recent | str:
    """Enter an event id; the reason instead where it is known, or too old to tell."""
    ring, mark = known.ring, recent.digest(identity)
    if mark in ring and recent.contains(ring, mark):
        return DUPLICATE
    newest = known.newest
    if at <= known.horizon or at <= newest - recent.WINDOW:
        return TOO_LATE
    ring, evicted = recent.append(ring, mark, at, newest)
    if at > newest:
        newest = at
    if not evicted:
        return Recent(ring, newest, known.horizon)
    if newest - evicted <= recent.BOT_SPAN:
        customer.bot = newest
    return Recent(ring, newest, max(known.horizon, evicted))


def _seen(customer: Customer, event: Click | CartRow) -> None:
    at, channel = event.at, event.channel or "web"
    if at < customer.seen:
        if channel != customer.channel:
            _on_channel(customer, channel, at)
        return
    if channel != customer.channel:
        if customer.channel:
            _on_channel(customer, customer.channel, customer.seen)
        customer.channel = channel
    customer.seen = at
    if event.device:
        customer.device = event.device
    if event.locale:
        customer.locale = event.locale


def _on_channel(customer: Customer, channel: str, at: int) -> None:
    channels = customer.channels
    if at > channels.get(channel, 0) and (channel in channels or len(channels) < MAX_CHANNELS):
        customer.channels = {**channels, channel: at}
