"""What every event carries: its id, its site, who did it, when, and in which context."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

SITE_PATTERN = r"^[a-z0-9-]{1,32}$"
ID_LENGTH = 128
"""Longest id of a customer, an item, an order or an event, in characters."""

# Patterns are in the schema for producers; routing checks them once per site, not once per event.
SiteId = Annotated[str, Meta(min_length=1, max_length=32, extra_json_schema={"pattern": SITE_PATTERN})]
EventId = Annotated[str, Meta(min_length=1, max_length=64, description="Unique per site; a resend keeps it.")]
Id = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH)]
Label = Annotated[str, Meta(max_length=256)]
Code = Annotated[str, Meta(max_length=32)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, description="ISO 4217.")]
Minor = Annotated[int, Meta(ge=0, le=10**12, description="Money in minor units: 1999 is 19.99.")]
Quantity = Annotated[int, Meta(ge=0, le=100_000)]
OccurredAt = Annotated[datetime, Meta(tz=True)] | Annotated[int, Meta(description="Epoch milliseconds.")]
State = Literal["granted", "denied"]


class ConsentMode(Struct, omit_defaults=True):
    """Consent as the page knows it, with the names of Google's consent mode. It governs anonymous visitors."""

    analytics_storage: State | None = None
    personalization_storage: State | None = None
    ad_storage: State | None = None
    ad_user_data: State | None = None
    ad_personalization: State | None = None


class Context(Struct, omit_defaults=True):
    """Where and how the event happened."""

    device: Annotated[str, Meta(max_length=32, description="desktop, mobile, tablet, or bot.")] | None = None
    channel: Annotated[str, Meta(max_length=32, description="web, app, store, phone …")] | None = None
    source: Label | None = None
    medium: Label | None = None
    campaign: Label | None = None
    affiliate: Label | None = None
    locale: Code | None = None
    country: Code | None = None
    consent: ConsentMode | None = None
    trigger_id: Id | None = None


class Item(Struct, omit_defaults=True):
    """A line of a list, a cart or an order."""

    item_id: Id
    item_name: Label | None = None
    item_category: Label | None = None
    item_brand: Label | None = None
    price: Minor | None = None
    quantity: Quantity = 1


Items = Annotated[list[Item], Meta(max_length=100)]


class Event(Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """The envelope. Unknown fields are allowed and ignored.

    `occurred_at` is RFC 3339 with an offset, or epoch milliseconds. One of `customer_id` (from a trusted
    producer) and `anonymous_id` names the person.
    """

    event_id: EventId
    site_id: SiteId
    occurred_at: OccurredAt
    customer_id: Id | None = None
    anonymous_id: Id | None = None
    anonymous_id_kind: (
        Annotated[str, Meta(max_length=32, description="cookie, device, app. A fingerprint is refused.")] | None
    ) = None
    external_ids: dict[Code, Id] | None = None
    session_id: Id | None = None
    context: Context | None = None
    test: bool = False
