"""What the intent head keeps of a person."""

from msgspec import Struct

from pipeline.scoring.features import Inputs


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


class Session(Struct, frozen=True, array_like=True, gc=False):
    """The session that goes on. Spans are milliseconds.

    How long it has `lasted` at its last event, the `gap` before that event, the `silence` before the session.
    Meaningful events (`steps`), of these additions to the cart, searches, views of an item `again`, and views of an
    item of the session before (`recalled`). Sketches of the `items` and `categories`; the place of the newest
    `category` in its sketch, plus one, and how many steps in a row have stayed in it (`run`). Whether a `checkout` was
    started, and whether it has `bought`.
    """

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


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """What is kept of one person: `habits`, and the `session`, None once the clock has passed its end.

    `last` is the time of the newest event, epoch milliseconds, 0 before the first. `pending` are the predictions that
    wait, kept encoded (`packed`, `pending_of`): most events only pass them on.
    """

    habits: Habits = Habits()
    last: int = 0
    session: Session | None = None
    pending: bytes | None = None
