"""A shop for tests that read as sentences: tell it what happens, let the clock go on, look at what was decided.

Times are minutes after an epoch of our own.
"""

import json
from collections import Counter
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

import msgspec

from pipeline.config.durations import DAY, MINUTE, Millis
from pipeline.config.namespace import CLOCKED_SOURCES, DECISIONS, Mode, new_namespace
from pipeline.config.policy import (
    CartPolicy,
    OrderPolicy,
    PermissionPolicy,
    Policy,
    SitePolicy,
    encode_policy,
    policy_version,
)
from pipeline.engine.batch import Batch, Output
from pipeline.engine.partition import PartitionEngine
from pipeline.log.frames import FORMAT, Beat, Frame, FrameKind, Mark, encode_frame
from pipeline.log.rejects import Reject
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ClickKind,
    ConsentRow,
    Line,
    MessageRow,
    NamespaceRow,
    OrderNews,
    OrderRow,
    PolicyRow,
    ProductRow,
    Report,
    Row,
)
from pipeline.state.codec import decode_customer, next_due_of
from pipeline.state.customer import Customer
from pipeline.state.partition import RESERVED
from pipeline.triggers.contract import Kind
from pipeline.triggers.site_now import Suggest, no_suggestions

T0 = 1_700_000_000_000
EMAIL, SMS = "email", "sms"
ANN = "s|c|ann"
SOURCES = {Click: 0, CartRow: 1, OrderRow: 2, ConsentRow: 3, MessageRow: 4, ProductRow: 5}
CONTROL = 6
_ids = count()


def at(minute: float) -> int:
    return T0 + int(minute * MINUTE)


def line(sku: str, quantity: int = 1, price: int = 1_000, category: str = "", brand: str = "") -> Line:
    return Line(sku, quantity, price, category, brand)


def identity(id_: str | None) -> str:
    return id_ or f"id-{next(_ids)}"


def cart(
    minute: float,
    op: CartOp,
    *lines: Line,
    event_id: str | None = None,
    version: int = 0,
    currency: str = "EUR",
    **more: Any,
) -> CartRow:
    row = CartRow(identity(event_id), at(minute), op, version, currency, "", "", "", 0, lines)
    return msgspec.structs.replace(row, **more)


def add(minute: float, sku: str = "a", price: int = 1_000, quantity: int = 1, **more: Any) -> CartRow:
    category = more.pop("category", "")
    return cart(minute, CartOp.ADD, line(sku, quantity, price, category), **more)


def remove(minute: float, sku: str = "a", quantity: int = 1, **more: Any) -> CartRow:
    return cart(minute, CartOp.REMOVE, line(sku, quantity, -1), **more)


def snapshot(minute: float, *skus: str, **more: Any) -> CartRow:
    return cart(minute, CartOp.SNAPSHOT, *(line(sku) for sku in skus), **more)


def clear(minute: float, **more: Any) -> CartRow:
    return cart(minute, CartOp.CLEAR, **more)


def click(minute: float, event_id: str | None = None, **more: Any) -> Click:
    row = Click(identity(event_id), at(minute), ClickKind.PAGE_VIEW, "", "", "", 0, "", ())
    return msgspec.structs.replace(row, **more)


def order(minute: float, *skus: str, event_id: str | None = None, **more: Any) -> OrderRow:
    name = identity(event_id)
    lines = tuple(line(sku) for sku in skus)
    row = OrderRow(name, at(minute), OrderNews.PURCHASE, f"order-{name}", 0, False, False, 1, "EUR", "", lines)
    return msgspec.structs.replace(row, **more)


def word(minute: float, granted: bool, channel: str = "", basis: str = "consent", **more: Any) -> ConsentRow:
    row = ConsentRow(identity(None), at(minute), "marketing_message", channel, granted, basis)
    return msgspec.structs.replace(row, **more)


def report(minute: float, what: Report, channel: str = "", trigger: str = "") -> MessageRow:
    return MessageRow(identity(None), at(minute), what, trigger, channel)


def product(sku: str, price: int = 900, stock: int = 5, restricted: bool = False) -> ProductRow:
    return ProductRow(identity(None), T0, "s", sku, price, "EUR", "", "", stock, False, restricted)


