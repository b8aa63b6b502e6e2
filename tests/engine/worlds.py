"""Small worlds: few people, few products, times on a coarse grid, so that ties and boundary cases happen."""

from collections.abc import Iterable
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.oracle.cart_oracle import Input, Rules

GRID = 10 * 60_000
BASE = 1_700_000_000_000
LAST = BASE + 60 * GRID
SITE = "s"
PEOPLE = ("c1", "c2", "v")
SKUS = ("a", "b", "c")

STEPS = [(3 * GRID,), (3 * GRID, 6 * GRID), (2 * GRID, 5 * GRID, 12 * GRID), (3 * GRID, 4 * GRID)]
EXPIRIES = [2 * GRID, 6 * GRID, 40 * GRID]
LAGS = [0, 0, 3 * GRID, 5 * GRID]

rules = st.builds(
    Rules,
    steps=st.sampled_from(STEPS),
    min_value=st.sampled_from([0, 1_000]),
    expires_after=st.sampled_from(EXPIRIES),
    offline_lag=st.sampled_from(LAGS),
)


def random_rules(random: Random) -> Rules:
    """Rules as `rules` gives."""
    return Rules(random.choice(STEPS), random.choice([0, 0, 1_000]), random.choice(EXPIRIES), random.choice(LAGS))


_item = st.fixed_dictionaries(
    {"item_id": st.sampled_from(SKUS), "quantity": st.sampled_from([0, 1, 1, 2, 3])},
    optional={"price": st.sampled_from([0, 400, 1_000, 2_500])},
)
_items = st.lists(_item, max_size=3)
_channel = st.sampled_from([None, None, "email", "sms", "voice"])


def _event(topic: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(topic), st.fixed_dictionaries(fields))


_adds = _event(
    "shop.carts",
    type=st.just("add_to_cart"),
    items=st.lists(_item, min_size=1, max_size=2),
    cart_version=st.integers(0, 2),
)
_changes = _event(
    "shop.carts",
    type=st.sampled_from(["add_to_cart", "remove_from_cart", "update_cart", "cart_snapshot"]),
    items=_items,
    cart_version=st.integers(0, 2),
)
_others = _event("shop.carts", type=st.sampled_from(["clear_cart", "begin_checkout"]), cart_version=st.integers(0, 2))
_clicks = _event("shop.clicks", type=st.just("page_view"))
_orders = _event(
    "shop.orders",
    type=st.just("purchase"),
    value=st.just(1),
    currency=st.just("EUR"),
    channel=st.sampled_from(["online", "offline"]),
    kind=st.sampled_from(["one_off", "renewal"]),
    order_id=st.sampled_from([None, None, None, "o1"]),
)
_order_news = _event("shop.orders", type=st.sampled_from(["order_cancelled", "order_shipped"]), order_id=st.just("o1"))
_grants = _event(
    "shop.customers", type=st.just("consent_update"), purpose=st.just("marketing_message"), status=st.just("granted")
)
_words = _event(
    "shop.customers",
    type=st.just("consent_update"),
    purpose=st.sampled_from(["marketing_message"] * 4 + ["profile"]),
    status=st.sampled_from(["granted", "denied"]),
    basis=st.sampled_from(["consent", "consent", "soft_opt_in", "legitimate_interest"]),
    channel=_channel,
)
_unsubscribes = _event("shop.customers", type=st.just("unsubscribe"), channel=_channel)
_reports = _event(
    "shop.messages",
    type=st.sampled_from(["message_unsubscribed", "message_complained", "message_clicked"]),
    channel=_channel,
)
_any = st.one_of(
    _adds,
    _adds,
    _changes,
    _changes,
    _others,
    _clicks,
    _clicks,
    _orders,
    _order_news,
    _grants,
    _words,
    _unsubscribes,
    _reports,
)

_happening = st.tuples(
    _any,
    st.sampled_from(["c1", "c1", "c2", "v"]),
    st.integers(0, 45),
    st.sampled_from([0, 0, 0, 0, -1, 1, 3]),
    st.sampled_from([False] * 7 + [True]),
    st.sampled_from([0] * 9 + [1, -1]),
    st.integers(0, 9),
)


@st.composite
def histories(draw: st.DrawFn, size: int = 24) -> list[Input]:
    """A history in the order in which its records are written, by their time."""
    drawn = draw(st.lists(_happening, min_size=draw(st.sampled_from([1, 1, 8, 16])), max_size=size))
    return history_of(drawn, draw(st.sampled_from([PEOPLE, ("c1",), ()])), consent_mode=draw(st.booleans()))


