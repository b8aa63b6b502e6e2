"""Abandoned cart: one episode a cart, a step after each length of silence, closed by an order or an emptied cart.

`enter` takes a change as it is read, `settle` applies what the clock has passed, in time order, with the steps that
came due in between judged on the cart as it was then. An order cancels what was emitted the moment it is read.
"""

from bisect import bisect_right
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.log.rows import CartOp
from pipeline.policy.permission import channels_at
from pipeline.state.cart import (
    CART_CHANGE,
    MAX_PENDING,
    PURCHASE,
    PURCHASE_KEEP,
    Cart,
    CartChange,
    CartLine,
    Emitted,
    Episode,
)
from pipeline.state.customer import Customer
from pipeline.triggers import cart_content as content
from pipeline.triggers.cart_steps import add_activity, delays_of, grain_of, next_step, next_wake, override
from pipeline.triggers.contract import Outcome, Reason
from pipeline.triggers.verdict import SiteNow, Verdict

BOT_MEMORY = 24 * 3_600_000
"""How long a person who clicked faster than a human is taken for a bot, milliseconds."""

_FILLING = frozenset({CartOp.ADD, CartOp.SET, CartOp.SNAPSHOT})


class _Closing(NamedTuple):
    at: int
    reason: Reason


def touch(customer: Customer, at: int, site: SiteNow) -> None:
    """Enter activity of the person at `at`: later steps wait from here on."""
    spans, grain = customer.active, grain_of(site.policy.cart)
    if spans and spans[-1] <= at < spans[-1] + grain:
        customer.active = (*spans[:-1], at)
        return
    settled = site.clock
    cart = customer.cart
    if cart is not None:
        if cart.episode is not None and not cart.episode.held:
            if found := next_step(cart.episode, spans, delays_of(site.policy, cart)):
                customer.cart = replace(cart, episode=replace(cart.episode, last=found[2]))
        elif cart.episode is not None:
            settled = 0  # a held step keeps the spans after it for the next one
        elif cart.pending:
            settled = min(settled, cart.pending[0].at)
    customer.active = add_activity(spans, at, grain, settled)


def wake(customer: Customer, site: SiteNow) -> int:
    """When the clock must look at this person's cart again."""
    cart = customer.cart
    return 0 if cart is None else next_wake(cart, customer.active, delays_of(site.policy, cart))


def enter(customer: Customer, change: CartChange, site: SiteNow) -> list[Verdict]:
    """Take a change of the cart, or a purchase. Returns what it decides at once: cancellations."""
    verdicts: list[Verdict] = []
    cart = customer.cart
    if cart is not None and cart.pending and cart.pending[0].at <= site.clock:
        verdicts += settle(customer, site)
        cart = customer.cart
    if cart is None:
        if change.rank == CART_CHANGE and change.at <= customer.ordered:
            return verdicts  # an order that the clock has passed has closed it
        customer.cart = Cart(pending=(change,))
        return verdicts
    if change.at <= cart.settled:
        return verdicts + _enter_late(customer, cart, change, site)
    keys = [_place(waiting) for waiting in cart.pending]
    at = bisect_right(keys, _place(change))
    cart = replace(cart, pending=(*cart.pending[:at], change, *cart.pending[at:]))
    if cart.episode is not None and cart.episode.emitted:
        cart = _cancel_at_once(cart, change, verdicts)
    if len(cart.pending) > MAX_PENDING:
        cart = replace(_apply(cart, cart.pending[0], site, verdicts), settled=cart.pending[0].at)
    customer.cart = cart
    return verdicts


def settle(customer: Customer, site: SiteNow) -> list[Verdict]:
    """Apply all that the clock has passed, in time order, and judge the steps that came due on the way."""
    verdicts: list[Verdict] = []
    cart = customer.cart
    if cart is None:
        return verdicts
    clock = site.clock
    settled = max(cart.settled, clock)
    while True:
        step = None
        if cart.episode is not None:
            step = next_step(cart.episode, customer.active, delays_of(site.policy, cart))
        change = cart.pending[0] if cart.pending and cart.pending[0].at <= clock else None
        if change is not None and (step is None or change.at <= step[1]):
            cart = _apply(cart, change, site, verdicts)
        elif step is not None and step[1] <= clock:
            verdict = _judge(customer, cart, step[0], step[1], site)
            if verdict.outcome is Outcome.HELD:
                cart = _hold(cart, verdict, verdicts)
                settled = max(cart.settled, step[1])
                break
            cart = _decide(cart, verdict, step[2])
            verdicts.append(verdict)
        else:
            break
    if not cart.lines and not cart.pending and cart.episode is None:
        customer.cart = None
    else:
        customer.cart = replace(cart, settled=settled)
    return verdicts


