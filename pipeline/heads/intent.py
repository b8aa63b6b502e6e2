"""Intent: will this session buy? What is kept of a person for it, what the score looks at, and when the label is known.

A session ends with the last event before a silence of GAP. After 2, 5, and 10 meaningful events of it the prediction is
kept, with its exact inputs, until the session's end + GAP: then it is known whether the session bought. An order ends
the question: nothing is kept after it. Sets of items and categories are sketches, one bit of a hash each.
"""

from typing import Final

from msgspec import msgpack
from msgspec.structs import astuple, replace
from xxhash import xxh32_intdigest

from pipeline.heads.intent_memory import Habits as Habits
from pipeline.heads.intent_memory import Memory as Memory
from pipeline.heads.intent_memory import Pending as Pending
from pipeline.heads.intent_memory import Session as Session
from pipeline.heads.labelled import Labelled
from pipeline.scoring.features import Input, Inputs, Prior, Shrunk, Spec

GAP: Final = 30 * 60_000
"""Milliseconds of silence that end a session."""

KEPT_AFTER: Final = (2, 5, 10)
"""Meaningful events of a session after which its prediction is kept: all others have no label and are not learned."""

MAX_PENDING: Final = 12
"""Predictions kept at once: four sessions, of which the clock of the log has not yet passed the ends."""

_FULL: Final = 24
"""Of the 32 bits of a sketch; one of many sessions that is fuller says nothing, and starts anew."""

_MINUTE: Final = 60_000
_HOUR: Final = 3_600_000
_DAY: Final = 86_400_000


_NEW: Final = Session()

# In compiled code a constant is at hand, a global is looked up at each use.
_memory: Final = Memory
_session: Final = Session
_fields: Final = astuple
_hash: Final = xxh32_intdigest
_DUE: Final = 8
_PREFIX: Final = _DUE + 1
"""Bytes before the predictions that wait."""

_encode: Final = msgpack.Encoder().encode
_decode: Final = msgpack.Decoder(tuple[Pending, ...]).decode


def viewed(memory: Memory, at: int, item: str, category: str = "") -> Memory:
    """A product was looked at. Here as below `category` is empty where it is not known."""
    return _stepped(memory, at, 1 << _place(item), category, looks=1)


def browsed(memory: Memory, at: int, category: str) -> Memory:
    """A category was looked at."""
    return _stepped(memory, at, 0, category)


def searched(memory: Memory, at: int) -> Memory:
    """A search was made."""
    return _stepped(memory, at, 0, "", searches=1)


def favoured(memory: Memory, at: int, item: str, category: str = "") -> Memory:
    """A product was put on the wish list, or liked."""
    return _stepped(memory, at, 1 << _place(item), category)


def carted(memory: Memory, at: int, item: str, category: str = "") -> Memory:
    """A product was put into the cart."""
    return _stepped(memory, at, 1 << _place(item), category, carts=1)


def changed_cart(memory: Memory, at: int) -> Memory:
    """The cart was changed in any other way than an addition."""
    return _stepped(memory, at, 0, "")


def checked_out(memory: Memory, at: int) -> Memory:
    """A checkout was started."""
    return _stepped(memory, at, 0, "", checkout=1)


def ordered(memory: Memory, at: int) -> Memory:
    """Something was bought: no meaningful event of the session, but it ends the question."""
    session = memory.session
    if at < memory.last - (session.lasted if session else 0):  # read late: of a session that has ended
        pending = [replace(one, label=1) if one.made_at <= at < one.due else one for one in pending_of(memory)]
        return Memory(_bought(memory.habits, at), memory.last, session, packed(pending))
    m = _begun(memory, at)
    session, gap = m.session or _NEW, max(at - m.last, 0)
    session = replace(session, lasted=session.lasted + gap, gap=gap, bought=1)
    return Memory(_bought(m.habits, at), m.last + gap, session, m.pending)


def inputs(memory: Memory, at: int) -> Inputs:
    """What the score looks at, right after an event of `at`: whole numbers, in the order of `SPEC.inputs`."""
    lasted, gap, silence, steps, carts, searches, again, recalled, _, categories, _, run, checkout, _ = _fields(
        memory.session or _NEW
    )
    sessions, buying, ordered_at, _, known = _fields(memory.habits)
    return (
        steps,
        categories.bit_count(),
        (categories & known).bit_count(),
        run,
        again,
        recalled,
        carts,
        searches,
        checkout,
        lasted,
        gap,
        silence,
        at // _HOUR % 24,
        sessions,
        buying,
        max(at - ordered_at, 1) if ordered_at else 0,
    )


def begins(memory: Memory) -> bool:
    """Whether the newest event is the first meaningful one of its session."""
    session = memory.session
    return session is not None and session.steps == 1


def kept_now(memory: Memory) -> bool:
    """Whether the prediction after the newest event is to be kept (`predicted`), to be learned from."""
    session = memory.session
    return session is not None and session.steps in KEPT_AFTER and not session.bought


def predicted(memory: Memory, id: str, at: int, served: float | None, version: int) -> Memory:  # noqa: A002
    """Keep the prediction that was made after the event of `at`: the logit `served`, None without a snapshot.

    Where MAX_PENDING are kept already nothing changes.
    """
    pending = [*pending_of(memory), Pending(id, at, inputs(memory, at), served, version)]
    return (
        Memory(memory.habits, memory.last, memory.session, packed(pending)) if len(pending) <= MAX_PENDING else memory
    )


def pending_of(memory: Memory) -> tuple[Pending, ...]:
    """The predictions that wait for their labels."""
    return _decode(memoryview(memory.pending)[_PREFIX:]) if memory.pending else ()