def random_history(random: Random, size: int = 40) -> list[Input]:
    """A history as `histories` gives, not for shrinking, but with more of what is rare there."""
    drawn = []
    for _ in range(random.randint(5, size)):
        topic = random.choices(list(_LIKELY), [share for share, _ in _LIKELY.values()])[0]
        fields = {name: _value(random, choices) for name, choices in random.choice(_LIKELY[topic][1]).items()}
        late, again = random.choice([0, 0, 0, 0, 0, -1, 1, 3]), random.random() < 0.1
        off = random.choice([0] * 9 + [1, -1])
        drawn.append(
            ((topic, fields), random.choice(PEOPLE), random.randint(0, 45), late, again, off, random.randint(0, 9))
        )
    return history_of(drawn, [who for who in PEOPLE if random.random() < 0.8], consent_mode=random.random() < 0.5)


def _value(random: Random, choices: Any) -> Any:
    if choices is ITEMS:
        return [_random_item(random) for _ in range(random.choice([0, 1, 1, 1, 2, 3]))]
    return random.choice(choices) if isinstance(choices, list) else choices


def _random_item(random: Random) -> dict[str, Any]:
    item: dict[str, Any] = {"item_id": random.choice(SKUS), "quantity": random.choice([0, 1, 1, 1, 2, 3])}
    price = random.choice([None, 0, 400, 1_000, 2_500, 2_500])
    return item if price is None else {**item, "price": price}


ITEMS = object()
_VERSIONS = [0, 1, 2]
_CHANNELS = [None, None, None, "email", "email", "sms", "voice"]
_LIKELY: dict[str, tuple[int, list[dict[str, Any]]]] = {
    "shop.carts": (
        9,
        [
            *[{"type": "add_to_cart", "items": ITEMS, "cart_version": _VERSIONS}] * 5,
            {"type": "remove_from_cart", "items": ITEMS, "cart_version": _VERSIONS},
            {"type": "update_cart", "items": ITEMS, "cart_version": _VERSIONS},
            {"type": "cart_snapshot", "items": ITEMS, "cart_version": _VERSIONS},
            {"type": ["clear_cart", "begin_checkout"], "cart_version": _VERSIONS},
        ],
    ),
    "shop.clicks": (4, [{"type": "page_view"}]),
    "shop.orders": (
        3,
        [
            *[
                {
                    "type": "purchase",
                    "value": 1,
                    "currency": "EUR",
                    "channel": ["online", "offline"],
                    "order_id": [None, None, None, "o1"],
                }
            ]
            * 4,
            {"type": ["order_cancelled", "order_shipped"], "order_id": "o1"},
        ],
    ),
    "shop.customers": (
        2,
        [
            {
                "type": "consent_update",
                "purpose": "marketing_message",
                "status": ["granted", "granted", "denied"],
                "basis": ["consent", "consent", "consent", "soft_opt_in", "legitimate_interest"],
                "channel": _CHANNELS,
            },
            {"type": "consent_update", "purpose": "marketing_message", "status": "granted"},
            {"type": "unsubscribe", "channel": _CHANNELS},
        ],
    ),
    "shop.messages": (
        1,
        [{"type": ["message_unsubscribed", "message_complained", "message_clicked"], "channel": _CHANNELS}],
    ),
}


def history_of(drawn: list[Any], granted: Iterable[str], *, consent_mode: bool) -> list[Input]:
    """Put drawn happenings in the order in which their records are written.

    A record may be written later than its event occurred, or have a clock that runs ahead; it may be sent twice.
    Those in `granted` allow messages from before the first slot on. With `consent_mode` the pages of the anonymous
    visitor say what may be collected. No two words on permission are of one moment: a refusal acts when it is read, and
    nothing takes back what it cancelled.
    """
    told: list[Input] = [
        (
            "shop.customers",
            {
                "event_id": f"yes-{who}",
                "site_id": SITE,
                "occurred_at": BASE - GRID,
                "type": "consent_update",
                "purpose": "marketing_message",
                "status": "granted",
                **_who(who),
            },
            BASE - GRID,
        )
        for who in granted
    ]
    words: set[tuple[str, int]] = set()
    for number, ((topic, fields), who, slot, late, again, off, rank) in enumerate(drawn):
        occurred = BASE + slot * GRID + off
        time = occurred + late * GRID
        if topic in ("shop.customers", "shop.messages"):
            while (who, min(occurred, time)) in words:
                occurred, time = occurred + 1, time + 1
            words.add((who, min(occurred, time)))
        event: dict[str, Any] = {
            "event_id": f"{rank}-{number}",
            "site_id": SITE,
            "occurred_at": occurred,
            **{name: value for name, value in fields.items() if value is not None},
            **_who(who),
        }
        if consent_mode and who == "v" and topic in ("shop.clicks", "shop.carts"):
            state = "granted" if min(occurred, time) // GRID % 3 else "denied"
            event["context"] = {"consent": {"analytics_storage": state}}
        if topic == "shop.orders":
            event["order_id"] = f"{event.get('order_id', number)}-{who}"
        told.append((topic, event, time))
        if again and late >= 0:  # a word sent again by a clock that runs ahead is said at another time
            told.append((topic, event, time + GRID))
    told.sort(key=lambda input_: input_[2])
    return told


def _who(who: str) -> dict[str, str]:
    return {"anonymous_id" if who == "v" else "customer_id": who}
