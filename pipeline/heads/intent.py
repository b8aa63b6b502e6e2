"""Intent: will this session buy? What is kept of a person for it, what the score looks at, and when the label is known.

A session ends with the last event before a silence of GAP. After 2, 5, and 10 meaningful events of it the prediction is
kept, with its exact inputs, until the session's end + GAP: then it is known whether the session bought. An order ends
the question: nothing is kept after it. Sets of items and categories are sketches, one bit of a hash each.
"""

from msgspec import Struct
from msgspec.structs import replace
from xxhash import xxh32_intdigest

from pipeline.heads.labelled import Labelled
from pipeline.scoring.features import Input, Inputs, Prior, Shrunk, Spec

GAP = 30 * 60_000
"""Milliseconds of silence that end a session."""

KEPT_AFTER = (2, 5, 10)
"""Meaningful events of a session after which its prediction is kept: all others have no label and are not learned."""

MAX_PENDING = 12
"""Predictions kept at once: four sessions, of which the clock of the log has not yet passed the ends."""

_FULL = 24
"""Of the 32 bits of a sketch; one of many sessions that is fuller says nothing, and starts anew."""

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000


class Pending(Struct, frozen=True, array_like=True, gc=False):
    """A prediction that waits for its label.

    `due` is when that can be known, epoch milliseconds, and `label` what it then is; 0 while the session goes on.
    """

    id: str
    made_at: int
    inputs: Inputs
    served: float | None
    version: int
    due: int = 0
    label: int = 0


class Habits(Struct, frozen=True, array_like=True, gc=False):
    """Of the sessions that have ended: how many, how many of them bought, and the time of the last order, 0 for none.

    `items` are those of the last of these sessions, `categories` those of several; both are sketches.
    """

    sessions: int = 0
    buying: int = 0
    ordered_at: int = 0
    items: int = 0
    categories: int = 0


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """What is kept of one person: habits, and the session. Times are epoch milliseconds, spans milliseconds.

    The time of the session's `last` event, 0 before the first; how long it has `lasted` then; the `gap` before that
    event, the `silence` before the session. Meaningful events (`steps`), of these additions to the cart, searches,
    views of an item `again`, and views of an item of the session before (`recalled`). Sketches of the `items` and
    `categories`; the place of the newest `category` in its sketch, plus one, and how many steps in a row have stayed in
    it (`run`). Whether a `checkout` was started, and whether it has `bought`.
    """

    habits: Habits = Habits()
    last: int = 0
    lasted: int = 0
    gap: int = 0
    silence: int = 0
    steps: int = 0
    carts: int = 0
    searches: int = 0
    again: int = 0
    recalled: int = 0
    items: int = 0
    categories: int = 0
    category: int = 0
    run: int = 0
    checkout: int = 0
    bought: int = 0
    pending: tuple[Pending, ...] = ()


def viewed(memory: Memory, at: int, item: str, category: str = "") -> Memory:
    """A product was looked at. Here as below `category` is empty where it is not known."""
    m = _begun(memory, at)
    bit = 1 << _place(item)
    again = m.items & bit != 0
    recalled = not again and m.habits.items & bit != 0
    return _stepped(m, at, bit, category, again=again, recalled=recalled)


def browsed(memory: Memory, at: int, category: str) -> Memory:
    """A category was looked at."""
    return _stepped(_begun(memory, at), at, 0, category)


def searched(memory: Memory, at: int) -> Memory:
    """A search was made."""
    return _stepped(_begun(memory, at), at, 0, "", searches=1)


def favoured(memory: Memory, at: int, item: str, category: str = "") -> Memory:
    """A product was put on the wish list, or liked."""
    return _stepped(_begun(memory, at), at, 1 << _place(item), category)


def carted(memory: Memory, at: int, item: str, category: str = "") -> Memory:
    """A product was put into the cart."""
    return _stepped(_begun(memory, at), at, 1 << _place(item), category, carts=1)


def changed_cart(memory: Memory, at: int) -> Memory:
    """The cart was changed in any other way than an addition."""
    return _stepped(_begun(memory, at), at, 0, "")


def checked_out(memory: Memory, at: int) -> Memory:
    """A checkout was started."""
    return _stepped(_begun(memory, at), at, 0, "", checkout=1)


def ordered(memory: Memory, at: int) -> Memory:
    """Something was bought: no meaningful event of the session, but it ends the question."""
    m = _begun(memory, at)
    habits = replace(m.habits, ordered_at=max(m.habits.ordered_at, at))
    if at < m.last - m.lasted:  # read late: of a session that has ended
        pending = tuple(replace(one, label=1) if one.made_at <= at < one.due else one for one in m.pending)
        return replace(m, habits=habits, pending=pending)
    gap = max(at - m.last, 0)
    return replace(m, habits=habits, last=m.last + gap, lasted=m.lasted + gap, gap=gap, bought=1)


