"""What the heads remember of a person, each in a section of its own; absent for who objects to a profile."""

from typing import Final

from msgspec import Struct, msgpack

from pipeline.heads import count, reorder
from pipeline.heads.cart import Memory as CartMemory
from pipeline.heads.count import Memory as CountMemory
from pipeline.heads.intent import Memory as IntentMemory
from pipeline.heads.reorder import Memory as ReorderMemory

MAX_DUE: Final = 4


class OfOrders(Struct, frozen=True, array_like=True, gc=False):
    """What the heads remember of somebody who has ordered.

    `due` holds, for the newest orders, `(time of the order, when to win the customer back)`, epoch milliseconds; the
    second is 0 where the model sees no order coming. An order is not in it when no model was there to say.
    """

    reorder: ReorderMemory
    due: tuple[tuple[int, int], ...] = ()
    count: CountMemory = CountMemory()


class Heads(Struct, frozen=True, array_like=True, gc=False):
    """The memories of the heads, None before the first event that concerns them.

    `orders` is an OfOrders, kept encoded (`of_orders`, `encode_orders`): most events only pass it on. It begins with
    the time of its next label (`orders_label`), so that the clock need not decode it.
    """

    intent: IntentMemory | None = None
    cart: CartMemory | None = None
    orders: bytes | None = None


_LABEL_BYTES: Final = 8
_encode: Final = msgpack.Encoder().encode
_decode: Final = msgpack.Decoder(OfOrders).decode


def encode_orders(of: OfOrders) -> bytes:
    """What is remembered of orders, as it is kept."""
    labels = reorder.next_label(of.reorder), count.next_label(of.count)
    return min([at for at in labels if at], default=0).to_bytes(_LABEL_BYTES, "big") + _encode(of)


def orders_label(orders: bytes) -> int:
    """The time of the log at which the next label of orders becomes known, 0 for none."""
    return int.from_bytes(orders[:_LABEL_BYTES], "big")


def of_orders(heads: Heads | None) -> OfOrders | None:
    """What is remembered of orders, None where nothing is."""
    return None if heads is None or heads.orders is None else _decode(memoryview(heads.orders)[_LABEL_BYTES:])
