"""Streams of shop events, made from a seed: realistic in kind, in size and in how customers share them."""

from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

import msgspec

from pipeline.log.persons import anonymous_key, customer_key

SITE = "shop"
PRODUCTS = 5_000
ANONYMOUS = 0.4
"""People who are known by a cookie only; their events carry the page's consent mode."""

HOUR = 3_600_000

_KINDS = {
    ("shop.clicks", "view_item"): 46.0,
    ("shop.clicks", "page_view"): 20.0,
    ("shop.clicks", "view_item_list"): 8.0,
    ("shop.clicks", "view_category"): 7.5,
    ("shop.clicks", "search"): 4.0,
    ("shop.clicks", "view_content"): 2.0,
    ("shop.clicks", "add_to_wishlist"): 1.5,
    ("shop.clicks", "app_open"): 1.5,
    ("shop.carts", "add_to_cart"): 5.0,
    ("shop.carts", "begin_checkout"): 1.2,
    ("shop.carts", "remove_from_cart"): 0.8,
    ("shop.carts", "cart_snapshot"): 0.7,
    ("shop.carts", "clear_cart"): 0.3,
    ("shop.orders", "purchase"): 1.0,
    ("shop.customers", "consent_update"): 0.5,
}
_CONSENT = {"analytics_storage": "granted", "personalization_storage": "granted", "ad_storage": "denied"}
_encode = msgspec.json.Encoder().encode


class Sent(NamedTuple):
    """An event as a shop publishes it: `key` is the person key, `at` both its own and its record's time."""

    at: int
    topic: str
    key: bytes
    value: bytes


class Crowd(NamedTuple):
    """How many people there are, and the exponent of Zipf's law for their shares; 0 gives each the same.

    Without an exponent they come one after the other.
    """

    people: int
    exponent: float | None


SKEWED = Crowd(20_000, 1.1)
UNIFORM = Crowd(300_000, 0.0)


def stream(count: int, crowd: Crowd, first_ms: int, last_ms: int, seed: int = 7) -> Iterator[Sent]:
    """`count` events, evenly spread in time, in order."""
    random = Random(seed)
    kinds, weights = list(_KINDS), list(accumulate(_KINDS.values()))
    shares = list(accumulate(1 / rank ** (crowd.exponent or 0) for rank in range(1, crowd.people + 1)))
    people = [_person(number, random) for number in random.sample(range(crowd.people), crowd.people)]
    products = [_product(number, random) for number in range(PRODUCTS)]
    for number in range(count):
        if crowd.exponent is None:
            key, envelope = people[number % crowd.people]
        else:
            key, envelope = random.choices(people, cum_weights=shares)[0]
        topic, kind = random.choices(kinds, cum_weights=weights)[0]
        at = first_ms + (last_ms - first_ms) * number // count
        event: dict[str, Any] = {"type": kind, "event_id": f"{random.getrandbits(128):032x}", **envelope}
        event["occurred_at"] = at
        _fill(event, kind, number, random, products)
        yield Sent(at, topic, key, _encode(event))


def _person(number: int, random: Random) -> tuple[bytes, dict[str, Any]]:
    """The person key, and what all events of the person carry."""
    app = random.random() < 0.2
    context: dict[str, Any] = {
        "device": "mobile" if app or random.random() < 0.7 else "desktop",
        "channel": "app" if app else "web",
        "source": random.choice(("google", "direct", "newsletter", "instagram")),
        "locale": random.choice(("de", "en", "fr")),
    }
    envelope: dict[str, Any] = {"site_id": SITE, "session_id": f"visit-{number}", "context": context}
    if random.random() < ANONYMOUS:
        context["consent"] = _CONSENT
        envelope["anonymous_id"] = f"cookie-{number}"
        return anonymous_key(SITE, envelope["anonymous_id"]).encode(), envelope
    envelope["customer_id"] = f"customer-{number}"
    return customer_key(SITE, envelope["customer_id"]).encode(), envelope


def _product(number: int, random: Random) -> dict[str, Any]:
    category = f"kind-{number % 40}"
    return {
        "item_id": f"sku-{number:05d}",
        "item_category": category,
        "item_brand": f"brand-{number % 200}",
        "price": random.randrange(300, 30_000),
    }


def _fill(event: dict[str, Any], kind: str, number: int, random: Random, products: list[dict[str, Any]]) -> None:
    product = products[int(len(products) * random.random() ** 2)]
    if kind in ("view_item", "add_to_wishlist", "add_to_cart"):
        event |= {"items": [product], "currency": "EUR"}
    elif kind == "view_item_list":
        event |= {"item_list_id": "recommended", "items": [{"item_id": product["item_id"]}]}
    elif kind == "view_category":
        event["item_category"] = product["item_category"]
    elif kind == "search":
        event["search_term"] = f"{product['item_category']} cheap"
    elif kind == "view_content":
        event["content_id"] = f"guide-{number % 50}"
    elif kind == "page_view":
        event["page"] = "home"
    elif kind == "remove_from_cart":
        event["items"] = [{"item_id": product["item_id"]}]
    elif kind == "cart_snapshot":
        event |= {"items": [product | {"quantity": 2}, random.choice(products)], "currency": "EUR"}
    elif kind == "purchase":
        event |= {"order_id": f"order-{number}", "value": product["price"], "currency": "EUR", "items": [product]}
    elif kind == "consent_update":
        event |= {"purpose": "marketing_message", "channel": "email", "status": "granted"}