def inputs(memory: Memory, at: int) -> Inputs:
    """What the score looks at, right after an event of `at`: whole numbers, in the order of `SPEC.inputs`."""
    m, habits = memory, memory.habits
    return (
        m.steps,
        m.categories.bit_count(),
        (m.categories & habits.categories).bit_count(),
        m.run,
        m.again,
        m.recalled,
        m.carts,
        m.searches,
        m.checkout,
        m.lasted,
        m.gap,
        m.silence,
        at // _HOUR % 24,
        habits.sessions,
        habits.buying,
        max(at - habits.ordered_at, 1) if habits.ordered_at else 0,
    )


def kept_now(memory: Memory) -> bool:
    """Whether the prediction after the newest event is to be kept (`predicted`), to be learned from."""
    return memory.steps in KEPT_AFTER and not memory.bought and len(memory.pending) < MAX_PENDING


def predicted(memory: Memory, id: str, at: int, served: float | None, version: int) -> Memory:  # noqa: A002
    """Keep the prediction that was made after the event of `at`: the logit `served`, None without a snapshot."""
    one = Pending(id, at, inputs(memory, at), served, version)
    return replace(memory, pending=(*memory.pending, one))


def settle(memory: Memory, clock: int) -> tuple[Memory, tuple[Labelled, ...]]:
    """Hand over the predictions whose label is known at `clock`, the time that the log has passed."""
    if not memory.pending:
        return memory, ()
    end = memory.last + GAP
    ready: list[Pending] = []
    waiting: list[Pending] = []
    for one in memory.pending:
        (ready if (one.due or end) <= clock else waiting).append(one)
    if not ready:
        return memory, ()
    labelled = tuple(
        Labelled(
            one.id,
            0,
            one.made_at,
            one.due or end,
            one.inputs,
            one.label if one.due else memory.bought,
            1.0,
            one.served,
            one.version,
        )
        for one in ready
    )
    return replace(memory, pending=tuple(waiting)), labelled


def next_label(memory: Memory) -> int:
    """When the next label can be known, epoch milliseconds; 0 for none."""
    if not memory.pending:
        return 0
    return memory.pending[0].due or memory.last + GAP


def _place(name: str) -> int:
    """Its place in a sketch."""
    return xxh32_intdigest(name.encode()) & 31


def _stepped(
    m: Memory,
    at: int,
    item: int,
    category: str,
    *,
    again: int = 0,
    recalled: int = 0,
    carts: int = 0,
    searches: int = 0,
    checkout: int = 0,
) -> Memory:
    """A meaningful event; `item` is a bit of the sketch, 0 for none."""
    gap = at - m.last
    if gap < 0:
        gap = 0
    place, categories, run = m.category, m.categories, m.run
    if category:
        place = _place(category) + 1
        categories |= 1 << (place - 1)
        run = run + 1 if place == m.category else 0
    return Memory(
        m.habits,
        m.last + gap,
        m.lasted + gap,
        gap,
        m.silence,
        m.steps + 1,
        m.carts + carts,
        m.searches + searches,
        m.again + again,
        m.recalled + recalled,
        m.items | item,
        categories,
        place,
        run,
        m.checkout | checkout,
        m.bought,
        m.pending,
    )


def _begun(m: Memory, at: int) -> Memory:
    """With a session for an event of `at`: the one that goes on, or a new one, and the old one added to the habits."""
    if at - m.last < GAP:
        return m
    if not m.last:
        return Memory(last=at)
    known = m.habits.categories | m.categories
    habits = Habits(
        m.habits.sessions + 1,
        m.habits.buying + m.bought,
        m.habits.ordered_at,
        m.items,
        known if known.bit_count() <= _FULL else m.categories,
    )
    end = m.last + GAP
    pending = tuple(one if one.due else replace(one, due=end, label=m.bought) for one in m.pending)
    return Memory(habits, last=at, silence=at - m.last, pending=pending)


SPEC = Spec(
    head="intent",
    version=1,
    inputs=(
        Input("steps", "{} steps in this visit", edges=(3, 6, 11)),
        Input("categories", "{} categories looked at"),
        Input("known", "{} of the categories known from earlier visits"),
        Input("run", "{} more steps in a row in one category"),
        Input("again", "{} looks at a product seen before in this visit"),
        Input("recalled", "{} looks at a product of the visit before"),
        Input("carts", "{} additions to the cart"),
        Input("searches", "{} searches"),
        Input("checkout", "checkout started", edges=(1,), scaled=False),
        Input("lasted", "{} minutes in this visit", unit=_MINUTE),
        Input("gap", "{} minutes since the step before", unit=_MINUTE),
        Input("silence", "{} hours since the visit before", unit=_HOUR),
        Input("hour", "hour {} of the day (UTC)", edges=(4, 8, 12, 16, 20), scaled=False),
        Input("sessions", "{} earlier visits"),
        Input("buying", "{} earlier visits with an order"),
        Input("since_order", "{} days since the last order", unit=_DAY),
    ),
    shrunk=(
        Shrunk(
            "rate", "{} orders a visit, by this customer and the shop", "buying", "sessions", 5.0, "rate", share=True
        ),
    ),
    priors=(Prior("rate", "", 0.05),),
)
"""What the intent head sees. A visit is a session."""
