"""Whether a due win-back goes out: the gates, in their order; the first that closes is the reason."""

from typing import Final, NamedTuple

from pipeline.config.durations import DAY
from pipeline.config.policy import SitePolicy
from pipeline.events.customer import Purpose
from pipeline.policy.pacing import try_again
from pipeline.policy.permission import channels_at, withdrawn_after
from pipeline.profile.orders import refunded_at, state_at
from pipeline.state.customer import Customer
from pipeline.state.orders import Order, Orders, OrderState
from pipeline.state.win_back import Variant, WinBack
from pipeline.triggers.cart_judgement import BOT_MEMORY
from pipeline.triggers.contract import Cause, Kind, Outcome, Reason, Timing
from pipeline.triggers.scored import learned_span, orders_expected, reorder_said
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict
from pipeline.triggers.win_back_due import SOONEST, Step, prior_gap
from pipeline.triggers.win_back_memory import last_visit

UNDER_WAY_FOR: Final = 60 * DAY
"""How long after its order a parcel that was not delivered, or a return, is waited for."""

SUBSCRIBED_FOR: Final = 2, 30 * DAY
"""A subscriber is whose last renewal is younger than so many usual gaps, each taken as at least so long."""

SILENT_FOR: Final = 365 * DAY
GRACE: Final = 30 * DAY
"""A channel is not used any more after such a silence, and so long after a win-back on it that nobody answered."""


class Judged(NamedTuple):
    """A verdict, and until when it keeps the next one waiting: while it is open, or until it is tried again."""

    verdict: Verdict
    until: int = 0


def judge(customer: Customer, win_back: WinBack, step: Step, site: SiteNow) -> Judged:
    """Judge a step as of `step.at`."""
    at, waiting = step.at, win_back.waiting
    now = site.clock if site.live or (waiting is not None and waiting.held) else at
    expires = step.due + site.policy.win_back.expires_after
    channel, refusal = "", _unfit(customer, step, site)
    if refusal is None:
        channel, refusal = _channel(customer, win_back, at, site)

    def verdict(outcome: Outcome, reason: Reason) -> Verdict:
        return Verdict(
            Kind.WIN_BACK,
            outcome,
            reason,
            step.episode,
            1,
            now,
            step.due,
            expires,
            channel,
            variant=step.variant.name.lower(),
            cause=cause_of(customer, win_back, step) if outcome is Outcome.EMITTED else None,
            scores=reorder_said(customer, at, site) if outcome is Outcome.EMITTED else (),
            expected=orders_expected(customer, at, site) if outcome is Outcome.EMITTED else None,
            timing=timing_of(customer, step, site.policy) if outcome is Outcome.EMITTED else None,
        )

    if refusal is not None:
        return Judged(verdict(Outcome.SUPPRESSED, refusal))
    if now >= expires:
        return Judged(verdict(Outcome.EXPIRED, Reason.EXPIRED))
    if (under_way := _under_way(customer.orders, at, site)) is not None:
        reason, end = under_way
        return Judged(verdict(Outcome.DEFERRED, reason), min(end, expires))
    if (overtaken := _overtaken(customer, channel, at, expires, site)) is not None:
        reason, end = overtaken
        return Judged(verdict(Outcome.SUPPRESSED, reason), end)
    if site.orders_silent():
        return Judged(verdict(Outcome.HELD, Reason.ORDERS_SILENT), at)
    if not site.admit(Kind.WIN_BACK, now):
        again = try_again(step.episode, now, expires, site.policy.ramp.spread)
        return Judged(verdict(Outcome.DEFERRED, Reason.RATE), min(again, expires))
    return Judged(verdict(Outcome.EMITTED, Reason(step.variant.name.lower())), expires)


def timing_of(customer: Customer, step: Step, rules: SitePolicy) -> Timing:
    """What has set the time of a step."""
    by_order = step.variant in (Variant.CADENCE, Variant.SECOND_ORDER)
    return Timing.LEARNED if by_order and learned_span(customer, step.anchor, rules) else Timing.RULES


