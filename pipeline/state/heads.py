"""What the heads remember of a person, each in a section of its own; absent for who objects to a profile."""

from typing import Final

from msgspec import Struct

from pipeline.heads.cart import Memory as CartMemory
from pipeline.heads.count import Memory as CountMemory
from pipeline.heads.intent import Memory as IntentMemory
from pipeline.heads.reorder import Memory as ReorderMemory

MAX_DUE: Final = 4


class Heads(Struct, frozen=True, array_like=True, gc=False):
    """The memories of the heads, None before the first event that concerns them.

    `due` holds, for the newest orders, `(time of the order, when to win the customer back)`, epoch milliseconds; the
    second is 0 where the model sees no order coming. An order is not in it when no model was there to say.
    """

    intent: IntentMemory | None = None
    cart: CartMemory | None = None
    reorder: ReorderMemory | None = None
    due: tuple[tuple[int, int], ...] = ()
    count: CountMemory | None = None
