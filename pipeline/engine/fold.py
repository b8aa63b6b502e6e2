"""One event folded into one customer. Each handler changes a copy; an exception leaves the customer as it was."""

from collections.abc import Callable
from typing import Any

from pipeline.config.policy import SitePolicy
from pipeline.events.customer import Basis, Purpose
from pipeline.log.rejects import RejectReason
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ConsentRow,
    IdentifyRow,
    Line,
    MessageRow,
    OrderNews,
    OrderRow,
    PersonEvent,
    Report,
)
from pipeline.policy import permission
from pipeline.state import recent
from pipeline.state.cart import CART_CHANGE, PURCHASE, PURCHASE_CLOSE, PURCHASE_KEEP, CartChange, CartLine
from pipeline.state.customer import MAX_CHANNELS, MAX_ORDERS, Customer, Recent
from pipeline.triggers import cart_abandoned
from pipeline.triggers.contract import Kind, trigger_id
from pipeline.triggers.verdict import SiteNow, Verdict

DUPLICATE = "duplicate"
TOO_LATE = "too_late"
NO_CONSENT = "no_consent"

Folded = list[Verdict] | str
"""What was decided at once, or the reason for which the event was not used."""

_DIGEST = 5


class RefusedError(Exception):
    """An event that cannot be used: it goes to rejects with this reason."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def fold(customer: Customer, person: str, event: PersonEvent, site: SiteNow) -> Folded:
    """Fold an event into `customer`, in place. Raises RefusedError; any other exception is a fault of ours."""
    folded = _HANDLERS[type(event)](customer, person, event, site)
    if customer.cart is not None:
        customer.next_due = cart_abandoned.wake(customer, site)
    else:
        customer.next_due = 0
    return folded


def _click(customer: Customer, person: str, event: Click, site: SiteNow) -> Folded:
    if (event.consent or customer.grants) and not _may_collect(customer, person, event.consent, event.at, site):
        return NO_CONSENT
    known = _remember(customer, customer.clicks, event.id, event.at)
    if isinstance(known, str):
        return known
    customer.clicks = known
    _seen(customer, event, site)
    return []


def _cart(customer: Customer, person: str, event: CartRow, site: SiteNow) -> Folded:
    if (event.consent or customer.grants) and not _may_collect(customer, person, event.consent, event.at, site):
        return NO_CONSENT
    known = _remember(customer, customer.carts, event.id, event.at)
    if isinstance(known, str):
        return known
    lines = tuple(_cart_line(line, event.currency, event.at, site.policy) for line in event.lines)
    customer.carts = known
    _seen(customer, event, site)
    if event.op in (CartOp.ADD, CartOp.SNAPSHOT) and event.at > customer.cart_added:
        customer.cart_added = event.at
    if event.op == CartOp.CHECKOUT:
        return []
    change = CartChange(event.at, CART_CHANGE, event.version, event.id, event.op, lines)
    return cart_abandoned.enter(customer, change, site)


def _order(customer: Customer, _person: str, event: OrderRow, site: SiteNow) -> Folded:
    if event.news != OrderNews.PURCHASE:
        return []
    _worth(event.value, event.currency, site.policy)
    mark = recent.digest(event.order_id)
    orders = customer.orders
    if any(orders[i : i + _DIGEST] == mark for i in range(0, len(orders), _DIGEST)):
        return DUPLICATE
    customer.orders = (orders + mark)[-MAX_ORDERS * _DIGEST :]
    keep = site.policy.order.partial_order == "keep_rest"
    lines = tuple(_cart_line(line, event.currency, event.at, site.policy) for line in event.lines) if keep else ()
    change = CartChange(event.at, PURCHASE, 0, event.id, PURCHASE_KEEP if keep else PURCHASE_CLOSE, lines)
    verdicts = cart_abandoned.enter(customer, change, site)
    customer.ordered = max(customer.ordered, event.at)
    if event.offline:
        customer.ordered_offline = max(customer.ordered_offline, event.at)
        _on_channel(customer, "store", event.at)
    return verdicts


def _consent(customer: Customer, _person: str, event: ConsentRow, site: SiteNow) -> Folded:
    customer.grants = permission.record(
        customer.grants, event.purpose, event.channel, event.granted, event.basis, event.at
    )
    return [] if event.granted else cart_abandoned.withdraw(customer, event.at, site)


def _identify(customer: Customer, _person: str, event: IdentifyRow, _site: SiteNow) -> Folded:
    customer.seen = max(customer.seen, event.at)
    return []


def _message(customer: Customer, person: str, event: MessageRow, site: SiteNow) -> Folded:
    if event.report == Report.SENT:
        episode = None if customer.cart is None else customer.cart.episode
        if episode is not None:
            name = person[: person.index("|")]
            for emitted in episode.emitted:
                if trigger_id(name, Kind.CART_ABANDONED, episode.id, emitted.step) == event.trigger_id:
                    cart_abandoned.mark_sent(customer, emitted.step)
        return []
    if event.report in (Report.UNSUBSCRIBED, Report.COMPLAINED):
        customer.grants = permission.record(
            customer.grants, Purpose.MARKETING_MESSAGE, event.channel, granted=False, basis=Basis.NONE, at=event.at
        )
        return cart_abandoned.withdraw(customer, event.at, site)
    return []


_HANDLERS: dict[type, Callable[[Customer, str, Any, SiteNow], Folded]] = {
    Click: _click,
    CartRow: _cart,
    OrderRow: _order,
    ConsentRow: _consent,
    IdentifyRow: _identify,
    MessageRow: _message,
}


def _may_collect(customer: Customer, person: str, packed: int, at: int, site: SiteNow) -> bool:
    """Whether activity may be collected. A page's consent mode speaks for anonymous visitors only."""
    if packed and person[person.index("|") + 1] == "a":
        customer.grants = permission.record_consent_mode(customer.grants, packed, at)
    return permission.allowed(customer.grants, Purpose.COLLECT, "", site.policy.permission)


