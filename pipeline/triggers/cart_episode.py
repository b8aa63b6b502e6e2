"""The episode of a cart: opened by the change that filled it, closed by an order or an emptied cart.

A change waits in `pending` until the clock has passed it, and is then applied for good. What was emitted is cancelled
the moment that an order is read, not when the clock gets there; an emptied cart is certain only then.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

from msgspec.structs import replace

from pipeline.log.rows import CartOp
from pipeline.state.cart import (
    CART_CHANGE,
    MAX_PENDING,
    PURCHASE,
    PURCHASE_KEEP,
    Cart,
    CartChange,
    Emitted,
    Episode,
)
from pipeline.state.customer import Customer
from pipeline.triggers import cart_content as content
from pipeline.triggers.cart_steps import delays_of
from pipeline.triggers.contract import Kind, Outcome, Reason
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict

_SNAPSHOT: Final = int(CartOp.SNAPSHOT)
_FILLING: Final = frozenset({int(CartOp.ADD), int(CartOp.SET), _SNAPSHOT})


class Closing(NamedTuple):
    """When an episode closes, and why."""

    at: int
    reason: Reason


def enter(customer: Customer, change: CartChange, site: SiteNow) -> list[Verdict]:
    """Take a change of the cart, or a purchase. Returns what it decides at once: cancellations.

    What the clock has passed has to be settled before.
    """
    verdicts: list[Verdict] = []
    cart = customer.cart
    if cart is None:
        if change.rank == CART_CHANGE and change.at <= customer.ordered:
            return verdicts  # an order that the clock has passed has closed it
        customer.cart = Cart(pending=(change,), rules=site.rules)
        return verdicts
    if change.at <= cart.settled:
        return verdicts + _enter_late(customer, cart, change, site)
    pending = cart.pending
    if not pending or _place(pending[-1]) <= _place(change):
        pending = (*pending, change)
    else:
        at = bisect_right([_place(waiting) for waiting in pending], _place(change))
        pending = (*pending[:at], change, *pending[at:])
    cart = Cart(cart.settled, cart.snapshot, cart.lines, cart.episode, pending, cart.delay, cart.propensity, cart.rules)
    if cart.episode is not None and cart.episode.emitted:
        cart = _cancel_at_once(cart, change, verdicts)
    if len(cart.pending) > MAX_PENDING:
        cart = replace(apply(cart, cart.pending[0], site, verdicts), settled=cart.pending[0].at)
    customer.cart = cart
    return verdicts


def apply(cart: Cart, change: CartChange, site: SiteNow, verdicts: list[Verdict]) -> Cart:
    """Apply the first pending change."""
    rest = cart.pending[1:] if cart.pending and cart.pending[0] is change else cart.pending
    snapshot = _place(change) if change.op == _SNAPSHOT else cart.snapshot
    lines = content.after(cart.lines, change)
    episode = cart.episode
    closing = closing_of(episode, lines, change)
    if closing is not None and episode is not None:
        _close(cart, episode, closing, site, verdicts)
        episode = None
    elif episode is None and _opens(lines, change):
        episode = Episode(change.id, change.at, change.at)
    timing = change if change.rank == CART_CHANGE else cart
    return Cart(cart.settled, snapshot, lines, episode, rest, timing.delay, timing.propensity, cart.rules)


def _opens(lines: content.Lines, change: CartChange) -> bool:
    return change.op in _FILLING and any(not line.dormant for line in lines)


def closing_of(episode: Episode | None, lines: content.Lines, change: CartChange) -> Closing | None:
    """The closing that a change brings, given the lines after it."""
    if episode is None:
        return None
    if change.rank == PURCHASE:
        return Closing(change.at, Reason.ORDERED)
    if all(line.dormant for line in lines):
        return Closing(change.at, Reason.EMPTIED)
    return None


def _close(cart: Cart, episode: Episode, closing: Closing, site: SiteNow, verdicts: list[Verdict]) -> None:
    """Cancel what stands, and say of the first step that never came due why it did not."""
    verdicts += [cancelled(episode, e, closing) for e in episode.emitted if e.expires > closing.at]
    missed = next((step for step, _ in delays_of(site.policy, cart) if step > episode.decided), None)
    if missed is None:
        return
    verdicts.append(Verdict(Kind.CART_ABANDONED, Outcome.SUPPRESSED, closing.reason, episode.id, missed, closing.at))


def cancelled(episode: Episode, emitted: Emitted, closing: Closing) -> Verdict:
    """The verdict that takes back an emitted step."""
    return Verdict(
        Kind.CART_ABANDONED,
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
    """An order closes the episode for certain: what it cancels is cancelled when it is read.

    Whether the cart is empty after a change is certain only when the clock has passed it.
    """
    episode = cart.episode
    if episode is None or change.rank != PURCHASE:
        return cart
    closing = Closing(change.at, Reason.ORDERED)
    verdicts += [cancelled(episode, e, closing) for e in episode.emitted if e.expires > closing.at]
    return replace(cart, episode=replace(episode, emitted=tuple(e for e in episode.emitted if e.expires <= closing.at)))


def certain_closing(cart: Cart, clock: int) -> Closing | None:
    """The closing of the open episode that pending changes hold for certain: an order, or what the clock has passed."""
    lines = cart.lines
    for change in cart.pending:
        if change.rank != PURCHASE and change.at > clock:
            continue
        lines = content.after(lines, change)
        closing = closing_of(cart.episode, lines, change)
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
            _close(cart, episode, Closing(change.at, Reason.ORDERED), site, verdicts)
            touched = [line.touched for line in content.active(lines)]
            episode = (
                Episode(change.id, min(touched), max(max(touched), episode.last), episode.decided) if touched else None
            )
        customer.cart = replace(cart, lines=lines, episode=episode)
    elif (cart.snapshot is None or _place(change) > cart.snapshot) and (
        change.at > customer.ordered or cart.episode is not None
    ):
        customer.cart = apply(cart, change, site, verdicts)
    return verdicts


def _place(change: CartChange) -> tuple[int, int, int, str]:
    return change.at, change.rank, change.version, change.id
