"""How a customer value is stored: one byte for the version of the format, then MessagePack."""

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from pipeline.heads import cart as cart_head
from pipeline.heads import cart_memory, intent, intent_memory
from pipeline.heads.labelled import Labelled
from pipeline.state import recent
from pipeline.state.customer import NEVER, Customer
from pipeline.state.heads import Heads, OfOrders, encode_orders
from pipeline.state.orders import Orders
from pipeline.state.wake import earlier

FORMAT = 5
"""Stored in the first byte. A change of the layout that old bytes do not decode into takes the next number, and a
migration in `decode_customer`."""

_FORMAT_1 = 1
"""Had in the place of the order facts the digests of the last orders."""
_FORMAT_2 = 2
"""Had event ids without blocks."""
_FORMAT_3 = 3
"""Had the predictions of the heads, and what they remember of orders, as they are, not encoded."""
_FORMAT_4 = 4
"""Had one time to wake a customer at, and no label's time before what the heads keep encoded."""
_OLDER = (_FORMAT_1, _FORMAT_2, _FORMAT_3, _FORMAT_4)
_SESSION_DUE, _CLICKS, _CARTS, _ORDERS, _HEADS = map(
    Customer.__struct_fields__.index, ("session_due", "clicks", "carts", "orders", "heads")
)

MAX_VALUE_BYTES: Final = 128 * 1024


class StateError(Exception):
    """A stored value that this version cannot read."""


class _Head(msgspec.Struct, array_like=True, gc=False):
    next_due: int
    session_due: int


class _HeadBefore5(msgspec.Struct, array_like=True, gc=False):
    next_due: int


_PREFIX = bytes([FORMAT])
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Customer)
_head = msgspec.msgpack.Decoder(_Head)
_head_before_5 = msgspec.msgpack.Decoder(_HeadBefore5)
_pending_before_5 = msgspec.msgpack.Decoder(list[intent_memory.Pending])
_waiting_before_5 = msgspec.msgpack.Decoder(list[Labelled])
_orders_before_5 = msgspec.msgpack.Decoder(OfOrders)


def encode_customer(customer: Customer) -> bytes:
    """Encode; equal values give equal bytes when their dicts were filled in the same order."""
    return _PREFIX + _encoder.encode(customer)


def decode_customer(data: bytes) -> Customer:
    """Decode. Raises StateError for a format of another version, and for what no version wrote."""
    try:
        if data[0] == FORMAT:
            return _decoder.decode(memoryview(data)[1:])
        if data[0] in _OLDER:
            return _migrated(memoryview(data)[1:], data[0])
    except msgspec.MsgspecError as error:
        raise StateError(f"a customer value of format {data[0]} cannot be read: {error}") from error
    raise _unreadable(data[0])


def next_due_of(data: bytes) -> int:
    """Read only when the person is to be woken; 0 for not at all."""
    if data[0] == FORMAT:
        head = _head.decode(memoryview(data)[1:])
        return earlier(head.next_due, head.session_due)
    if data[0] in _OLDER:
        return _head_before_5.decode(memoryview(data)[1:]).next_due
    raise _unreadable(data[0])


def _migrated(data: memoryview, found: int) -> Customer:
    fields = msgspec.msgpack.decode(data)
    fields.insert(_SESSION_DUE, NEVER)  # the other time is no later: it is set anew once that has come
    if found == _FORMAT_4:
        if len(fields) > _HEADS and fields[_HEADS]:
            _put_dues(fields[_HEADS])
        return msgspec.convert(fields, Customer)
    marks = None
    if found == _FORMAT_1:
        marks, fields[_ORDERS] = fields[_ORDERS], None
    if found != _FORMAT_3:
        for place in (_CLICKS, _CARTS):
            ring, newest, horizon = fields[place]
            fields[place] = recent.of_entries(ring, newest), newest, horizon
    encoded = _taken_out(fields)
    customer = msgspec.convert(fields, Customer)
    if marks:
        customer.orders = Orders(marks=marks)
    if customer.heads is not None:
        customer.heads = _put_back(customer.heads, encoded)
    return customer


_OF_INTENT, _OF_CART, _OF_ORDERS = map(Heads.__struct_fields__.index, ("intent", "cart", "orders"))
_PENDING = intent_memory.Memory.__struct_fields__.index("pending")
_OPEN, _WAITING = map(cart_memory.Memory.__struct_fields__.index, ("open", "waiting"))


def _put_dues(heads: list[Any]) -> None:
    """Put the times of the next labels before what is encoded."""
    if (memory := heads[_OF_INTENT]) and memory[_PENDING]:
        memory[_PENDING] = intent.packed(_pending_before_5.decode(memory[_PENDING]))
    if (memory := heads[_OF_CART]) and memory[_WAITING]:
        memory[_WAITING] = cart_head.packed(_waiting_before_5.decode(memory[_WAITING]))
    if heads[_OF_ORDERS]:
        heads[_OF_ORDERS] = encode_orders(_orders_before_5.decode(heads[_OF_ORDERS]))


class _Encoded(msgspec.Struct):
    """What the heads of a value had that is encoded now: predictions, and sections of those who have ordered."""

    pending: list[Any] = []
    open: list[Any] = []
    waiting: list[Any] = []
    orders: list[Any] = []


def _taken_out(fields: list[Any]) -> _Encoded:
    found = _Encoded()
    if len(fields) <= _HEADS or not fields[_HEADS]:
        return found
    visits, cart, *found.orders = fields[_HEADS]
    fields[_HEADS] = [visits, cart]
    if visits:
        found.pending, visits[_PENDING] = visits[_PENDING], None
    if cart:
        found.open, cart[_OPEN] = cart[_OPEN], None
        found.waiting, cart[_WAITING] = cart[_WAITING], None
    return found


def _put_back(heads: Heads, encoded: _Encoded) -> Heads:
    visits, cart, orders = heads.intent, heads.cart, None
    if visits is not None and encoded.pending:
        pending = msgspec.convert(encoded.pending, list[intent_memory.Pending])
        visits = replace(visits, pending=intent.packed(pending))
    if cart is not None and encoded.open:
        one = msgspec.convert(encoded.open, cart_memory.Prediction)
        cart = replace(cart, open=_encoder.encode(one), step=one.bin + 1)
    if cart is not None and encoded.waiting:
        cart = replace(cart, waiting=cart_head.packed(msgspec.convert(encoded.waiting, list[Labelled])))
    if encoded.orders and encoded.orders[0]:
        orders = encode_orders(msgspec.convert([one for one in encoded.orders if one is not None], OfOrders))
    return Heads(visits, cart, orders)


def _unreadable(found: int) -> StateError:
    return StateError(f"a customer value of format {found}, this version reads {FORMAT}")
