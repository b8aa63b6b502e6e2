"""Whether a due step of an abandoned cart is said: the gates, in their order; the first that closes is the reason."""

from typing import Final

from msgspec.structs import replace

from pipeline.policy.permission import channels_at, withdrawn_after
from pipeline.state.cart import Cart, CartLine
from pipeline.state.customer import Customer
from pipeline.triggers import cart_content as content
from pipeline.triggers.cart_episode import certain_closing
from pipeline.triggers.cart_steps import delays_of, next_step, override
from pipeline.triggers.contract import Kind, Outcome, Reason, Timing
from pipeline.triggers.scored import cart_said
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict

BOT_MEMORY: Final = 24 * 3_600_000
"""How long a person who clicked faster than a human is taken for a bot, milliseconds."""

Step = tuple[int, int, int]
"""Number, when it is due, and the newest activity before (see `cart_steps.next_step`)."""


def judge(customer: Customer, cart: Cart, found: Step, site: SiteNow) -> Verdict:
    """Judge a due step on the cart as it was when the step came due."""
    step, due, _ = found
    episode = cart.episode
    id_ = "" if episode is None else episode.id
    now = site.clock if site.live or (episode is not None and episode.held) else due
    expires = due + site.policy.cart.expires_after
    lines, dropped = _sellable(content.active(cart.lines), site)
    value = content.worth(lines)
    channel = next(channels_at(customer.grants, due, site.permission), "")

    def verdict(outcome: Outcome, reason: Reason) -> Verdict:
        return Verdict(Kind.CART_ABANDONED, outcome, reason, id_, step, now, due, expires, channel, lines, value)

    refusal = _unfit(customer, cart, due, site)
    if refusal is None and not channel:
        refusal = Reason.NO_PERMISSION
    elif refusal is None and not lines:
        refusal = dropped
    elif refusal is None and value < override(site.policy.cart, cart)[2]:
        refusal = Reason.BELOW_MIN_VALUE
    if refusal is not None:
        return verdict(Outcome.SUPPRESSED, refusal)
    if now >= expires:
        return verdict(Outcome.EXPIRED, Reason.EXPIRED)
    refusal = _overtaken(customer, cart, found, channel, expires, site)
    if refusal is not None:
        return verdict(Outcome.SUPPRESSED, refusal)
    if site.orders_silent():
        return verdict(Outcome.HELD, Reason.ORDERS_SILENT)
    if _superseded(customer, cart, found, site):
        return verdict(Outcome.SUPPRESSED, Reason.SUPERSEDED)
    if (episode is not None and episode.until > now) or not site.admit(Kind.CART_ABANDONED, now):
        return verdict(Outcome.DEFERRED, Reason.RATE)
    return _scored(verdict(Outcome.EMITTED, Reason.SILENT), customer, cart, site)


def _scored(emitted: Verdict, customer: Customer, cart: Cart, site: SiteNow) -> Verdict:
    """With what the model says of the cart, and what set the time."""
    scores = cart_said(customer, emitted.due, site)
    if not cart.delay or emitted.step > 1:
        return replace(emitted, timing=Timing.RULES, scores=scores)
    return replace(emitted, timing=Timing.LEARNED, propensity=cart.propensity, scores=scores)


def _unfit(customer: Customer, cart: Cart, due: int, site: SiteNow) -> Reason | None:
    """Why no step at this time is said of this cart, whatever is in it."""
    if not override(site.policy.cart, cart)[0]:
        return Reason.DISABLED
    if due < site.policy.live_from:
        return Reason.NOT_LIVE
    if customer.bot and abs(due - customer.bot) < BOT_MEMORY:
        return Reason.BOT
    return None


def _overtaken(customer: Customer, cart: Cart, found: Step, channel: str, expires: int, site: SiteNow) -> Reason | None:
    """What is known to have happened since the step was due."""
    closing = certain_closing(cart, site.clock)
    if closing is not None and closing.at < expires:
        return closing.reason
    if 0 < withdrawn_after(customer.grants, channel, site.permission, found[1]) < expires:
        return Reason.WITHDRAWN
    return None


def _superseded(customer: Customer, cart: Cart, found: Step, site: SiteNow) -> bool:
    """Whether the next step is due as well, after an outage or while this one was held: one message says enough."""
    step, _, last = found
    if cart.episode is None or not (site.live or cart.episode.held):
        return False
    decided = replace(cart.episode, decided=step, last=last)
    later = next_step(decided, customer.active, delays_of(site.policy, cart))
    return later is not None and later[1] <= site.clock


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