def site_policy(
    *,
    steps: tuple[int, ...] = (30, 240, 1440),
    order: OrderPolicy | None = None,
    permission: PermissionPolicy | None = None,
    rates: dict[str, float] | None = None,
    **cart: Any,
) -> SitePolicy:
    """A policy whose steps are in minutes; orders are never silent unless `order` says when."""
    silent_after = Millis(3650 * DAY)
    return SitePolicy(
        rates=rates or {},
        cart=CartPolicy(steps=tuple(Millis(step * MINUTE) for step in steps), **cart),
        order=order or OrderPolicy(silent_after=silent_after),
        permission=permission or PermissionPolicy(),
    )


class Said(NamedTuple):
    """A decision, in short; the minute is that of the decision."""

    step: int
    outcome: str
    reason: str
    minute: float


class Shop:
    """An engine of one partition with a log of its own, and a store that commits go to."""

    def __init__(
        self,
        policy: SitePolicy | None = None,
        *,
        live: bool = False,
        granted: bool = True,
        kind: Kind = Kind.CART_ABANDONED,
        suggest: Suggest = no_suggestions,
    ) -> None:
        self.suggest = suggest
        self.kind = kind
        self.mode = Mode.LIVE if live else Mode.TEST
        self.namespace = new_namespace("test", self.mode, 1)
        assert [s.topic for s in self.namespace.sources][:5] == list(CLOCKED_SOURCES)
        self.store: dict[bytes, bytes] = {}
        self.offset = 0
        self.offsets: Counter[int] = Counter()
        self.outputs: list[Output] = []
        self.rejects: list[Reject] = []
        self.discarded: Counter[str] = Counter()
        self.reopen()
        self.broadcast(NamespaceRow(msgspec.json.encode(self.namespace)))
        self.set_policy(policy or site_policy())
        if granted:
            self.tell(word(-60, True))

    # -- what goes in

    def reopen(self) -> None:
        wakes = [
            (due, key.decode())
            for key, value in self.store.items()
            if not key.startswith(RESERVED) and (due := next_due_of(value))
        ]
        self.engine = PartitionEngine(0, self.store.get, wakes, 100_000, self.suggest)

    def frame(self, *rows: Row, marks: tuple[Mark, ...] = (), beats: tuple[Beat, ...] = ()) -> None:
        kind = FrameKind.EVENTS if rows else FrameKind.TICK
        self.apply(encode_frame(Frame(FORMAT, kind, self.mode.value, rows, marks, beats)))

    def apply(self, data: bytes) -> None:
        self.engine.apply(self.offset, data)
        self.offset += 1
        self.commit()

    def commit(self) -> Batch:
        batch = self.engine.take()
        self.store.update(batch.rows)
        self.outputs += batch.outputs
        self.rejects += batch.rejects
        for (_, reason), number in batch.discarded.items():
            self.discarded[reason] += number
        return batch

    def row(self, event: Any, person: str = ANN, sub: int = 0) -> Row:
        source = SOURCES.get(type(event), CONTROL)
        self.offsets[source] += 1
        return Row(source, self.offsets[source], sub, getattr(event, "at", T0), person, event)

    def tell(self, *events: Any, person: str = ANN) -> None:
        """Each event in a frame of its own, in this order."""
        for event in events:
            self.frame(self.row(event, person))

    def broadcast(self, event: Any) -> None:
        self.frame(self.row(event, ""))

    def set_policy(self, policy: SitePolicy) -> None:
        body = encode_policy(Policy({"*": policy}))
        self.broadcast(PolicyRow(policy_version(body), body))

    def clock(self, minute: float) -> None:
        self.frame(marks=tuple(Mark(source, at(minute)) for source in self.namespace.clocked()))

    def beat(self, activity: float = 0, order: float = 0, orders: int = 0) -> None:
        self.frame(beats=(Beat("s", at(activity) if activity else 0, at(order) if order else 0, orders),))

    # -- what came out: of one kind of trigger

    def decisions(self) -> list[dict[str, Any]]:
        return [json.loads(o.value) for o in self.outputs if o.topic == DECISIONS and o.kind is self.kind]

    def said(self) -> list[Said]:
        """All decisions since this was asked last."""
        found = [Said(d["step"], d["outcome"], d["reason"], (_millis(d["at"]) - T0) / MINUTE) for d in self.decisions()]
        self.outputs.clear()
        return found

    def triggers(self) -> list[dict[str, Any]]:
        return [json.loads(o.value) for o in self.outputs if o.topic != DECISIONS and o.kind is self.kind]

    def customer(self, person: str = ANN) -> Customer:
        return decode_customer(self.store[person.encode()])


def _millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
