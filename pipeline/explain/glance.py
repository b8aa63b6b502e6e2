"""A record of an output at a glance: one line for people, as wide at most as its columns."""

from datetime import datetime

import msgspec
from msgspec import Struct

from pipeline.explain.words import joined, moment, money

_WIDTHS = {
    "kind": 18,
    "who": 26,
    "what": 44,
    "why": 14,
    "channel": 9,
    "detail": 90,
    "place": 24,
    "outcome": 10,
    "scores": 36,
    "next": 40,
}
"""Characters of each column; what is longer is cut."""


class _Item(Struct):
    item_id: str = ""
    quantity: int = 1
    currency: str = ""
    price_now: int | None = None
    price_at_add: int | None = None


class _Moment(Struct, frozen=True):
    category: str = ""
    brand: str = ""
    intent: str = ""


class _Score(Struct, frozen=True):
    head: str = ""
    probability: float = 0.0


class _Suggestion(Struct, frozen=True):
    item_id: str = ""


class _Expected(Struct, frozen=True):
    head: str = ""
    orders: float = 0.0


class _Data(Struct):
    """What is shown of a trigger or a decision; words that this release does not know are words all the same."""

    kind: str = ""
    step: int = 0
    reason: str = ""
    site_id: str = ""
    customer_id: str | None = None
    anonymous_id: str | None = None
    channel: str = ""
    expires_at: str = ""
    items: tuple[_Item, ...] = ()
    action: str | None = None
    moment: _Moment = _Moment()
    after_send: bool = False
    timing: str = ""
    scores: tuple[_Score, ...] = ()
    expected: _Expected | None = None
    suggestions: tuple[_Suggestion, ...] = ()
    outcome: str = ""
    at: str = ""
    value: int = 0
    currency: str = ""


class _CloudEvent(Struct):
    type: str
    time: str
    data: _Data


class _Reject(Struct):
    """A reject, or the note that one was replayed."""

    reason: str = ""
    detail: str = ""
    topic: str = ""
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    replayed_to: int | None = None


_trigger = msgspec.json.Decoder(_CloudEvent)
_decision = msgspec.json.Decoder(_Data)
_reject = msgspec.json.Decoder(_Reject)


def trigger_line(value: bytes) -> str:
    """When, which kind and step, who, what, why, on which channel, until when. Raises msgspec.MsgspecError."""
    event = _trigger.decode(value)
    data, at = event.data, _time(event.time)
    what = ", ".join(_item(item) for item in data.items)
    if data.action:
        shown = joined([data.action, data.moment.category, data.moment.brand])
        what = f"{shown}: {what}" if what else shown
    if ".cancelled." in event.type:
        what = "CANCELLED, but it was sent" if data.after_send else "CANCELLED: do not send"
    until = _time(data.expires_at)
    same_day = until[:10] == at[:10]
    return _columns(
        at,
        _cut("kind", f"{data.kind} {data.step}"),
        _cut("who", _who(data)),
        _cut("what", what),
        _cut("why", data.reason),
        _cut("channel", data.channel),
        f"until {until[11:] if same_day else until}" if until else "",
        _cut("scores", _said(data)),
        _cut("next", f"next {', '.join(one.item_id for one in data.suggestions)}") if data.suggestions else "",
    )


def decision_line(value: bytes) -> str:
    """When, what became of which candidate, who, why, on which channel, worth. Raises msgspec.MsgspecError."""
    data = _decision.decode(value)
    return _columns(
        _time(data.at),
        _cut("outcome", data.outcome),
        _cut("kind", f"{data.kind} {data.step}"),
        _cut("who", _who(data)),
        _cut("why", data.reason),
        _cut("channel", data.channel),
        money(data.value, data.currency) if data.value else "",
    )


def reject_line(value: bytes) -> str:
    """When it was published, its place in the source, why it was refused. Raises msgspec.MsgspecError."""
    found = _reject.decode(value)
    if found.replayed_to is not None:
        return f"{'':19}  replayed to offset {found.replayed_to:,}"
    return _columns(
        moment(found.timestamp),
        _cut("place", f"{found.topic}-{found.partition}-{found.offset}"),
        _cut("why", found.reason),
        _cut("detail", found.detail),
    )


def _who(data: _Data) -> str:
    person = data.customer_id if data.customer_id is not None else f"visitor {data.anonymous_id}"
    return f"{person} at {data.site_id}"


def _said(data: _Data) -> str:
    """What set the time, what the models say, and how many orders are to be expected."""
    chances = [f"{score.head} {score.probability:.1%}" for score in data.scores]
    orders = f"{data.expected.head} {data.expected.orders:.2f}" if data.expected is not None else ""
    return joined([data.timing, *chances, orders])


def _item(item: _Item) -> str:
    price = item.price_now if item.price_now is not None else item.price_at_add
    return f"{item.quantity} x {item.item_id}" + (f" ({money(price, item.currency)})" if price is not None else "")


def _time(written: str) -> str:
    """RFC 3339 as people read it; UTC stays UTC."""
    try:
        return moment(int(datetime.fromisoformat(written).timestamp() * 1_000))
    except ValueError:
        return ""


def _cut(column: str, text: str) -> str:
    """Text that fits its column. What a terminal would obey is shown as a blot: ids are what others wrote."""
    width = _WIDTHS[column]
    seen = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: width + 1])
    return f"{seen[: width - 1]}…" if len(seen) > width else f"{seen:<{width}}"


def _columns(*columns: str) -> str:
    return "  ".join(columns).rstrip()
