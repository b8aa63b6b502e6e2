"""An event taken into the profile, before any trigger sees it: seen, deduplicated, permitted, remembered.

Each handler changes the customer in place, and returns the reason for which the event was not used, if it was not.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from pipeline.events.customer import Basis, Purpose
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ClickKind,
    ConsentRow,
    IdentifyRow,
    Line,
    MessageRow,
    OrderNews,
    OrderRow,
    Report,
)
from pipeline.policy import permission
from pipeline.profile import tastes
from pipeline.profile.days import day_of
from pipeline.profile.money import in_base_currency
from pipeline.profile.orders import Arrived, take
from pipeline.state import recent
from pipeline.state.customer import MAX_CHANNELS, MAX_LOGINS, MAX_WISHES, Customer, Grant, Grants, Recent
from pipeline.state.orders import Orders
from pipeline.triggers.site_now import SiteNow

DUPLICATE: Final = "duplicate"
TOO_LATE: Final = "too_late"
NO_CONSENT: Final = "no_consent"
NO_RATE: Final = "no_rate"
"""An order or a product in a currency that the policy has no rate for: it counts, its money does not."""

KNOWN_ORDER: Final = "known_order"
"""News of an order that is known: the profile takes it, the cart was closed before."""

_COLLECT: Final = Purpose.COLLECT
_PROFILE: Final = Purpose.PROFILE
_CONSENT: Final = Basis.CONSENT.value


def click(customer: Customer, person: str, event: Click, site: SiteNow) -> str | None:
    """Take a click into the profile. Returns the reason for which it was not used, if it was not."""
    at, kind = event.at, event.kind
    if not _may_collect(customer, person, event.consent, at, site):
        return NO_CONSENT
    known = _remember(customer, customer.clicks, event.id, at)
    if isinstance(known, str):
        return known
    customer.clicks = known
    _seen(customer, event)
    weight = _WEIGHTS.get(kind)
    if weight is None:
        return None
    if at > customer.interested:
        customer.interested = at
    if kind == _ADD_TO_WISHLIST:
        for line in event.lines:
            customer.wishes = (*(wish for wish in customer.wishes if wish != line.sku), line.sku)[-MAX_WISHES:]
    if kind != _SEARCH and may_profile(customer, at, site):
        if kind == _VIEW_CATEGORY:
            customer.tastes = tastes.touched(customer.tastes, weight, at, site.half_life, event.subject)
        else:
            _touch_lines(customer, event.lines, weight, at, "", site)
    return None


_ADD_TO_WISHLIST: Final = int(ClickKind.ADD_TO_WISHLIST)
_VIEW_CATEGORY: Final = int(ClickKind.VIEW_CATEGORY)
_SEARCH: Final = int(ClickKind.SEARCH)
_WEIGHTS: Final[dict[int, int]] = {
    ClickKind.VIEW_ITEM: tastes.VIEWED,
    ClickKind.VIEW_CATEGORY: tastes.VIEWED,
    ClickKind.SEARCH: tastes.VIEWED,
    ClickKind.ADD_TO_WISHLIST: tastes.WISHED,
    ClickKind.LIKE: tastes.WISHED,
}
"""Clicks that are about products. A list that was merely shown says nothing of the person."""


def _cart(customer: Customer, person: str, event: CartRow, site: SiteNow) -> str | None:
    if not _may_collect(customer, person, event.consent, event.at, site):
        return NO_CONSENT
    known = _remember(customer, customer.carts, event.id, event.at)
    if isinstance(known, str):
        return known
    customer.carts = known
    _seen(customer, event)
    if event.op in (CartOp.ADD, CartOp.SNAPSHOT) and event.lines:
        customer.cart_added = max(customer.cart_added, event.at)
        customer.interested = max(customer.interested, event.at)
    if event.op == CartOp.ADD and may_profile(customer, event.at, site):
        _touch_lines(customer, event.lines, tastes.CARTED, event.at, event.currency, site)
    return None


def _order(customer: Customer, _person: str, event: OrderRow, site: SiteNow) -> str | None:
    worth = in_base_currency(event.value, event.currency, site.policy)
    if worth is None:
        site.note(NO_RATE)
        worth = 0
    mark, told = recent.digest(event.order_id), recent.digest(event.id)
    day = day_of(event.at, site.policy.timezone)
    taken = take(customer.orders or Orders(), Arrived(event, day, worth, mark, told, site.clock))
    if isinstance(taken, str):
        return taken
    customer.orders = taken.orders
    if event.news != OrderNews.PURCHASE:
        return None
    if not taken.new:
        return KNOWN_ORDER
    customer.ordered = max(customer.ordered, event.at)
    if event.offline:
        customer.ordered_offline = max(customer.ordered_offline, event.at)
        _on_channel(customer, "store", event.at)
    if event.lines:
        if may_profile(customer, event.at, site):
            for line in event.lines:
                customer.tastes = tastes.touched(
                    customer.tastes, tastes.BOUGHT, event.at, site.half_life, line.category, line.brand
                )
        if customer.tastes is not None:
            customer.tastes = tastes.bought(customer.tastes, [line.sku for line in event.lines])
        if customer.wishes:
            bought = {line.sku for line in event.lines}
            customer.wishes = tuple(wish for wish in customer.wishes if wish not in bought)
    return None


def _consent(customer: Customer, _person: str, event: ConsentRow, site: SiteNow) -> str | None:
    customer.grants = permission.record(
        customer.grants, event.purpose, event.channel, event.granted, event.basis, event.at, _judged(customer, site)
    )
    customer.page_consent = 0
    if event.purpose == _PROFILE and not event.granted:
        _forget(customer)
    return None


def _identify(customer: Customer, _person: str, event: IdentifyRow, _site: SiteNow) -> str | None:
    known, mark = customer.logins, recent.digest(event.id)
    size = len(mark)
    if mark in [known[place : place + size] for place in range(0, len(known), size)]:
        return DUPLICATE
    customer.logins = (known + mark)[-MAX_LOGINS * size :]
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


HANDLERS: Final[dict[type, Callable[[Customer, str, Any, SiteNow], str | None]]] = {
    Click: click,
    CartRow: _cart,
    OrderRow: _order,
    ConsentRow: _consent,
    IdentifyRow: _identify,
    MessageRow: _message,
}
"""Each takes an event into the profile, and returns the reason for which it was not used, if it was not."""


def _touch_lines(
    customer: Customer, lines: tuple[Line, ...], weight: int, at: int, currency: str, site: SiteNow
) -> None:
    for line in lines:
        price = line.price
        if currency and currency != site.policy.currency:
            worth = in_base_currency(max(price, 0), currency, site.policy)
            if worth is None:
                site.note(NO_RATE)
            price = worth or 0
        product = site.product(line.sku)
        facets: tuple[str, ...] = ()
        category, brand = line.category, line.brand
        if product is not None:
            category, brand = category or product.category, brand or product.brand
            if product.facets:
                kept = site.policy.taste.facets
                facets = tuple(facet for facet in product.facets if facet.partition("=")[0] in kept)
        shelf, half_life = tastes.shelf_of(price), site.half_life
        customer.tastes = tastes.touched(
            customer.tastes, weight, at, half_life, category, brand, shelf, facets, line.sku
        )


def may_profile(customer: Customer, at: int, site: SiteNow) -> bool:
    """Whether inferences may be kept: affinities and scores. Of who objects none are, from late events neither."""
    return permission.not_refused(customer.grants, _PROFILE, site.permission, at)


def _forget(customer: Customer) -> None:
    """Who objects to a profile has no affinities, no scores, and nothing is learned of him."""
    customer.tastes = customer.heads = None


def _may_collect(customer: Customer, person: str, packed: int, at: int, site: SiteNow) -> bool:
    """Whether activity may be collected. A page's consent mode speaks for anonymous visitors only."""
    rules = site.permission
    if packed and person[person.index("|") + 1] == "a":
        words = customer.grants.get(_COLLECT)
        if packed == customer.page_consent and words is not None and words[-1].at <= at:
            return words[-1].granted and words[-1].basis in rules.accepted.get(_COLLECT, ())
        _say(customer, packed, at, site)
        if not _consent_mode(packed).get(_COLLECT, True):
            return False
    return permission.in_general(customer.grants, _COLLECT, rules, at)