def cause_of(customer: Customer, win_back: WinBack, step: Step) -> Cause:
    """Why the person probably stays away."""
    orders, at = customer.orders, step.at
    last = None
    if orders is not None:
        last = next((o for o in reversed(orders.recent) if o.at <= at and not o.state & OrderState.RENEWAL), None)
    if orders is not None and last is not None:
        state = state_at(orders, last, at)
        if state & (OrderState.CANCELLED | OrderState.RETURNING) or refunded_at(orders, last, at):
            return Cause.ACCIDENT
    if step.variant is Variant.NEVER_CARTED:
        return Cause.OFFER_MISFIT
    today = step.at // DAY
    since = last.at // DAY if last is not None else min(win_back.first_days, default=today)
    looked = since < today and last_visit(win_back.visits, today) >= since + SOONEST // DAY
    return Cause.OFFER_MISFIT if looked else Cause.FORGOT


def _unfit(customer: Customer, step: Step, site: SiteNow) -> Reason | None:
    """Why this person is not won back at this time, on whatever channel."""
    if customer.orders is not None and any(step.due < order.at <= step.at for order in customer.orders.recent):
        return Reason.ORDERED
    if not site.policy.win_back.enabled:
        return Reason.DISABLED
    if customer.bot and abs(step.at - customer.bot) < BOT_MEMORY:
        return Reason.BOT
    if customer.orders is not None and _subscribes(customer.orders, step.at, site):
        return Reason.SUBSCRIBER
    return None


def _subscribes(orders: Orders, at: int, site: SiteNow) -> bool:
    gaps, shortest = SUBSCRIBED_FOR
    for order in reversed(orders.recent):
        if order.at <= at and order.state & OrderState.RENEWAL:
            lasts = gaps * max(prior_gap(site.policy, order.category), shortest)
            if at < order.at + lasts and not state_at(orders, order, at) & OrderState.CANCELLED:
                return True
    return False


def _channel(customer: Customer, win_back: WinBack, at: int, site: SiteNow) -> tuple[str, Reason | None]:
    """The best channel, or why there is none."""
    refusal = Reason.NO_PERMISSION
    for channel in channels_at(customer.grants, at, site.permission):
        if not _sunset(customer, win_back, channel, at):
            return channel, None
        refusal = Reason.CHANNEL_SUNSET
    return "", refusal


def _sunset(customer: Customer, win_back: WinBack, channel: str, at: int) -> bool:
    """Whether a channel has been silent for too long, and a win-back on it did not change that."""
    offered = win_back.offered.get(channel, 0)
    if not offered or at - offered <= GRACE:
        return False
    purpose = Purpose.MARKETING_MESSAGE
    words = (*customer.grants.get(purpose, ()), *customer.grants.get(f"{purpose}:{channel}", ()))
    signs = [word.at for word in words]
    signs += (*win_back.heard.get(channel, ()), *win_back.heard.get("", ()))
    return at - max((sign for sign in signs if sign <= at), default=0) > SILENT_FOR


def _under_way(orders: Orders | None, at: int, site: SiteNow) -> tuple[Reason, int] | None:
    """What of an order is not done yet, and how long that is waited for."""
    if orders is None:
        return None
    for order in reversed(orders.recent):
        if order.at <= at < order.at + UNDER_WAY_FOR and (reason := _undone(orders, order, at, site)) is not None:
            return reason, order.at + UNDER_WAY_FOR
    return None


def _undone(orders: Orders, order: Order, at: int, site: SiteNow) -> Reason | None:
    state = state_at(orders, order, at)
    if state & OrderState.CANCELLED:
        return None
    if state & OrderState.RETURNING:
        return Reason.RETURN_OPEN
    sent = state & OrderState.SHIPPED or (site.policy.order.delivery_reported and not state & OrderState.OFFLINE)
    return Reason.UNDELIVERED if sent and not state & OrderState.DELIVERED else None


def _overtaken(customer: Customer, channel: str, at: int, expires: int, site: SiteNow) -> tuple[Reason, int] | None:
    """What is known to have happened since, that would have cancelled it, and when."""
    withdrawn = withdrawn_after(customer.grants, channel, site.permission, at)
    ordered = 0
    if customer.orders is not None:
        ordered = next((order.at for order in customer.orders.recent if order.at > at), 0)
    found = [(time, reason) for time, reason in ((ordered, Reason.ORDERED), (withdrawn, Reason.WITHDRAWN)) if time]
    first = min(found, key=lambda entry: entry[0], default=None)
    return None if first is None or first[0] >= expires else (first[1], first[0])
