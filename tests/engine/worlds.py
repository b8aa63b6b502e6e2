"""Small worlds: few people, few products, times on a coarse grid, so that ties and boundary cases happen."""

from typing import Any

from hypothesis import strategies as st

from tests.oracle.cart_oracle import Input, Rules

GRID = 10 * 60_000
BASE = 1_700_000_000_000
SITE = "s"
SKUS = ("a", "b", "c")

rules = st.builds(
    Rules,
    steps=st.sampled_from([(3 * GRID,), (3 * GRID, 6 * GRID), (2 * GRID, 5 * GRID, 12 * GRID), (3 * GRID, 4 * GRID)]),
    min_value=st.sampled_from([0, 1_000]),
    expires_after=st.sampled_from([2 * GRID, 6 * GRID, 40 * GRID]),
    offline_lag=st.sampled_from([0, 0, 3 * GRID, 5 * GRID]),
)

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
    """A history in the order in which its records are written, by their time.

    A record may be written later than its event occurred, or have a clock that runs ahead; it may be sent twice.
    """
    drawn = draw(st.lists(_happening, min_size=1, max_size=size))
    consent_mode = draw(st.booleans())
    told: list[Input] = []
    for number, ((topic, fields), who, slot, late, again, off, rank) in enumerate(drawn):
        occurred = BASE + slot * GRID + off
        time = occurred + late * GRID
        event: dict[str, Any] = {
            "event_id": f"{rank}-{number}",
            "site_id": SITE,
            "occurred_at": occurred,
            **{name: value for name, value in fields.items() if value is not None},
        }
        event["anonymous_id" if who == "v" else "customer_id"] = who
        if consent_mode and who == "v" and topic in ("shop.clicks", "shop.carts"):
            state = "granted" if min(occurred, time) // GRID % 3 else "denied"
            event["context"] = {"consent": {"analytics_storage": state}}
        if topic == "shop.orders" and "order_id" not in event:
            event["order_id"] = event["event_id"]
        if topic == "shop.orders" and event["order_id"] == "o1":
            event["order_id"] = f"o1-{who}"
        told.append((topic, event, time))
        if again:
            told.append((topic, event, time + GRID))
    told.sort(key=lambda input_: input_[2])
    return told
