"""Abandoned cart: a step after each length of silence, judged on the cart as it was when the step came due."""

from typing import Final

from msgspec.structs import replace

from pipeline.events.customer import Purpose
from pipeline.log.persons import site_of
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ConsentRow,
    MessageRow,
    OrderNews,
    OrderRow,
    PersonEvent,
    Report,
)
from pipeline.policy.pacing import try_again
from pipeline.policy.permission import allowed, refuses
from pipeline.state.cart import (
    CART_CHANGE,
    PURCHASE,
    PURCHASE_CLOSE,
    PURCHASE_KEEP,
    Cart,
    CartChange,
    CartLine,
    Emitted,
    Episode,
)
from pipeline.state.customer import NEVER, Customer
from pipeline.state.wake import wake_by
from pipeline.triggers import cart_content as content
from pipeline.triggers.cart_episode import Closing, apply, cancelled, enter
from pipeline.triggers.cart_judgement import judge
from pipeline.triggers.cart_steps import add_activity, delays_of, next_step, next_wake, passed, wake_of
from pipeline.triggers.contract import Kind, Outcome, Reason, trigger_id
from pipeline.triggers.scored import cart_wait
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict

KIND: Final = Kind.CART_ABANDONED

_CHECKOUT: Final = int(CartOp.CHECKOUT)
_PURCHASE: Final = int(OrderNews.PURCHASE)


def on_event(customer: Customer, person: str, event: PersonEvent, site: SiteNow) -> list[Verdict]:
    """Take activity, a change of the cart, an order, a withdrawal, or the report that a message was sent."""
    if type(event) is Click:
        _touch(customer, event.at, site.grain, site)
        cart = customer.cart
        if cart is not None and (cart.rules != site.rules or not customer.next_due):
            _look_anew(customer, cart, site)
        return []
    if isinstance(event, CartRow):
        _touch(customer, event.at, site.grain, site)
        if event.op == _CHECKOUT:
            if (cart := customer.cart) is not None and cart.rules != site.rules:
                _look_anew(customer, cart, site)
            return []
        lines = content.priced(event, site.policy)
        wait = cart_wait(customer, event.id, site)
        delay, propensity = wait or (0, 1)
        change = CartChange(event.at, CART_CHANGE, event.version, event.id, event.op, lines, delay, propensity)
        return _change(customer, person, change, site)
    if isinstance(event, OrderRow):
        return _change(customer, person, _purchase(event, site), site) if event.news == _PURCHASE else []
    if isinstance(event, ConsentRow):
        if event.purpose == Purpose.MARKETING_MESSAGE and refuses(event, site.policy.permission):
            return _withdraw(customer, event.channel, event.at, site)
    elif isinstance(event, MessageRow):
        if event.report == Report.SENT:
            _mark_sent(customer, person, event.trigger_id)
        elif event.report in (Report.UNSUBSCRIBED, Report.COMPLAINED):
            return _withdraw(customer, event.channel, event.at, site)
    return []


def _look_anew(customer: Customer, cart: Cart, site: SiteNow) -> None:
    """A new policy may have brought steps, or sooner ones. Else activity only puts them off."""
    customer.cart = replace(cart, rules=site.rules)
    wake_by(customer, _wake(cart, customer, site))


def wake(customer: Customer, site: SiteNow) -> int:
    """When the clock must look at this person's cart again."""
    return NEVER if customer.cart is None else _wake(customer.cart, customer, site)


def _wake(cart: Cart, customer: Customer, site: SiteNow) -> int:
    if cart.episode is not None and cart.episode.until:
        return min([cart.episode.until, *(change.at for change in cart.pending if change.at > site.clock)])
    due = next_wake(cart, customer.active, site.policy)
    if site.policy.cart.categories and cart.pending:  # any change may bring a category whose steps come sooner
        return min(due or cart.pending[0].at, cart.pending[0].at)
    return due


