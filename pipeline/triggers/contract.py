"""What goes out: the CloudEvents of a trigger, and the decision that every candidate leaves behind."""

from enum import StrEnum
from hashlib import blake2b

import msgspec
from msgspec import Struct

ENGINE_VERSION = "1"
"""Version of what the fold decides and how it writes it. It changes with any change of an output's bytes."""


class Kind(StrEnum):
    """Kinds of triggers; each has a topic `triggers.<kind>`."""

    CART_ABANDONED = "cart_abandoned"


class Outcome(StrEnum):
    """What became of a candidate."""

    EMITTED = "emitted"
    SUPPRESSED = "suppressed"
    HELD = "held"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why. Consumers ignore values that they do not know."""

    SILENT = "silent"
    """No activity for the step's length: the reason of an emitted cart trigger."""
    ORDERED = "ordered"
    EMPTIED = "emptied"
    WITHDRAWN = "withdrawn"
    NO_PERMISSION = "no_permission"
    BELOW_MIN_VALUE = "below_min_value"
    OUT_OF_STOCK = "out_of_stock"
    RESTRICTED = "restricted"
    DISABLED = "disabled"
    ORDERS_SILENT = "orders_silent"
    EXPIRED = "expired"
    BOT = "bot"


class TriggerItem(Struct, frozen=True, omit_defaults=True):
    """A line of the cart. Prices in minor units of `currency`; `price_now` where the catalogue knows it."""

    item_id: str
    quantity: int
    currency: str = ""
    price_at_add: int | None = None
    price_now: int | None = None
    category: str = ""
    brand: str = ""


class TriggerData(Struct, frozen=True, omit_defaults=True):
    """`data` of a trigger's CloudEvent. Times are RFC 3339, UTC."""

    trigger_id: str
    kind: Kind
    episode: str
    step: int
    reason: Reason
    site_id: str
    mode: str
    due_at: str
    expires_at: str
    policy_version: str
    engine_version: str
    customer_id: str | None = None
    anonymous_id: str | None = None
    channel: str = ""
    causing_events: tuple[str, ...] = ()
    items: tuple[TriggerItem, ...] = ()
    value: int = 0
    currency: str = ""
    locale: str = ""
    device: str = ""
    after_send: bool = False
    """Of a cancellation: the message had been reported as sent."""


class Trigger(Struct, frozen=True, omit_defaults=True):
    """A CloudEvents 1.0 message in structured JSON. `id` is unique a message, `data.trigger_id` correlates."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    data: TriggerData


class Decision(Struct, frozen=True, omit_defaults=True):
    """A record of `decisions`: one candidate, what became of it and why, and the frame that made it so.

    `at` is the log's clock, or the causing event's time for a cancellation.
    """

    decision_id: str
    trigger_id: str
    kind: Kind
    episode: str
    step: int
    outcome: Outcome
    reason: Reason
    site_id: str
    mode: str
    at: str
    log_partition: int
    log_offset: int
    policy_version: str
    engine_version: str
    due_at: str = ""
    customer_id: str | None = None
    anonymous_id: str | None = None
    channel: str = ""
    causing_events: tuple[str, ...] = ()
    value: int = 0
    currency: str = ""
    after_send: bool = False


def trigger_id(site: str, kind: Kind, episode: str, step: int) -> str:
    """Identity of a trigger: 128 bits of BLAKE2b over site, kind, episode and step, without the person."""
    return blake2b(f"{site}\0{kind.value}\0{episode}\0{step}".encode(), digest_size=16).hexdigest()


encode = msgspec.json.Encoder().encode
"""Outputs are JSON with fields in the order of the class: equal values give equal bytes."""