def _say(customer: Customer, packed: int, at: int, site: SiteNow) -> None:
    """Enter what a page says of consent, where it is news."""
    said = _consent_mode(packed)
    if not customer.grants:  # as of most visitors: nothing is known that this could stand against
        customer.grants = {str(purpose): (Grant(granted, _CONSENT, at),) for purpose, granted in said.items()}
    elif not _repeats(said, customer.grants, at):
        customer.grants = permission.record_consent_mode(customer.grants, said, at, _judged(customer, site))
    if not said.get(_PROFILE, True):
        _forget(customer)
    for purpose, granted in said.items():
        if customer.grants[purpose][-1].granted != granted:
            customer.page_consent = 0
            return
    customer.page_consent = packed


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
    ring, mark, newest = known.ring, recent.digest(identity), known.newest
    if recent.contains(ring, mark):
        return DUPLICATE
    horizon = known.horizon
    if at <= horizon or at <= newest - recent.WINDOW:
        return TOO_LATE
    ring, evicted = recent.append(ring, mark, at, newest)
    if at > newest:
        newest = at
    if recent.hurried(ring, newest):
        customer.bot = newest
    if evicted > horizon:
        horizon = evicted
    return Recent(ring, newest, horizon)


def _seen(customer: Customer, event: Click | CartRow) -> None:
    at, channel, seen, last = event.at, event.channel or "web", customer.seen, customer.channel
    if not 0 < customer.born <= at:
        customer.born = at
    if at < seen:
        if channel != last:
            _on_channel(customer, channel, at)
        return
    if channel != last:
        if last:
            _on_channel(customer, last, seen)
        customer.channel = channel
    customer.seen = at
    if device := event.device:
        customer.device = device
    if locale := event.locale:
        customer.locale = locale


def _on_channel(customer: Customer, channel: str, at: int) -> None:
    channels = customer.channels
    if at > channels.get(channel, 0) and (channel in channels or len(channels) < MAX_CHANNELS):
        customer.channels = {**channels, channel: at}