def knows(session: Session, item: str) -> bool:
    """Whether an item was touched in the session; at times it says so of one that was not."""
    return bool(session.items >> _place(item) & 1)


def settle(memory: Memory, clock: int) -> tuple[Memory, tuple[Labelled, ...]]:
    """Hand over the predictions whose label is known at `clock`, the time that the log has passed.

    Of a session whose end it has passed only the habits stay: an event of it that is read later begins anew.
    """
    end = memory.last + GAP
    if end <= clock and memory.session is not None:
        memory = Memory(_ended(memory.habits, memory.session), memory.last, None, _due(memory))
    if not 0 < next_label(memory) <= clock:
        return memory, ()
    ready: list[Labelled] = []
    waiting: list[Pending] = []
    for one in pending_of(memory):
        if not one.due or one.due > clock:
            waiting.append(one)
            continue
        ready.append(Labelled(one.id, 0, one.made_at, one.due, one.inputs, one.label, 1, one.served, one.version))
    return Memory(memory.habits, memory.last, memory.session, packed(waiting)), tuple(ready)


def next_label(memory: Memory) -> int:
    """When a label of a session that has ended can be known next, epoch milliseconds; 0 for none."""
    return int.from_bytes(memory.pending[:_DUE], "big") if memory.pending else 0


def session_label(memory: Memory) -> int:
    """When the labels of the session that goes on can be known, as far as it has come; 0 for none."""
    return memory.last + GAP if memory.pending and memory.pending[_DUE] else 0


def packed(pending: list[Pending]) -> bytes | None:
    """The predictions as they are kept: before them when the first label is known, and whether the session's wait."""
    return pending[0].due.to_bytes(_DUE, "big") + bytes([not pending[-1].due]) + _encode(pending) if pending else None


def _place(name: str) -> int:
    """Its place in a sketch."""
    return _hash(name.encode()) & 31


def _stepped(
    memory: Memory,
    at: int,
    item: int,
    category: str,
    looks: int = 0,
    carts: int = 0,
    searches: int = 0,
    checkout: int = 0,
) -> Memory:
    """A meaningful event; `item` is a bit of the sketch, 0 for none."""
    # All fields at once: one by one they take longer than all the rest.
    habits, last, m, pending = _fields(memory)
    if m is None or at - last >= GAP:
        habits, last, m, pending = _fields(_begun(memory, at))
    lasted, _, silence, steps, added, searched, again, recalled, items, categories, place, run, checked, bought = (
        _fields(m)
    )
    gap = at - last if at > last else 0
    if looks:
        if items & item:
            again += looks
        elif habits.items & item:
            recalled += looks
    if category:
        before, place = place, _place(category) + 1
        categories |= 1 << (place - 1)
        run = run + 1 if place == before else 0
    session = _session(
        lasted + gap,
        gap,
        silence,
        steps + 1,
        added + carts,
        searched + searches,
        again,
        recalled,
        items | item,
        categories,
        place,
        run,
        checked | checkout,
        bought,
    )
    return _memory(habits, last + gap, session, pending)


def _begun(m: Memory, at: int) -> Memory:
    """With a session for an event of `at`: the one that goes on, or a new one, and the old one added to the habits."""
    silence, session = at - m.last, m.session
    if session is None:
        if not m.last:
            return Memory(m.habits, at, _NEW)
        silence = max(silence, 0)
        return Memory(m.habits, m.last + silence, Session(silence=silence), m.pending)
    if silence < GAP:
        return m
    return Memory(_ended(m.habits, session), at, Session(silence=silence), _due(m))


def _ended(habits: Habits, session: Session) -> Habits:
    """The habits with one more session."""
    known = habits.categories | session.categories
    return Habits(
        habits.sessions + 1,
        habits.buying + session.bought,
        habits.ordered_at,
        session.items,
        known if known.bit_count() <= _FULL else session.categories,
    )


def _bought(habits: Habits, at: int) -> Habits:
    return replace(habits, ordered_at=max(habits.ordered_at, at))


def _due(memory: Memory) -> bytes | None:
    """The predictions as they are once the session has ended: all of them know their label."""
    bought, end = memory.session.bought if memory.session else 0, memory.last + GAP
    return packed([one if one.due else replace(one, due=end, label=bought) for one in pending_of(memory)])


SPEC: Final = Spec(
    head="intent",
    version=1,
    inputs=(
        Input("steps", "steps in this visit: {}", edges=(3, 6, 11)),
        Input("categories", "categories looked at in this visit: {}"),
        Input("known", "categories known from earlier visits: {}"),
        Input("run", "further steps in a row in one category: {}"),
        Input("again", "looks at a product seen before in this visit: {}"),
        Input("recalled", "looks at a product of the visit before: {}"),
        Input("carts", "additions to the cart in this visit: {}"),
        Input("searches", "searches in this visit: {}"),
        Input("checkout", "checkout started", edges=(1,), scaled=False, zero="no checkout started"),
        Input("lasted", "minutes in this visit: {}", unit=_MINUTE),
        Input("gap", "minutes since the step before: {}", unit=_MINUTE),
        Input("silence", "hours since the visit before: {}", unit=_HOUR, zero=""),
        Input("hour", "at {} h UTC", edges=(4, 8, 12, 16, 20), scaled=False),
        Input("sessions", "earlier visits: {}"),
        Input("buying", "earlier visits with an order: {}"),
        Input("since_order", "days since the last order: {}", unit=_DAY, zero="no order so far"),
    ),
    shrunk=(
        Shrunk(
            "rate", "orders a visit, by this customer and the shop: {}", "buying", "sessions", 5.0, "rate", share=True
        ),
    ),
    priors=(Prior("rate", "", 0.05),),
    least=1_000,
)
"""What the intent head sees. A visit is a session."""
