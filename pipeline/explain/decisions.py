"""A decision as a sentence: what became of a candidate, and why, by the events that the person's log holds."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from pipeline.explain.reasons import (
    CAUSES,
    KINDS,
    TIMINGS,
    expected_in_words,
    reason_in_words,
    score_in_words,
    shown_in_words,
    suggestion_in_words,
)
from pipeline.explain.words import length, moment, money
from pipeline.log.rows import CartRow, Click, OrderNews, OrderRow, PersonEvent
from pipeline.triggers.contract import Action, Decision, Kind, Outcome, Reason, TriggerData

_ACTIVITY = (Click, CartRow)
_SUGGESTED = 3
"""Suggestions that a sentence holds."""


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
        said = "" if decision.outcome is not Outcome.EMITTED else _shown(trigger)
        return f"{name}: {said or f'{decision.outcome.value}, {reason}'}{_suggested(decision)}{_scored(decision)}"
    if not decision.due_at:
        return f"{head} never came due: {reason}"
    head += f" was due{_after_what(decision, events)}"
    if decision.outcome is Outcome.EMITTED:
        why = "" if decision.kind is Kind.CART_ABANDONED else f" ({reason})"
        said = f"{_particulars(decision, trigger)}{_scored(decision)}{_expected(trigger)}"
        return f"{head}: emitted on {decision.channel}{why}{said}"
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
        if trigger.timing is not None:
            parts.append(TIMINGS[trigger.timing])
        parts.append(f"expires {moment(at_of(trigger.expires_at))}")
    return "".join(f", {part}" for part in parts)


def _scored(decision: Decision) -> str:
    """What the models said at that time."""
    return "".join(f"; {score_in_words(score)}" for score in decision.scores)


def _suggested(decision: Decision) -> str:
    """What the customer may look at next."""
    if not decision.suggestions:
        return ""
    told = [suggestion_in_words(suggestion) for suggestion in decision.suggestions[:_SUGGESTED]]
    more = len(decision.suggestions) - len(told)
    return "; next perhaps " + "; ".join([*told, *([f"and {more} more"] if more else [])])


def _expected(trigger: TriggerData | None) -> str:
    """The orders to come, as they were expected at that time."""
    return "" if trigger is None or trigger.expected is None else f"; {expected_in_words(trigger.expected)}"


def _shown(trigger: TriggerData | None) -> str:
    """What the site was told to do, and for whom; empty where that is not known any more."""
    if trigger is None or trigger.moment is None or trigger.action is None:
        return ""
    now = trigger.moment
    words = shown_in_words(trigger.action, now.category, now.brand)
    if trigger.items and trigger.action is not Action.NONE:
        words += f" ({', '.join(item.item_id for item in trigger.items)})"
    return f"{words}, now that the stage is {now.stage} and the cart {now.cart}"


def _because(decision: Decision, events: Sequence[PersonEvent]) -> str:
    """The reason in words, with the time or the worth where the events say it."""
    words = reason_in_words(decision.kind, decision.reason)
    match decision.reason:
        case Reason.ORDERED if ordered := _order_that_counts(decision, events):
            return f"{words} at {moment(ordered)}"
        case Reason.EMPTIED:
            return f"{words} at {moment(at_of(decision.at))}"
        case Reason.BELOW_MIN_VALUE:
            return f"{words}: {money(decision.value, decision.currency)}"
        case Reason.ORDERS_SILENT:
            return f"{words}; visitors come all the same, so nobody knows who bought"
        case _:
            return words


def _order_that_counts(decision: Decision, events: Sequence[PersonEvent]) -> int:
    """The time of the order for which this was decided, 0 where it is not known.

    What was never sent for an order that came after it was due: the first one after that. Else the one at the time of
    the decision, or the last before.
    """
    at, orders = at_of(decision.at), sorted(order.at for order in _orders(events))
    if decision.outcome is Outcome.SUPPRESSED and decision.due_at:
        return next((order for order in orders if order > at_of(decision.due_at)), 0)
    return max((order for order in orders if order <= at), default=0)


def _orders(events: Sequence[PersonEvent]) -> list[OrderRow]:
    return [event for event in events if isinstance(event, OrderRow) and event.news == OrderNews.PURCHASE]