def settle(customer: Customer, _person: str, site: SiteNow) -> list[Verdict]:
    """Apply all that the clock has passed, in time order, and judge the steps that came due on the way."""
    verdicts: list[Verdict] = []
    cart, clock = customer.cart, site.clock
    if cart is None:
        if customer.active and customer.active[-1] + site.grain <= clock:
            customer.active = ()  # no step can wait for it any more
        return verdicts
    settled = max(cart.settled, clock)
    while True:
        step = None
        if cart.episode is not None:
            step = next_step(cart.episode, customer.active, delays_of(site.policy, cart))
        change = cart.pending[0] if cart.pending and cart.pending[0].at <= clock else None
        if change is not None and (step is None or change.at < step[1]):
            cart = apply(_moved(cart, change.at), change, site, verdicts)
        elif step is not None and step[1] <= clock:
            _, due, last = step
            episode = cart.episode
            while cart.pending and cart.pending[0].at == due:  # the changes of a moment come before its steps
                last = due
                cart = apply(cart, cart.pending[0], site, verdicts)
            if cart.episode is None or episode is None or cart.episode.id != episode.id:
                continue
            verdict = judge(customer, cart, step, site)
            if verdict.outcome in (Outcome.HELD, Outcome.DEFERRED):
                cart = _hold(cart, verdict, site, verdicts)
                settled = max(cart.settled, due)
                break
            cart = _decide(cart, verdict, last)
            verdicts.append(verdict)
        else:
            break
    if not cart.lines and not cart.pending and cart.episode is None:
        customer.cart = None
    else:
        customer.cart = replace(cart, settled=settled, rules=site.rules)
    return verdicts


def _moved(cart: Cart, at: int) -> Cart:
    """The cart with activity at `at`: the delays of a category that comes with a change do not reach back before it."""
    if cart.episode is None or cart.episode.last >= at:
        return cart
    return replace(cart, episode=replace(cart.episode, last=at))


def lapse(customer: Customer, site: SiteNow) -> int:
    """When a held step must be looked at again: as the clock passes a change of the cart, or as the step expires."""
    cart = customer.cart
    if cart is None or cart.episode is None or not cart.episode.held or cart.episode.until:
        return NEVER
    step = next_step(cart.episode, customer.active, delays_of(site.policy, cart))
    if step is None:
        return NEVER
    changes = [change.at for change in cart.pending if change.at > site.clock]
    return min([step[1] + site.policy.cart.expires_after, *changes])


def _touch(customer: Customer, at: int, grain: int, site: SiteNow) -> None:
    """Enter activity of the person at `at`: later steps wait from here on."""
    spans = customer.active
    if not spans:
        customer.active = at, at
        return
    last = spans[-1]
    if last <= at < last + grain:
        customer.active = (spans[0], at) if len(spans) == 2 else (*spans[:-1], at)
        return
    settled = site.clock
    if len(spans) == 2 and spans[0] <= at <= last and last > settled:
        return  # sources are read one ahead of the other: so it is with most events
    cart = customer.cart
    if cart is not None:
        if cart.episode is not None and not cart.episode.held:
            found = next_step(cart.episode, passed(spans, settled), delays_of(site.policy, cart))
            if found is not None and found[2] != cart.episode.last:
                customer.cart = replace(cart, episode=replace(cart.episode, last=found[2]))
        elif cart.episode is not None:
            settled = 0  # a held step keeps the spans after it for the next one
        elif cart.pending:
            settled = min(settled, cart.pending[0].at)
    customer.active = add_activity(spans, at, grain, settled)


