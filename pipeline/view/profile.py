"""The profile as it stands in Redis: one JSON document a person."""

from datetime import date, datetime

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


class RecentOrder(Struct, frozen=True, omit_defaults=True):
    """One of the newest orders. `value` and what was `refunded` of it in minor units of the site's base currency."""

    order_id: str
    at: datetime
    value: int
    refunded: int = 0
    category: str = ""
    """That of its dearest line."""
    offline: bool = False
    renewal: bool = False
    """Of a subscription."""
    cancelled: bool = False
    shipped: bool = False
    delivered: bool = False
    return_open: bool = False


class Sum(Struct, frozen=True):
    """Orders and money of some time. Cancelled orders count in neither, renewals in the money only; net of refunds."""

    orders: int
    money: int


class ProfileOrders(Struct, frozen=True):
    """What the person bought. Money in minor units of the site's base currency."""

    all_time: Sum
    as_of: date
    """The day, in the site's zone, for which the rolling sums hold; they change when they fall, not daily."""
    last_30_days: Sum
    last_90_days: Sum
    last_365_days: Sum
    recent: tuple[RecentOrder, ...]
    """The newest, the newest first."""
    average_order_value: int | None = None
    """Of the one-off orders among `recent` that were not cancelled, net of refunds."""


class Share(Struct, frozen=True):
    """How strong an affinity is beside the others of its list, 0 to 1. Time alone does not change it."""

    name: str
    share: float


class Affinities(Struct, frozen=True, omit_defaults=True):
    """What the person is drawn to, the strongest first; recent interest counts for more."""

    categories: tuple[Share, ...] = ()
    brands: tuple[Share, ...] = ()
    price_ranges: tuple[Share, ...] = ()
    """Names are `from-to` in minor units of the site's base currency."""
    facets: tuple[Share, ...] = ()
    """Names are `facet=value`."""


class OpenAttempt(Struct, frozen=True, omit_defaults=True):
    """An attempt to win the person back that nothing has answered; look whether it has expired."""

    variant: str
    """cadence, second_order, never_carted or dormant."""
    channel: str
    due_at: datetime
    expires_at: datetime
    sent: bool = False
    """The message was reported as sent."""


class Personalization(Struct, frozen=True, omit_defaults=True):
    """What live personalization said last, and may still be used for until it expires: look whether it has.

    It is left out where nothing may be shown, as after a withdrawal.
    """

    action: str
    decided_at: datetime
    expires_at: datetime
    stage: str = ""
    category: str = ""
    brand: str = ""
    items: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


class IntentScore(Struct, frozen=True):
    """How likely the visit that goes on is to end with an order."""

    band: str
    """low, medium or high, beside the shop's average visit."""
    probability: float
    version: int


class CartScore(Struct, frozen=True):
    """How likely the cart is to be ordered, untouched, before `until`."""

    probability: float
    until: datetime
    version: int


class ReorderScore(Struct, frozen=True, omit_defaults=True):
    """When the next order is to be expected."""

    days: int
    """The `probability` is that of an order within so many days."""
    probability: float
    churn_risk: float
    """Chance that no order comes within 90 days."""
    version: int
    due_at: datetime | None = None
    """When the chance of no order falls under one half; left out where it never does."""


class ExpectedOrders(Struct, frozen=True):
    """On how many days an order is to be expected within `days` days, and what they are worth.

    `orders` counts a day with several orders once. `value` is in minor units of the site's base currency.
    """

    days: int
    orders: float
    value: int
    version: int


class Scores(Struct, frozen=True, omit_defaults=True):
    """What the models say of the person as of `scored_at`; `version` is that of the snapshot which said it.

    A score is left out where there is no model yet, or nothing to be said: no visit goes on, no cart is there, nothing
    was ever ordered. Of who objects to a profile there is none.
    """

    scored_at: datetime
    intent: IntentScore | None = None
    cart: CartScore | None = None
    reorder: ReorderScore | None = None
    expected: ExpectedOrders | None = None


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
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    last_interest_at: datetime | None = None
    """The last activity that was about products."""
    last_cart_addition_at: datetime | None = None
    last_order_at: datetime | None = None
    last_offline_order_at: datetime | None = None
    bot_at: datetime | None = None
    """When the person clicked faster than a human last."""
    stage: str = ""
    """Of the funnel: awareness, consideration, decision or customer. A person may fall back."""
    channel: str = ""
    """Where the person was seen last."""
    device: str = ""
    locale: str = ""
    channels: dict[str, datetime] = {}
    """Time of the last activity by channel."""
    cart: ProfileCart | None = None
    orders: ProfileOrders | None = None
    affinities: Affinities | None = None
    recently_viewed: tuple[str, ...] = ()
    """Item ids, the newest first."""
    wish_list: tuple[str, ...] = ()
    """Item ids, the newest first."""
    win_back: OpenAttempt | None = None
    personalization: Personalization | None = None
    permissions: tuple[Word, ...] = ()
    """The words as they were said. Whether they allow a message is for the policy: a trigger has passed it."""
    consent_mode: dict[str, bool] = {}
    """What a page said last of its consent signals, where nothing newer was said otherwise."""
    scores: Scores | None = None


encode_profile = msgspec.json.Encoder().encode
"""The text in Redis. `version` must stay the first field: Redis finds it by its place. `scores` must stay the last."""

decode_profile = msgspec.json.Decoder(Profile).decode

decode_scores = msgspec.json.Decoder(Scores).decode


def parted(text: bytes) -> tuple[bytes, bytes]:
    """The text of a profile without its scores, and these, empty where there are none."""
    rest, found, scores = text.rpartition(b',"scores":')
    return (rest + b"}", scores[:-1]) if found else (text, b"")
