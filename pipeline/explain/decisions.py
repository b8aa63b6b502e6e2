"""A decision as a sentence: what became of a candidate, and why, by the events that the person's log holds."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from pipeline.explain.reasons import ACTIONS, CAUSES, KINDS, reason_in_words
from pipeline.explain.words import length, moment, money
from pipeline.log.rows import CartRow, Click, OrderNews, OrderRow, PersonEvent
from pipeline.triggers.contract import Decision, Kind, Outcome, Reason, TriggerData

_ACTIVITY = (Click, CartRow)


def decode_decision(value: bytes) -> Decision:
    """Read a record of `decisions`. Raises msgspec.MsgspecError."""
    return msgspec.json.decode(value, type=Decision)


def at_of(text: str) -> int:
    """A time of an output as epoch milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def tell_decision(decision: Decision, trigger: TriggerData | None, events: Sequence[PersonEvent]) -> str:
    """What was decided and why. `trigger` is what was published with it, where something was."""
    name = KINDS[decision.kind]
    head = f"step {decision.step} of the {name}" if decision.kind is Kind.CART_ABANDONED else f"the {name}"
    reason = _because(decision, events)
    if decision.outcome is Outcome.CANCELLED:
        late = ", after it had been sent" if decision.after_send else ""
        return f"{head} was cancelled{late}: {reason}"
    if decision.kind is Kind.PERSONALIZATION:
        return f"{head}: {_shown(trigger) if decision.outcome is Outcome.EMITTED else decision.outcome.value}, {reason}"
    if not decision.due_at:
        return f"{head} never came due: {reason}"
    head += f" was due{_after_what(decision, events)}"
    if decision.outcome is Outcome.EMITTED:
        why = "" if decision.kind is Kind.CART_ABANDONED else f", since there was {reason}"
        return f"{head}: emitted on {decision.channel}{why}{_particulars(decision, trigger)}"
    return f"{head}: {decision.outcome.value}, {reason}"


def _after_what(decision: Decision, events: Sequence[PersonEvent]) -> str:
    """How long after the last activity, of a win-back after the last order, it came due; and when, if decided late."""
    due = at_of(decision.due_at)
    if decision.kind is Kind.WIN_BACK:
        before, what = [e.at for e in _orders(events) if e.at < due], "without an order"
    else:
        before, what = [e.at for e in events if isinstance(e, _ACTIVITY) and e.at < due], "of silence"
    said = f" after {length(due - max(before))} {what}" if before else ""
    waited = at_of(decision.at) - due
    return said + (f" at {moment(due)}" if waited >= 1_000 else "")


def _particulars(decision: Decision, trigger: TriggerData | None) -> str:
    parts = [f"worth {money(decision.value, decision.currency)}"] if decision.value else []
    if trigger is not None:
        if trigger.cause is not None:
            parts.append(f"perhaps they {CAUSES[trigger.cause]}")
        parts.append(f"expires {moment(at_of(trigger.expires_at))}")
    return "".join(f", {part}" for part in parts)


def _shown(trigger: TriggerData | None) -> str:
    """What the site was told to do, and for whom."""
    if trigger is None or trigger.moment is None:
        return "emitted"
    words = [ACTIONS[trigger.action] if trigger.action is not None else "emitted"]
    now = trigger.moment
    if now.category:
        words.append(now.category)
    if now.brand:
        words.append(f"by {now.brand}")
    if items := [item.item_id for item in trigger.items]:
        words.append(f"({', '.join(items)})")
    return f"{' '.join(words)} to someone at stage {now.stage}, cart {now.cart}"


def _because(decision: Decision, events: Sequence[PersonEvent]) -> str:
    """The reason in words, with the time or the worth where the events say it."""
    words = reason_in_words(decision.kind, decision.reason)
    match decision.reason:
        case Reason.ORDERED:
            at = at_of(decision.at)
            orders = [order.at for order in _orders(events)]
            near = [at] if at in orders else [order for order in orders if order <= at] or orders
            return f"{words} at {moment(max(near))}" if near else words
        case Reason.EMPTIED:
            return f"{words} at {moment(at_of(decision.at))}"
        case Reason.BELOW_MIN_VALUE:
            return f"{words}: {money(decision.value, decision.currency)}"
        case Reason.ORDERS_SILENT:
            return f"{words}; visitors come all the same, so nobody knows who bought"
        case _:
            return words


def _orders(events: Sequence[PersonEvent]) -> list[OrderRow]:
    return [event for event in events if isinstance(event, OrderRow) and event.news == OrderNews.PURCHASE]