def _change(customer: Customer, person: str, change: CartChange, site: SiteNow) -> list[Verdict]:
    """Settle what the clock has passed, so that little waits, and enter the change."""
    verdicts: list[Verdict] = []
    said = customer.cart is not None and customer.cart.rules == site.rules and not site.policy.cart.categories
    if customer.cart is not None and customer.cart.pending and customer.cart.pending[0].at <= site.clock:
        verdicts += settle(customer, person, site)
    before = () if customer.cart is None else customer.cart.pending
    verdicts += enter(customer, change, site)
    cart = customer.cart
    if said and before and cart is not None and cart.pending and cart.pending[-1] is change:
        delays = delays_of(site.policy, cart)
        wake_by(customer, wake_of(change, delays, site.policy))  # for those before it, it has been said
    else:
        if cart is not None and cart.rules != site.rules:
            customer.cart = cart = replace(cart, rules=site.rules)
        wake_by(customer, wake(customer, site))
    if cart is not None and cart.episode is not None and cart.episode.until:
        wake_by(customer, change.at)  # it may close what waits for room
    return verdicts


def _purchase(event: OrderRow, site: SiteNow) -> CartChange:
    """An order closes the cart whatever it cost; its lines matter only where the rest is kept."""
    if site.policy.order.partial_order == "close":
        return CartChange(event.at, PURCHASE, 0, event.id, PURCHASE_CLOSE)
    lines = tuple(
        CartLine(line.sku, line.quantity, line.price, event.currency, 0, line.category, line.brand, event.at)
        for line in event.lines
    )
    return CartChange(event.at, PURCHASE, 0, event.id, PURCHASE_KEEP, lines)


def _withdraw(customer: Customer, channel: str, at: int, site: SiteNow) -> list[Verdict]:
    """Cancel what was emitted for a channel, "" for any, that a refusal of `at`, just entered, takes back.

    One from before a step was due, read late, takes it back only where it still ruled then.
    """
    cart = customer.cart
    if cart is None or cart.episode is None or not cart.episode.emitted:
        return []
    policy, episode = site.permission, cart.episode
    gone = [
        e
        for e in episode.emitted
        if at < e.expires
        and channel in ("", e.channel)
        and not allowed(customer.grants, Purpose.MARKETING_MESSAGE, e.channel, policy, max(at, e.due))
    ]
    if gone:
        left = tuple(e for e in episode.emitted if e not in gone)
        customer.cart = replace(cart, episode=replace(episode, emitted=left))
    return [cancelled(episode, e, Closing(at, Reason.WITHDRAWN)) for e in gone]


def _mark_sent(customer: Customer, person: str, identity: str) -> None:
    """Note that the message of an emitted step has gone out."""
    cart = customer.cart
    if cart is None or cart.episode is None:
        return
    site, episode = site_of(person), cart.episode
    emitted = tuple(
        replace(e, sent=True) if trigger_id(site, KIND, episode.id, e.step) == identity else e for e in episode.emitted
    )
    customer.cart = replace(cart, episode=replace(episode, emitted=emitted))


def _hold(cart: Cart, verdict: Verdict, site: SiteNow, verdicts: list[Verdict]) -> Cart:
    """Keep a step waiting: until orders come again, or until there is room for it. Said once."""
    episode = cart.episode
    if episode is None:
        return cart
    if not episode.held:
        verdicts.append(verdict)
    until = NEVER
    if verdict.outcome is Outcome.DEFERRED:
        until = episode.until
        if until <= verdict.at:
            until = try_again(episode.id, verdict.at, verdict.expires, site.policy.ramp.spread)
        until = max(until, site.clock + 1)
    return replace(cart, episode=replace(episode, held=True, until=until))


def _decide(cart: Cart, verdict: Verdict, last: int) -> Cart:
    """Note that a step was decided, and what was emitted as long as it may have to be cancelled."""
    episode = cart.episode
    if episode is None:
        return cart
    emitted = tuple(e for e in episode.emitted if e.expires > verdict.at)
    if verdict.outcome is Outcome.EMITTED:
        emitted += (Emitted(verdict.step, verdict.due, verdict.expires, verdict.channel),)
    episode = Episode(episode.id, episode.opened, last, verdict.step, held=False, emitted=emitted)
    return replace(cart, episode=episode)
