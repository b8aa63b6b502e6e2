"""What a row of a frame holds: an event in compact form, as arrays, in the order of the fields below.

Fields are only ever appended, with a default, so that old frames stay readable.
Times are epoch milliseconds; money is integer minor units.
"""

from enum import IntEnum

from msgspec import Struct


class ClickKind(IntEnum):
    """Which click; the numbers are stored."""

    PAGE_VIEW = 1
    VIEW_ITEM = 2
    VIEW_ITEM_LIST = 3
    VIEW_CATEGORY = 4
    VIEW_CONTENT = 5
    SEARCH = 6
    ADD_TO_WISHLIST = 7
    LIKE = 8
    EXIT_INTENT = 9
    APP_OPEN = 10


class CartOp(IntEnum):
    """What a cart event does; the numbers are stored and break no ties."""

    ADD = 1
    REMOVE = 2
    SET = 3
    CLEAR = 4
    SNAPSHOT = 5
    CHECKOUT = 6


class OrderNews(IntEnum):
    """What happened to an order; the numbers are stored."""

    PURCHASE = 1
    CANCELLED = 2
    REFUNDED = 3
    SHIPPED = 4
    DELIVERED = 5
    RETURN_OPENED = 6


class Report(IntEnum):
    """What became of a message; the numbers are stored."""

    SENT = 1
    DELIVERED = 2
    SHOWN = 3
    FAILED = 4
    OPENED = 5
    CLICKED = 6
    BOUNCED = 7
    UNSUBSCRIBED = 8
    COMPLAINED = 9


class Line(Struct, frozen=True, array_like=True, gc=False):
    """An item of a list, a cart or an order. `price` is -1 where the shop did not say."""

    sku: str
    quantity: int
    price: int
    category: str
    brand: str


class Click(Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A click. `consent` packs the context's consent mode (see `pipeline.log.consent`)."""

    id: str
    at: int
    kind: int
    device: str
    channel: str
    locale: str
    consent: int
    subject: str
    """The page, category, content or search term."""
    lines: tuple[Line, ...]


class CartRow(Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A change of a cart."""

    id: str
    at: int
    op: int
    version: int
    currency: str
    device: str
    channel: str
    locale: str
    consent: int
    lines: tuple[Line, ...]


class OrderRow(Struct, frozen=True, array_like=True, tag=3, gc=False):
    """News of an order."""

    id: str
    at: int
    news: int
    order_id: str
    revision: int
    offline: bool
    renewal: bool
    value: int
    currency: str
    device: str
    lines: tuple[Line, ...]


class ConsentRow(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """A permission given or withdrawn; an empty channel means every channel of the purpose."""

    id: str
    at: int
    purpose: str
    channel: str
    granted: bool
    basis: str


class IdentifyRow(Struct, frozen=True, array_like=True, tag=5, gc=False):
    """A person made known."""

    id: str
    at: int
    method: str


class MessageRow(Struct, frozen=True, array_like=True, tag=6, gc=False):
    """What became of a message."""

    id: str
    at: int
    report: int
    trigger_id: str
    channel: str


class ProductRow(Struct, frozen=True, array_like=True, tag=7, gc=False):
    """A product as it is now; `stock` is -1 where the shop does not say. Removed products have stock 0."""

    id: str
    at: int
    site: str
    sku: str
    price: int
    currency: str
    category: str
    brand: str
    stock: int
    exclusive: bool
    restricted: bool
    facets: tuple[str, ...] = ()
    """What else is said of it, each `name=value`."""


class PolicyRow(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """The policy in force from this row on, as the JSON of `pipeline.config.policy.Policy`."""

    version: str
    body: bytes


class NamespaceRow(Struct, frozen=True, array_like=True, tag=9, gc=False):
    """The expected source partitions, as the JSON of `pipeline.config.namespace.Namespace`."""

    body: bytes


class SourceResetRow(Struct, frozen=True, array_like=True, tag=10, gc=False):
    """An operator's word that a source partition was made anew: its offsets start again."""

    source: int
    offset: int


class ModelRow(Struct, frozen=True, array_like=True, tag=11, gc=False):
    """The snapshot to score a head with from this row on, as `pipeline.scoring.snapshot` encodes it."""

    head: str
    version: int
    body: bytes


PersonEvent = Click | CartRow | OrderRow | ConsentRow | IdentifyRow | MessageRow
BroadcastEvent = ProductRow | PolicyRow | NamespaceRow | SourceResetRow | ModelRow


class Row(Struct, frozen=True, array_like=True, gc=False):
    """One event in a frame.

    `(source, offset, sub)` says where it came from and is how duplicates are found: a linking event makes two
    rows of one offset. `ts` is the record's time, `person` the person key, empty for broadcast rows.
    """

    source: int
    offset: int
    sub: int
    ts: int
    person: str
    event: PersonEvent | BroadcastEvent
