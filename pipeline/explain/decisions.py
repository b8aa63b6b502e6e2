"""A decision as a sentence: what became of a step, and why, by the events that the person's log holds."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from pipeline.explain.words import length, moment, money
from pipeline.log.rows import CartRow, Click, OrderNews, OrderRow, PersonEvent
from pipeline.triggers.contract import Decision, Kind, Outcome, Reason

_KINDS = {Kind.CART_ABANDONED: "cart reminder"}

_CART = (Click, CartRow)


def decode_decision(value: bytes) -> Decision:
    """Read a record of `decisions`. Raises msgspec.MsgspecError."""
    return msgspec.json.decode(value, type=Decision)


def at_of(text: str) -> int:
    """A time of an output as epoch milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def tell_decision(decision: Decision, expires_at: str, events: Sequence[PersonEvent]) -> str:
    """What was decided and why. `expires_at` is that of the trigger, where there is one."""
    reason = _because(decision, events)
    head = f"step {decision.step} of the {_KINDS.get(decision.kind, decision.kind.value)}"
    if decision.outcome is Outcome.CANCELLED:
        late = ", after it had been sent" if decision.after_send else ""
        return f"{head} was cancelled{late}: {reason}"
    if not decision.due_at:
        return f"{head} never came due: {reason}"
    head += f" was due{_after_silence(decision, events)}"
    if decision.outcome is Outcome.EMITTED:
        worth = f", worth {money(decision.value, decision.currency)}" if decision.value else ""
        until = f", expires {moment(at_of(expires_at))}" if expires_at else ""
        return f"{head}: emitted on {decision.channel}{worth}{until}"
    return f"{head}: {decision.outcome.value}, {reason}"


def _after_silence(decision: Decision, events: Sequence[PersonEvent]) -> str:
    due = at_of(decision.due_at)
    before = [event.at for event in events if isinstance(event, _CART) and event.at < due]
    said = f" after {length(due - max(before))} of silence" if before else ""
    waited = at_of(decision.at) - due
    return said + (f" at {moment(due)}" if waited >= 1_000 else "")


def _because(decision: Decision, events: Sequence[PersonEvent]) -> str:
    tell = _REASONS.get(decision.reason)
    return decision.reason.value.replace("_", " ") if tell is None else tell(decision, events)


def _ordered(decision: Decision, events: Sequence[PersonEvent]) -> str:
    at = at_of(decision.at)
    orders = [e.at for e in events if isinstance(e, OrderRow) and e.news == OrderNews.PURCHASE]
    exact = [order for order in orders if order == at]
    near = exact or [order for order in orders if order <= at] or orders
    return f"the order at {moment(max(near))} closed the cart" if near else "an order closed the cart"


def _orders_silent(_decision: Decision, _events: Sequence[PersonEvent]) -> str:
    return "because the shop's orders have gone silent while its visitors have not: nobody knows who bought"


_REASONS: dict[Reason, Callable[[Decision, Sequence[PersonEvent]], str]] = {
    Reason.ORDERED: _ordered,
    Reason.EMPTIED: lambda d, _: f"the cart was empty at {moment(at_of(d.at))}",
    Reason.WITHDRAWN: lambda *_: "the permission for marketing messages was withdrawn",
    Reason.NO_PERMISSION: lambda *_: "no permission to send marketing messages",
    Reason.BELOW_MIN_VALUE: lambda d, _: f"the cart is worth {money(d.value, d.currency)}, below the policy's least",
    Reason.OUT_OF_STOCK: lambda *_: "nothing in the cart is in stock",
    Reason.RESTRICTED: lambda *_: "what is in the cart must not be advertised",
    Reason.DISABLED: lambda *_: "the policy has this trigger switched off",
    Reason.ORDERS_SILENT: _orders_silent,
    Reason.EXPIRED: lambda *_: "it was too late to be of use",
    Reason.BOT: lambda *_: "no human clicks that fast",
}
