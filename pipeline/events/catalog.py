"""Topic `shop.catalog`: the products of a site. A dimension: it does not hold the clock back."""

from typing import Annotated

from msgspec import Meta, Struct

from pipeline.events.envelope import Code, Currency, EventId, Id, Label, Minor, OccurredAt, SiteId


class ProductChange(Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """The envelope of the catalogue: no person, so no consent and no session."""

    event_id: EventId
    site_id: SiteId
    occurred_at: OccurredAt
    item_id: Id
    test: bool = False


class Product(ProductChange, tag="product"):
    """A product as it is now; replaces what was known of it."""

    price: Minor
    currency: Currency
    item_name: Label | None = None
    item_category: Label | None = None
    item_brand: Label | None = None
    colour: Label | None = None
    facets: (
        Annotated[dict[Code, Code], Meta(max_length=16, description="What else there is to say: size, style …")] | None
    ) = None
    stock: Annotated[int, Meta(ge=0, le=10**9)] | None = None
    exclusive: bool = False
    restricted: bool = False


class ProductRemoved(ProductChange, tag="product_removed"):
    """No longer sold: as if out of stock."""


CatalogEvent = Product | ProductRemoved