def _remember(customer: Customer, known: Recent, identity: str, at: int) -> Recent | str:
    """Enter an event id; the reason instead where it is known, or too old to tell."""
    mark = recent.digest(identity)
    if recent.contains(known.ring, mark):
        return DUPLICATE
    if at <= known.horizon or at <= known.newest - recent.WINDOW:
        return TOO_LATE
    newest = max(known.newest, at)
    ring, evicted = recent.append(known.ring, mark, at, newest)
    if evicted and newest - evicted <= recent.BOT_SPAN:
        customer.bot = newest
    return Recent(ring, newest, max(known.horizon, evicted))


def _seen(customer: Customer, event: Click | CartRow, site: SiteNow) -> None:
    at = event.at
    if at >= customer.seen:
        customer.seen = at
        if event.device:
            customer.device = event.device
        if event.locale:
            customer.locale = event.locale
    _on_channel(customer, event.channel or "web", at)
    cart_abandoned.touch(customer, at, site)


def _on_channel(customer: Customer, channel: str, at: int) -> None:
    channels = customer.channels
    if at > channels.get(channel, 0) and (channel in channels or len(channels) < MAX_CHANNELS):
        customer.channels = {**channels, channel: at}


def _cart_line(line: Line, currency: str, at: int, policy: SitePolicy) -> CartLine:
    worth = _worth(line.price, currency, policy) if line.price > 0 else 0
    return CartLine(line.sku, line.quantity, line.price, currency, worth, line.category, line.brand, at)


def _worth(amount: int, currency: str, policy: SitePolicy) -> int:
    """An amount in minor units of the site's base currency. Raises RefusedError where the policy has no rate."""
    if currency in ("", policy.currency):
        return amount
    rate = policy.rates.get(currency)
    if rate is None:
        raise RefusedError(
            RejectReason.UNKNOWN_CURRENCY, f"the policy has no rate for {currency}: add it to the site's rates"
        )
    return round(amount * rate)
