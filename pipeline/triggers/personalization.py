"""Live personalization: what to show a person on site, said anew when what it goes by has changed.

What a person does is judged when it is read; only what comes too soon after the last trigger waits for the clock.
"""

from typing import Final

from msgspec.structs import replace

from pipeline.events.customer import Channel
from pipeline.log.consent import pack
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ClickKind,
    ConsentRow,
    IdentifyRow,
    OrderNews,
    OrderRow,
    PersonEvent,
)
from pipeline.state.cart import CartLine
from pipeline.state.customer import NEVER, Customer
from pipeline.state.shown import Shown, Standing, Told, Waiting
from pipeline.state.wake import wake_by
from pipeline.triggers.contract import Kind, Outcome, Reason
from pipeline.triggers.personalization_gates import REASONS, Refusal, permitted, refusal_of
from pipeline.triggers.personalization_moment import (
    PROMPTS,
    SEARCHES,
    moment_of,
    standing_of,
    suggested,
    unhurried,
    urgent,
)
from pipeline.triggers.scored import intent_said
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict

KIND: Final = Kind.PERSONALIZATION

_STEP: Final = 1
_CHANNEL: Final = Channel.ONSITE.value
_NOTHING: Final = Shown()
_NOWHERE: Final = Standing()
_REFUSING: Final = pack(("denied", "denied"))
"""Bits of a page's consent mode: it refuses a profile, or personalization."""

_SEARCH: Final = int(ClickKind.SEARCH)
_EXIT_INTENT: Final = int(ClickKind.EXIT_INTENT)
_LOOKS: Final = frozenset({int(ClickKind.VIEW_ITEM), int(ClickKind.ADD_TO_WISHLIST), int(ClickKind.LIKE)})
_IDLE: Final = frozenset(
    map(int, (ClickKind.PAGE_VIEW, ClickKind.VIEW_ITEM_LIST, ClickKind.VIEW_CONTENT, ClickKind.APP_OPEN))
)
_NO_CLICK: Final = 0
_ADD: Final = int(CartOp.ADD)
_PURCHASE: Final = int(OrderNews.PURCHASE)


def on_event(customer: Customer, person: str, event: PersonEvent, site: SiteNow) -> list[Verdict]:
    """Judge what a person does: a click, a change of the cart, a purchase, a login. Take a withdrawal."""
    if type(event) is Click:
        click = event.kind
        if click in _LOOKS:
            _found(customer)
        elif click == _SEARCH:
            _searched(customer)
    elif type(event) is CartRow:
        click = _NO_CLICK
        if event.op == _ADD:
            _found(customer)
    elif isinstance(event, ConsentRow):
        return withdraw(customer, event.at, site)
    elif isinstance(event, IdentifyRow) or (isinstance(event, OrderRow) and event.news == _PURCHASE):
        return _take(customer, person, event, _NO_CLICK, site)
    else:
        return []
    if event.consent & _REFUSING and (taken_back := withdraw(customer, event.at, site)):
        return taken_back + _take(customer, person, event, click, site)
    return _take(customer, person, event, click, site)


def wake(customer: Customer, site: SiteNow) -> int:
    """When what came too soon is judged."""
    shown = customer.shown
    if shown is None or shown.waiting is None or shown.told is None:
        return NEVER
    return shown.told.at + site.policy.personalization.throttle


def settle(customer: Customer, person: str, site: SiteNow) -> list[Verdict]:
    """Judge what came too soon, as of the moment from which on it is not."""
    shown = customer.shown
    if shown is None or (waiting := shown.waiting) is None or (due := wake(customer, site)) > site.clock:
        return []
    return _judge(customer, person, waiting.episode, due, site, leaving=waiting.leaving)


def lapse(customer: Customer, site: SiteNow) -> int:
    """Nothing of this kind is held; but what came too soon must not wait for a cart that is."""
    return wake(customer, site)


def withdraw(customer: Customer, at: int, site: SiteNow) -> list[Verdict]:
    """Cancel what was emitted and has not expired, if a word that was said at `at` took the permission away."""
    shown = customer.shown
    if shown is None or (told := shown.told) is None or not told.lasts:
        return []
    expires, now = told.at + told.lasts, max(at, told.at, site.clock)
    if at >= expires or permitted(customer.grants, now, site.permission):
        return []
    customer.shown = replace(shown, told=replace(told, lasts=0))
    reason = Reason.WITHDRAWN
    return [Verdict(KIND, Outcome.CANCELLED, reason, told.episode, _STEP, at, told.at, expires, _CHANNEL)]


