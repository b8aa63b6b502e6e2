"""The words for kinds of triggers and for reasons, wherever people read them."""

from pipeline.explain.words import joined, money
from pipeline.triggers.contract import Action, Cause, Expected, Factor, Kind, Reason, Score, Suggestion, Timing, Why

KINDS = {
    Kind.CART_ABANDONED: "cart reminder",
    Kind.WIN_BACK: "win-back",
    Kind.PERSONALIZATION: "personalization",
}

_REASONS = {
    Reason.SILENT: "silence for the step's length",
    Reason.ORDERED: "the customer ordered",
    Reason.EMPTIED: "the cart was emptied",
    Reason.WITHDRAWN: "the permission was withdrawn",
    Reason.NO_PERMISSION: "no permission",
    Reason.BELOW_MIN_VALUE: "the cart is worth too little",
    Reason.OUT_OF_STOCK: "nothing is left in stock",
    Reason.RESTRICTED: "what is left must not be advertised",
    Reason.DISABLED: "the policy has it switched off",
    Reason.ORDERS_SILENT: "no orders come in: wait for them",
    Reason.EXPIRED: "it was too late to be of use",
    Reason.BOT: "no human clicks that fast",
    Reason.NOT_LIVE: "the shop is not live yet",
    Reason.RATE: "enough messages for this minute: later",
    Reason.SUPERSEDED: "a later step says it as well",
    Reason.CADENCE: "no order for longer than usual",
    Reason.SECOND_ORDER: "a first order, and no second",
    Reason.NEVER_CARTED: "visits, but never a cart",
    Reason.DORMANT: "no sign of life for very long",
    Reason.SUBSCRIBER: "a subscriber comes back anyway",
    Reason.UNDELIVERED: "an order is still under way",
    Reason.RETURN_OPEN: "a return is open",
    Reason.CHANNEL_SUNSET: "no channel that still reaches the customer",
    Reason.CHANGED: "what is worth showing has changed",
}
_OF_CARTS = {Reason.ORDERED: "an order closed the cart", Reason.NO_PERMISSION: "no permission to send messages"}
_OF_WIN_BACKS = {Reason.NO_PERMISSION: "no permission to send messages"}
_OF_PAGES = {Reason.NO_PERMISSION: "no permission to personalize"}
_BY_KIND = {Kind.CART_ABANDONED: _OF_CARTS, Kind.WIN_BACK: _OF_WIN_BACKS, Kind.PERSONALIZATION: _OF_PAGES}

CAUSES = {
    Cause.FORGOT: "forgot",
    Cause.OFFER_MISFIT: "did not find what suits them",
    Cause.ACCIDENT: "came only by accident",
}

SCORES = {
    "intent": "an order in this visit",
    "cart": "an order before a reminder is considered again, if the cart is left alone",
    "reorder": "an order within 30 days",
}
"""What the probability of each head is about."""

TIMINGS = {Timing.LEARNED: "timed by the model", Timing.RULES: "timed by the rules"}

ACTIONS = {
    Action.RECOMMEND: "recommend",
    Action.HELP: "offer help",
    Action.SIGNUP_PROMPT: "ask to sign up",
    Action.PUSH_OPTIN: "ask for push messages",
    Action.ASK: "ask a question",
    Action.SURVEY: "ask how it was",
    Action.EXIT_OFFER: "make an offer before they leave",
    Action.NONE: "leave the page as it is",
}


_WHYS = {
    Why.OWN: "seen before",
    Why.TOGETHER: "viewed with {}",
    Why.ALIKE: "viewed in visits like this one",
    Why.CATEGORY: "popular in {}",
    Why.ALL: "popular in the shop",
}


def suggestion_in_words(suggestion: Suggestion) -> str:
    """An item that the person may look at next, and why."""
    return f"{suggestion.item_id}, {_WHYS[suggestion.why].format(suggestion.of)}"


def score_in_words(score: Score) -> str:
    """What a score says, and what moves it most: up or down from an average customer."""
    about = SCORES.get(score.head, score.head)
    said = f"{score.probability:.2%} for {about}, by {score.head} {score.version}"
    return said + _factors_in_words(score.factors)


def expected_in_words(expected: Expected) -> str:
    """The orders to come, and what moves their number most: up or down from an average customer."""
    worth = money(expected.value, expected.currency)
    said = f"{expected.orders:.2f} orders for {worth} expected within {expected.days} days"
    return f"{said}, by {expected.head} {expected.version}" + _factors_in_words(expected.factors)


def _factors_in_words(factors: tuple[Factor, ...]) -> str:
    words = ", ".join(f"{factor.words} ({'up' if factor.logit > 0 else 'down'})" for factor in factors)
    return f": {words}" if words else ""


def reason_in_words(kind: Kind, reason: Reason) -> str:
    """Why, in a few words."""
    return _BY_KIND[kind].get(reason) or _REASONS[reason]


def shown_in_words(action: Action, category: str, brand: str) -> str:
    """What the site was told to do; category and brand are empty where nobody knows."""
    if action is Action.NONE or not (category or brand):
        return ACTIONS[action]
    liked = joined([category or "products", f"by {brand}" if brand else ""])
    return f"{ACTIONS[action]} {liked}" if action is Action.RECOMMEND else f"{ACTIONS[action]}, drawn to {liked}"
