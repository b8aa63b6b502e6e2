"""The customer value: all that is kept of one person on one site, bounded in every list.

Nested values are immutable, so a shallow copy is a snapshot: an event that makes the fold raise costs that event only.
The size of this value is the speed of the system: typically under 500 bytes.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct, field

from pipeline.state.cart import Cart
from pipeline.state.heads import Heads
from pipeline.state.orders import Orders
from pipeline.state.shown import Shown
from pipeline.state.tastes import Tastes
from pipeline.state.win_back import WinBack

MAX_CHANNELS: Final = 8
MAX_ACTIVE: Final = 64
MAX_WISHES: Final = 16
MAX_WORDS = 8
MAX_LOGINS: Final = 4
NEVER: Final = 0


class Grant(Struct, frozen=True, array_like=True, gc=False):
    """A word about a permission, said at `at`."""

    granted: bool
    basis: str
    at: int


Grants = Mapping[str, tuple[Grant, ...]]
"""By `purpose` or `purpose:channel`: the word that the clock has passed last, and those after it, by time."""


class Recent(Struct, frozen=True, array_like=True, gc=False):
    """Ids of one topic (see `pipeline.state.recent`): `newest` of their times, `horizon` the newest that had to go."""

    ring: bytes = b""
    newest: int = 0
    horizon: int = 0


class Customer(Struct, array_like=True, gc=False):
    """One person. Times are epoch milliseconds, 0 for never.

    `next_due` and `session_due` are when the clock must wake this person, 0 for not at all; they stand first so that
    the timers can be rebuilt without reading the rest. The one may be early, never late; the other is the end of the
    session whose predictions wait for it, and moves on with its events. `channel` is where the person was `seen` last,
    `channels` has the last activity on each other. `page_consent` is the consent mode that a page said last, packed, as
    long as nothing newer has been said otherwise. `active` holds spans of activity, as start and end in turn, that the
    clock has not passed or the episode not absorbed.

    `born` is the first activity that was read, `interested` the last that was about products. `stage` is the funnel
    stage (`pipeline.profile.funnel`). `wishes` are the items of the wish list, the newest last. `logins` holds 5-byte
    digests of the last MAX_LOGINS logins, so that one told twice counts once.
    """

    next_due: int = NEVER
    session_due: int = NEVER
    seen: int = NEVER
    cart_added: int = NEVER
    ordered: int = NEVER
    ordered_offline: int = NEVER
    bot: int = NEVER
    device: str = ""
    locale: str = ""
    page_consent: int = 0
    channel: str = ""
    channels: dict[str, int] = field(default_factory=dict)
    active: tuple[int, ...] = ()
    clicks: Recent = Recent()
    carts: Recent = Recent()
    orders: Orders | None = None
    grants: dict[str, tuple[Grant, ...]] = field(default_factory=dict)
    cart: Cart | None = None
    born: int = NEVER
    interested: int = NEVER
    stage: int = 0
    tastes: Tastes | None = None
    wishes: tuple[str, ...] = ()
    win_back: WinBack | None = None
    shown: Shown | None = None
    heads: Heads | None = None
    logins: bytes = b""


snapshot: Callable[[Customer], Customer] = Customer.__copy__  # type: ignore[attr-defined]  # msgspec does not say so
"""A shallow copy; `copy.copy` comes to the same at three times the price."""


def last_activity(customer: Customer) -> dict[str, int]:
    """Time of the last activity by channel."""
    return {**customer.channels, customer.channel: customer.seen} if customer.channel else dict(customer.channels)
