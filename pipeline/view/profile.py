"""The profile as it stands in Redis: one JSON document a person."""

from datetime import datetime

import msgspec
from msgspec import Struct

FORMAT = 1
"""It changes when a field goes or means something else; new fields come without a new format."""


class CartItem(Struct, frozen=True, omit_defaults=True):
    """A line of the cart. `price` in minor units of `currency`, as it was when the item was added."""

    item_id: str
    quantity: int
    price: int | None = None
    currency: str = ""
    category: str = ""
    brand: str = ""
    left_over: bool = False
    """An order left this line; it was not touched since."""


class ProfileCart(Struct, frozen=True, omit_defaults=True):
    """The cart with all that has been read of it. `value` in minor units of the site's base currency."""

    items: tuple[CartItem, ...]
    value: int


class Word(Struct, frozen=True, omit_defaults=True):
    """What was said about a permission. Of words about the same, the newest rules; of one moment, a refusal."""

    purpose: str
    granted: bool
    basis: str
    at: datetime
    channel: str = ""
    """Empty: for all channels."""


class Profile(Struct, frozen=True, omit_defaults=True):
    """What is known of one person on one site. Times are RFC 3339, UTC; what is unknown is left out.

    `version` grows with every change: of two, the greater text is the newer. Ignore fields that you do not know.
    """

    version: str
    format: int
    site_id: str
    customer_id: str | None = None
    anonymous_id: str | None = None
    last_seen_at: datetime | None = None
    last_cart_addition_at: datetime | None = None
    last_order_at: datetime | None = None
    last_offline_order_at: datetime | None = None
    bot_at: datetime | None = None
    """When the person clicked faster than a human last."""
    channel: str = ""
    """Where the person was seen last."""
    device: str = ""
    locale: str = ""
    channels: dict[str, datetime] = {}
    """Time of the last activity by channel."""
    cart: ProfileCart | None = None
    permissions: tuple[Word, ...] = ()
    """The words as they were said. Whether they allow a message is for the policy: a trigger has passed it."""
    consent_mode: dict[str, bool] = {}
    """What a page said last of its consent signals, where nothing newer was said otherwise."""


encode_profile = msgspec.json.Encoder().encode
"""The text in Redis. `version` must stay the first field: Redis finds it by its place."""

decode_profile = msgspec.json.Decoder(Profile).decode
