"""What goes out: the CloudEvents of a trigger, and the decision that every candidate leaves behind."""

from enum import StrEnum
from hashlib import blake2b

import msgspec
from msgspec import Struct

from pipeline.scoring.factor import Factor as Factor

ENGINE_VERSION = "7"
"""Version of what the fold decides and how it writes it. It changes with any change of outputs' bytes or order."""


class Kind(StrEnum):
    """Kinds of triggers; each has a topic `triggers.<kind>`."""

    CART_ABANDONED = "cart_abandoned"
    WIN_BACK = "win_back"
    PERSONALIZATION = "personalization"


class Outcome(StrEnum):
    """What became of a candidate."""

    EMITTED = "emitted"
    SUPPRESSED = "suppressed"
    HELD = "held"
    DEFERRED = "deferred"
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
    NOT_LIVE = "not_live"
    """Before the site's `go_live_at`."""
    RATE = "rate"
    """More than `max_per_minute` of this kind: tried again later."""
    SUPERSEDED = "superseded"
    """A later step of the same cart is due as well: one message says enough."""
    CADENCE = "cadence"
    """A longer time than usual has passed since the order: the reason of an emitted win-back, as the next three."""
    SECOND_ORDER = "second_order"
    NEVER_CARTED = "never_carted"
    DORMANT = "dormant"
    SUBSCRIBER = "subscriber"
    UNDELIVERED = "undelivered"
    RETURN_OPEN = "return_open"
    CHANNEL_SUNSET = "channel_sunset"
    CHANGED = "changed"
    """What is worth showing has changed: the reason of an emitted personalization."""


class Cause(StrEnum):
    """Why a customer probably stays away; a guess from the order facts, for the words of the message."""

    FORGOT = "forgot"
    OFFER_MISFIT = "offer_misfit"
    ACCIDENT = "accident"


class Action(StrEnum):
    """What to do on site. Consumers ignore values that they do not know."""

    RECOMMEND = "recommend"
    HELP = "help"
    SIGNUP_PROMPT = "signup_prompt"
    PUSH_OPTIN = "push_optin"
    ASK = "ask"
    SURVEY = "survey"
    EXIT_OFFER = "exit_offer"
    NONE = "none"


class Score(Struct, frozen=True, gc=False):
    """A score that a trigger goes by: of which head, which version of it; the strongest factors first.

    `logit` is the bare score, `probability` the calibrated one: of an order in this visit (intent), of an untouched
    order before the next look (cart), of an order within 30 days (reorder).
    """

    head: str
    version: int
    logit: float
    probability: float
    factors: tuple[Factor, ...] = ()


class Expected(Struct, frozen=True):
    """What is expected of a customer from now on: on how many days they order within `days` days, and what for.

    `orders` counts a day with several orders once. `value` is minor units of `currency`. The `logit` of a factor is
    what it adds to the log of the orders.
    """

    head: str
    version: int
    days: int
    orders: float
    value: int
    currency: str
    factors: tuple[Factor, ...] = ()


class Timing(StrEnum):
    """What set the time of a trigger: a model, or the policy's rules, as they do while too little has been learned."""

    LEARNED = "learned"
    RULES = "rules"


class Moment(Struct, frozen=True, omit_defaults=True):
    """Where a person stands: what personalization goes by. Empty where nothing is known."""

    stage: str
    cart: str
    category: str = ""
    brand: str = ""
    segments: tuple[str, ...] = ()
    intent: str = ""
    """Band of the intent to buy: low, medium or high; empty while nothing has been learned."""


class Why(StrEnum):
    """Which table suggests an item. Consumers ignore values that they do not know."""

    OWN = "own"
    """The person touched it before."""
    TOGETHER = "together"
    """Viewed in one visit with the item that `of` names."""
    ALIKE = "alike"
    """Viewed in visits that are like this one."""
    CATEGORY = "category"
    """Popular in the category that `of` names."""
    ALL = "all"
    """Popular in the shop."""


class Suggestion(Struct, frozen=True, omit_defaults=True):
    """An item that the person may look at next; `why` is what counted most, `of` the item or category it goes by."""

    item_id: str
    why: Why
    of: str = ""


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
    variant: str = ""
    """Of a win-back: cadence, second_order, never_carted or dormant."""
    cause: Cause | None = None
    """Of a win-back: the likely cause."""
    moment: Moment | None = None
    """Of a personalization: where the person stands."""
    action: Action | None = None
    """Of a personalization: what to do on site."""
    scores: tuple[Score, ...] = ()
    """What the models say of the person now; none where nothing has been learned."""
    timing: Timing | None = None
    """Of a cart or a win-back: what set its time."""
    propensity: float | None = None
    """Of a learned time: the chance with which just this was chosen, as some wait longer so that more is learned."""
    suggestions: tuple[Suggestion, ...] = ()
    """Of a personalization: what the person may look at next, the best first; none where nothing is found."""
    expected: Expected | None = None
    """Of a win-back: the orders to come; none where nothing has been learned of them."""


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
    scores: tuple[Score, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    """As in the trigger: what was shown, not what made it so. No outcome and no state depends on it."""


def trigger_id(site: str, kind: Kind, episode: str, step: int) -> str:
    """Identity of a trigger: 128 bits of BLAKE2b over site, kind, episode and step, without the person."""
    return blake2b("\0".join((site, kind, episode, str(step))).encode(), digest_size=16).hexdigest()


encode = msgspec.json.Encoder().encode
"""Outputs are JSON with fields in the order of the class: equal values give equal bytes."""
