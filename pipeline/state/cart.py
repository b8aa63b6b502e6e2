"""The cart of a person: settled content, changes that the clock has not passed yet, and the open episode.

Changes reach us in any order; what they mean is decided by their own time. So a change waits in `pending`, in time
order, until the log's clock has passed it, and is then applied to `lines` for good. That is why neither the size of
a frame nor the order in which sources are read changes what is decided.
"""

from typing import Final

from msgspec import Struct

MAX_LINES: Final = 50
MAX_PENDING: Final = 64

CART_CHANGE: Final = 0
PURCHASE: Final = 1
"""Ranks: at one moment the cart changes first, then the order closes it."""

PURCHASE_CLOSE: Final = 101
PURCHASE_KEEP: Final = 102
"""Ops of a pending purchase, beside those of `pipeline.log.rows.CartOp`; the numbers are stored."""


class CartLine(Struct, frozen=True, array_like=True, gc=False):
    """One product in the cart.

    `price` in minor units of `currency`, -1 where unknown; `worth` is the price in the site's base currency, by the
    policy in force when the change was read. A dormant line was left over by an order and waits to be touched.
    """

    sku: str
    quantity: int
    price: int
    currency: str
    worth: int
    category: str
    brand: str
    touched: int
    dormant: bool = False


class CartChange(Struct, frozen=True, array_like=True, gc=False):
    """A change that waits for the clock. `(at, rank, version, id)` is its place in time.

    `delay` is the silence after it until the first step, as it was learned, milliseconds, 0 for the policy's;
    `propensity` the chance with which just this was chosen.
    """

    at: int
    rank: int
    version: int
    id: str
    op: int
    lines: tuple[CartLine, ...] = ()
    delay: int = 0
    propensity: int | float = 1


class Emitted(Struct, frozen=True, array_like=True, gc=False):
    """A step that was emitted and may still have to be cancelled."""

    step: int
    due: int
    expires: int
    channel: str
    sent: bool = False


class Episode(Struct, frozen=True, array_like=True, gc=False):
    """An abandonment in the making: from the change that filled the cart until it is emptied or ordered.

    `last` is the newest activity that counts for the next step, `decided` the highest step that was decided. `until`
    is when a deferred step is looked at again, 0 where none is.
    """

    id: str
    opened: int
    last: int
    decided: int = 0
    held: bool = False
    emitted: tuple[Emitted, ...] = ()
    until: int = 0


class Cart(Struct, frozen=True, array_like=True, gc=False):
    """`settled`: changes up to this time are in `lines`. `snapshot`: place in time of the newest settled snapshot.

    `delay` and `propensity` are those of the newest settled change. `rules` marks the policy by which it was worked out
    when the clock must look at the cart (`SiteNow.rules`).
    """

    settled: int = 0
    snapshot: tuple[int, int, int, str] | None = None
    lines: tuple[CartLine, ...] = ()
    episode: Episode | None = None
    pending: tuple[CartChange, ...] = ()
    delay: int = 0
    propensity: int | float = 1
    rules: int = 0