def withdraw(customer: Customer, at: int, site: SiteNow) -> list[Verdict]:
    """Cancel what was emitted for a channel that is not allowed any more."""
    cart = customer.cart
    if cart is None or cart.episode is None or not cart.episode.emitted:
        return []
    still = {channel for channel, gone in channels_at(customer.grants, at, site.policy.permission) if not gone}
    episode = cart.episode
    gone = tuple(e for e in episode.emitted if e.channel not in still)
    customer.cart = replace(
        cart, episode=replace(episode, emitted=tuple(e for e in episode.emitted if e.channel in still))
    )
    return [_cancelled(episode, e, _Closing(at, Reason.WITHDRAWN)) for e in gone if e.expires > at]


def mark_sent(customer: Customer, step: int) -> None:
    """Note that the message of an emitted step has gone out."""
    cart = customer.cart
    if cart is not None and cart.episode is not None:
        emitted = tuple(replace(e, sent=True) if e.step == step else e for e in cart.episode.emitted)
        customer.cart = replace(cart, episode=replace(cart.episode, emitted=emitted))


def _place(change: CartChange) -> tuple[int, int, int, str]:
    return change.at, change.rank, change.version, change.id


def _apply(cart: Cart, change: CartChange, site: SiteNow, verdicts: list[Verdict]) -> Cart:
    """Apply the first pending change."""
    rest = cart.pending[1:] if cart.pending and cart.pending[0] is change else cart.pending
    snapshot = _place(change) if change.op == CartOp.SNAPSHOT else cart.snapshot
    lines = content.after(cart.lines, change)
    episode = cart.episode
    closing = _closing(episode, lines, change)
    if closing is not None and episode is not None:
        _close(cart, episode, closing, site, verdicts)
        episode = None
    elif episode is None and _opens(lines, change):
        episode = Episode(change.id, change.at, change.at)
    return Cart(cart.settled, snapshot, lines, episode, rest)


def _opens(lines: content.Lines, change: CartChange) -> bool:
    return change.op in _FILLING and any(not line.dormant for line in lines)


def _closing(episode: Episode | None, lines: content.Lines, change: CartChange) -> _Closing | None:
    if episode is None:
        return None
    if change.rank == PURCHASE:
        return _Closing(change.at, Reason.ORDERED)
    if all(line.dormant for line in lines):
        return _Closing(change.at, Reason.EMPTIED)
    return None


def _close(cart: Cart, episode: Episode, closing: _Closing, site: SiteNow, verdicts: list[Verdict]) -> None:
    """Cancel what stands, and say of the first step that never came due why it did not."""
    verdicts += [_cancelled(episode, e, closing) for e in episode.emitted if e.expires > closing.at]
    missed = next((step for step, _ in delays_of(site.policy, cart) if step > episode.decided), None)
    if missed is None:
        return
    verdicts.append(Verdict(Outcome.SUPPRESSED, closing.reason, episode.id, missed, closing.at))


def _cancelled(episode: Episode, emitted: Emitted, closing: _Closing) -> Verdict:
    return Verdict(
        Outcome.CANCELLED,
        closing.reason,
        episode.id,
        emitted.step,
        closing.at,
        emitted.due,
        emitted.expires,
        emitted.channel,
        after_send=emitted.sent,
    )


def _cancel_at_once(cart: Cart, change: CartChange, verdicts: list[Verdict]) -> Cart:
    """What has been emitted is cancelled when the change is read; the episode closes when the clock gets there."""
    episode = cart.episode
    if episode is None:
        return cart
    closing = None
    if change.rank == PURCHASE:
        closing = _Closing(change.at, Reason.ORDERED)
    elif change.op in content.SHRINKING and _expected_closing(cart) is not None:
        closing = _Closing(change.at, Reason.EMPTIED)
    if closing is None:
        return cart
    verdicts += [_cancelled(episode, e, closing) for e in episode.emitted if e.expires > closing.at]
    return replace(cart, episode=replace(episode, emitted=()))


