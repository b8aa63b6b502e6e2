"""How a customer value is stored: one byte for the version of the format, then MessagePack."""

from typing import Final

import msgspec

from pipeline.state import recent
from pipeline.state.customer import Customer
from pipeline.state.orders import Orders

FORMAT = 3
"""Stored in the first byte. A change of the layout that old bytes do not decode into takes the next number, and a
migration in `decode_customer`."""

_FORMAT_1 = 1
"""Had in the place of the order facts the digests of the last orders."""
_FORMAT_2 = 2
"""Had event ids without blocks."""
_CLICKS, _CARTS, _ORDERS = map(Customer.__struct_fields__.index, ("clicks", "carts", "orders"))

MAX_VALUE_BYTES: Final = 128 * 1024


class StateError(Exception):
    """A stored value that this version cannot read."""


class _Head(msgspec.Struct, array_like=True, gc=False):
    next_due: int


_PREFIX = bytes([FORMAT])
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Customer)
_head = msgspec.msgpack.Decoder(_Head)


def encode_customer(customer: Customer) -> bytes:
    """Encode; equal values give equal bytes when their dicts were filled in the same order."""
    return _PREFIX + _encoder.encode(customer)


def decode_customer(data: bytes) -> Customer:
    """Decode. Raises StateError for a format of another version."""
    if data[0] == FORMAT:
        return _decoder.decode(memoryview(data)[1:])
    if data[0] in (_FORMAT_1, _FORMAT_2):
        return _migrated(memoryview(data)[1:], data[0])
    raise _unreadable(data[0])


def next_due_of(data: bytes) -> int:
    """Read only when the person is to be woken; 0 for not at all."""
    if data[0] not in (FORMAT, _FORMAT_2, _FORMAT_1):
        raise _unreadable(data[0])
    return _head.decode(memoryview(data)[1:]).next_due


def _migrated(data: memoryview, found: int) -> Customer:
    fields = msgspec.msgpack.decode(data)
    marks = None
    if found == _FORMAT_1:
        marks, fields[_ORDERS] = fields[_ORDERS], None
    for place in (_CLICKS, _CARTS):
        ring, newest, horizon = fields[place]
        fields[place] = recent.of_entries(ring, newest), newest, horizon
    customer = msgspec.convert(fields, Customer)
    if marks:
        customer.orders = Orders(marks=marks)
    return customer


def _unreadable(found: int) -> StateError:
    return StateError(f"a customer value of format {found}, this version reads {FORMAT}")
