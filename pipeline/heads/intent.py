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


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """What is kept of one person. Times are epoch milliseconds, 0 for never, and spans are milliseconds.

    Of the past: `sessions` that have ended, how many of them were `buying` and how many `carting`, and the time of the
    last order, `bought_at`. Of the session: the time of its `last` event; how long it has `lasted` then; the `gap`
    before that event, the `silence` before the session; meaningful events (`steps`), and of these additions to the
    cart, favourites, searches, and views of an item that had been looked at (`again`); the sketches of `items` and
    `categories`; whether a `checkout` was started, and whether it has `bought`.
    """

    sessions: int = 0
    buying: int = 0
    carting: int = 0
    bought_at: int = 0
    last: int = 0
    lasted: int = 0
    gap: int = 0
    silence: int = 0
    steps: int = 0
    carts: int = 0
    favourites: int = 0
    searches: int = 0
    again: int = 0
    items: int = 0
    categories: int = 0
    checkout: int = 0
    bought: int = 0
    pending: tuple[Pending, ...] = ()


def viewed(memory: Memory, at: int, item: str, category: str = "") -> Memory:
    """A product was looked at; `category` is empty where it is not known."""
    return _stepped(memory, at, items=_bit(item), categories=_bit(category) if category else 0, looked=True)


def browsed(memory: Memory, at: int, category: str) -> Memory:
    """A category was looked at."""
    return _stepped(memory, at, categories=_bit(category))


def searched(memory: Memory, at: int) -> Memory:
    """A search was made."""
    return _stepped(memory, at, searches=1)


def favoured(memory: Memory, at: int, item: str) -> Memory:
    """A product was put on the wish list, or liked."""
    return _stepped(memory, at, favourites=1, items=_bit(item))


def carted(memory: Memory, at: int, item: str) -> Memory:
    """A product was put into the cart."""
    return _stepped(memory, at, carts=1, items=_bit(item))


def changed_cart(memory: Memory, at: int) -> Memory:
    """The cart was changed in any other way than an addition."""
    return _stepped(memory, at)


def checked_out(memory: Memory, at: int) -> Memory:
    """A checkout was started."""
    return _stepped(memory, at, checkout=1)


def ordered(memory: Memory, at: int) -> Memory:
    """Something was bought: no meaningful event of the session, but it ends the question."""
    if at < memory.last - memory.lasted:  # read late: of a session that has ended
        pending = tuple(replace(one, label=1) if one.made_at <= at < one.due else one for one in memory.pending)
        return replace(memory, bought_at=max(memory.bought_at, at), pending=pending)
    m = _ended(memory, at) if at - memory.last >= GAP else memory
    gap = max(at - m.last, 0)
    return replace(m, bought_at=max(m.bought_at, at), last=m.last + gap, lasted=m.lasted + gap, gap=gap, bought=1)


def inputs(memory: Memory, at: int) -> Inputs:
    """What the score looks at, right after an event of `at`: whole numbers, in the order of `SPEC.inputs`."""
    m = memory
    return (
        m.steps,
        m.items.bit_count(),
        m.categories.bit_count(),
        m.again,
        m.carts,
        m.favourites,
        m.searches,
        m.checkout,
        m.lasted,
        m.gap,
        m.silence,
        at // _HOUR % 24,
        m.sessions,
        m.buying,
        m.carting,
        max(at - m.bought_at, 1) if m.bought_at else 0,
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


def _bit(name: str) -> int:
    """Its place in a sketch."""
    return 1 << (xxh32_intdigest(name.encode()) & 63)


def _stepped(
    m: Memory,
    at: int,
    *,
    carts: int = 0,
    favourites: int = 0,
    searches: int = 0,
    checkout: int = 0,
    items: int = 0,
    categories: int = 0,
    looked: bool = False,
) -> Memory:
    gap = at - m.last
    if gap >= GAP:
        m, gap = _ended(m, at), 0
    elif gap < 0:
        gap = 0
    return Memory(
        m.sessions,
        m.buying,
        m.carting,
        m.bought_at,
        m.last + gap,
        m.lasted + gap,
        gap,
        m.silence,
        m.steps + 1,
        m.carts + carts,
        m.favourites + favourites,
        m.searches + searches,
        m.again + 1 if looked and m.items & items else m.again,
        m.items | items,
        m.categories | categories,
        m.checkout | checkout,
        m.bought,
        m.pending,
    )


def _ended(m: Memory, at: int) -> Memory:
    """The session that was, added up; a new one begins with the event of `at`."""
    if not m.last:
        return Memory(last=at)
    end = m.last + GAP
    return Memory(
        sessions=m.sessions + 1,
        buying=m.buying + m.bought,
        carting=m.carting + (m.carts > 0),
        bought_at=m.bought_at,
        last=at,
        silence=at - m.last,
        pending=tuple(one if one.due else replace(one, due=end, label=m.bought) for one in m.pending),
    )


_RATE_EDGES = (0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3)
_COUNT_EDGES = (1, 2, 3, 4, 6, 8, 12)

SPEC = Spec(
    head="intent",
    version=1,
    inputs=(
        Input("steps", "{} steps in this visit", edges=(3, 6, 11)),
        Input("items", "{} products looked at", edges=_COUNT_EDGES),
        Input("categories", "{} categories looked at", edges=_COUNT_EDGES[:5]),
        Input("again", "{} looks at a product seen before", edges=_COUNT_EDGES[:4]),
        Input("carts", "{} additions to the cart", edges=(1, 2)),
        Input("favourites", "{} favourites", edges=(1, 2)),
        Input("searches", "{} searches", edges=(1, 2)),
        Input("checkout", "checkout started", edges=(1,), scaled=False),
        Input("lasted", "{} minutes in this visit", unit=_MINUTE),
        Input("gap", "{} minutes since the step before", unit=_MINUTE),
        Input("silence", "{} hours since the visit before", unit=_HOUR),
        Input("hour", "hour {} of the day (UTC)", edges=(4, 8, 12, 16, 20), scaled=False),
        Input("sessions", "{} earlier visits"),
        Input("buying", "{} earlier visits with an order"),
        Input("carting", "{} earlier visits with an addition to the cart"),
        Input("since_order", "{} days since the last order", unit=_DAY, edges=(1, _DAY, 7 * _DAY, 30 * _DAY)),
    ),
    shrunk=(
        Shrunk("rate", "orders in {:.0%} of visits", "buying", "sessions", 5.0, "rate", share=True, edges=_RATE_EDGES),
    ),
    priors=(Prior("rate", "", 0.05),),
)
"""What the intent head sees. A visit is a session."""