def _expected_closing(cart: Cart) -> _Closing | None:
    """The closing of the open episode that the pending changes hold, if they do."""
    lines = cart.lines
    for change in cart.pending:
        lines = content.after(lines, change)
        closing = _closing(cart.episode, lines, change)
        if closing is not None:
            return closing
    return None


def _enter_late(customer: Customer, cart: Cart, change: CartChange, site: SiteNow) -> list[Verdict]:
    """A change from before what is settled: it is applied to the content as it stands now.

    A late order closes what was touched up to its time; what was touched since opens an episode of its own, named by
    the order, which inherits the steps that were decided, so that nobody is told twice.
    """
    verdicts: list[Verdict] = []
    if change.rank == PURCHASE:
        rest = content.keep_rest(cart.lines, change) if change.op == PURCHASE_KEEP else ()
        kept = {line.sku: line for line in rest}
        lines = tuple(
            line if line.touched > change.at else kept[line.sku]
            for line in cart.lines
            if line.touched > change.at or line.sku in kept
        )
        episode = cart.episode
        if episode is not None and episode.opened <= change.at:
            _close(cart, episode, _Closing(change.at, Reason.ORDERED), site, verdicts)
            touched = [line.touched for line in content.active(lines)]
            episode = (
                Episode(change.id, min(touched), max(max(touched), episode.last), episode.decided) if touched else None
            )
        customer.cart = Cart(cart.settled, cart.snapshot, lines, episode, cart.pending)
    elif (cart.snapshot is None or _place(change) > cart.snapshot) and (
        change.at > customer.ordered or cart.episode is not None
    ):
        customer.cart = _apply(cart, change, site, verdicts)
    return verdicts


def _hold(cart: Cart, verdict: Verdict, verdicts: list[Verdict]) -> Cart:
    episode = cart.episode
    if episode is None or episode.held:
        return cart
    verdicts.append(verdict)
    return replace(cart, episode=replace(episode, held=True))


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


def _judge(customer: Customer, cart: Cart, step: int, due: int, site: SiteNow) -> Verdict:
    """Pass a due step through the gates; the first that closes is the reason."""
    episode = cart.episode
    id_ = "" if episode is None else episode.id
    held = episode is not None and episode.held
    now = site.clock if site.live or held else due
    expires = due + site.policy.cart.expires_after
    enabled, _, min_value = override(site.policy.cart, cart)
    lines, dropped = _sellable(content.active(cart.lines), site)
    value = content.worth(lines)
    channels = list(channels_at(customer.grants, due, site.policy.permission))
    channel = next((c for c, gone in channels if not gone or gone >= expires), "")

    def verdict(outcome: Outcome, reason: Reason) -> Verdict:
        return Verdict(outcome, reason, id_, step, now, due, expires, channel, lines, value)

    refusal = None
    if not enabled:
        refusal = Reason.DISABLED
    elif customer.bot and abs(due - customer.bot) < BOT_MEMORY:
        refusal = Reason.BOT
    elif not channels:
        refusal = Reason.NO_PERMISSION
    elif not lines:
        refusal = dropped
    elif value < min_value:
        refusal = Reason.BELOW_MIN_VALUE
    if refusal is not None:
        return verdict(Outcome.SUPPRESSED, refusal)
    if now >= expires:
        return verdict(Outcome.EXPIRED, Reason.EXPIRED)
    closing = _expected_closing(cart)
    if closing is not None and closing.at < expires:
        return verdict(Outcome.SUPPRESSED, closing.reason)
    if not channel:
        return verdict(Outcome.SUPPRESSED, Reason.WITHDRAWN)
    if site.orders_silent():
        return verdict(Outcome.HELD, Reason.ORDERS_SILENT)
    return verdict(Outcome.EMITTED, Reason.SILENT)


def _sellable(lines: content.Lines, site: SiteNow) -> tuple[content.Lines, Reason]:
    """The lines that may be shown, and the reason that stands if none is left."""
    kept: list[CartLine] = []
    dropped = Reason.EMPTIED
    for line in lines:
        product = site.product(line.sku)
        if product is None or (product.stock != 0 and not product.restricted):
            kept.append(line)
        else:
            dropped = Reason.RESTRICTED if product.restricted else Reason.OUT_OF_STOCK
    return tuple(kept), dropped