def _take(
    customer: Customer,
    person: str,
    event: Click | CartRow | OrderRow | IdentifyRow,
    click: int,
    site: SiteNow,
) -> list[Verdict]:
    """Judge an event now, or have it wait. An idle `click` says nothing of what a person is drawn to."""
    at, rules = event.at, site.policy.personalization
    if not 0 < customer.born < at or at + rules.expires_after <= site.clock:
        return []  # the first event of a visitor; or one of long ago, when there is nobody to show anything
    shown = customer.shown
    if shown is not None and (told := shown.told) is not None:
        waiting = shown.waiting
        if waiting is None and click in _IDLE and told.lasts and at < told.at + told.lasts and not shown.refused:
            return []
        if at < told.at + rules.throttle:
            if waiting is None or at >= waiting.at:
                hurried = Waiting(event.id, at, click == _EXIT_INTENT)
                customer.shown = Shown(shown.refused, shown.searches, hurried, told)
                wake_by(customer, told.at + rules.throttle)
            return []
    return _judge(customer, person, event.id, at, site, leaving=click == _EXIT_INTENT)


def _searched(customer: Customer) -> None:
    """Count the searches in a row with which no product was found."""
    shown = customer.shown or _NOTHING
    if shown.searches < SEARCHES:
        customer.shown = replace(shown, searches=shown.searches + 1)


def _found(customer: Customer) -> None:
    shown = customer.shown
    if shown is not None and shown.searches:
        customer.shown = replace(shown, searches=0)


def _judge(customer: Customer, person: str, episode: str, at: int, site: SiteNow, *, leaving: bool) -> list[Verdict]:
    """Say what to show, if it may be said and is not what was said last. Nothing waits any more then."""
    shown = customer.shown or _NOTHING
    refusal = refusal_of(customer, at, site)
    if refusal is not None:
        if shown.refused == refusal and shown.waiting is None:
            return []  # said before: so it is with most visitors
        return _refuse(customer, shown, refusal, episode, at)
    told = shown.told
    last = _NOWHERE if told is None else told.standing
    standing = standing_of(customer, last, at, site)
    action = urgent(standing, shown.searches, leaving=leaving)
    if standing == last and _stands(shown) and (action is None or (told is not None and action == told.action)):
        if shown.waiting is not None:
            customer.shown = Shown(0, shown.searches, None, told)
        return []
    lasts = int(site.policy.personalization.expires_after)
    expires = at + lasts
    if expires <= site.clock:
        customer.shown = Shown(shown.refused, shown.searches, None, told)
        return [Verdict(KIND, Outcome.EXPIRED, Reason.EXPIRED, episode, _STEP, at, at, expires, _CHANNEL)]
    action = action or unhurried(customer, person, standing, told, at, site)
    prompted = at if action in PROMPTS else NEVER if told is None else told.prompted
    customer.shown = Shown(0, shown.searches, None, Told(at, lasts, episode, action.value, standing, prompted))
    lines, moment = _lines(standing, site), moment_of(standing)
    return [
        Verdict(
            KIND,
            Outcome.EMITTED,
            Reason.CHANGED,
            episode,
            _STEP,
            at,
            at,
            expires,
            _CHANNEL,
            lines,
            moment=moment,
            action=action,
            scores=intent_said(customer, at, site),
            suggestions=suggested(customer, site),
        )
    ]


def _stands(shown: Shown) -> bool:
    """Whether what was told last was neither cancelled nor refused since."""
    return shown.told is not None and shown.told.lasts > 0 and not shown.refused


def _lines(standing: Standing, site: SiteNow) -> tuple[CartLine, ...]:
    """The items to show; what they cost now is for the catalogue."""
    lines = []
    for sku in standing.items:
        product = site.product(sku)
        if product is None:
            lines.append(CartLine(sku, 1, -1, "", 0, "", "", 0))
        else:
            lines.append(CartLine(sku, 1, -1, product.currency, 0, product.category, product.brand, 0))
    return tuple(lines)


def _refuse(customer: Customer, shown: Shown, refusal: Refusal, episode: str, at: int) -> list[Verdict]:
    """Say once that nothing may be shown, and why; then nothing until that changes. Nothing waits any more."""
    customer.shown = Shown(int(refusal), shown.searches, None, shown.told)
    if shown.refused == refusal:
        return []
    return [Verdict(KIND, Outcome.SUPPRESSED, REASONS[refusal], episode, _STEP, at, at, 0, _CHANNEL)]
