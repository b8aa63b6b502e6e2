"""One typed example of every event and output: a visit, the cart that is left behind, and what comes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline.config.namespace import Mode
from pipeline.events import cart, catalog, click, customer, message, order
from pipeline.events.envelope import ConsentMode, Context, Item
from pipeline.log.rejects import Reject, RejectReason, Replayed, cut
from pipeline.triggers.contract import (
    ENGINE_VERSION,
    Action,
    Cause,
    Decision,
    Expected,
    Factor,
    Kind,
    Moment,
    Outcome,
    Reason,
    Score,
    Suggestion,
    Timing,
    Trigger,
    TriggerData,
    TriggerItem,
    Why,
    trigger_id,
)

NAMESPACE = "live"
SITE = "my-shop"
CUSTOMER = "c-1042"
VISITOR = "v-7f3a"
KEY = f"{SITE}|c|{CUSTOMER}"
"""Key of every output about the customer of the examples."""

_START = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
_WEB = Context(device="mobile", channel="web", source="newsletter", medium="email", locale="de-DE", country="DE")
_BOOTS = Item("sku-boots-42", item_name="Trail boots", item_category="shoes", item_brand="Alpina", price=11_990)
_SOCKS = Item("sku-socks", item_name="Merino socks", item_category="socks", price=1_490, quantity=2)
_OLD_BOOTS = Item("sku-boots-17", item_category="shoes", item_brand="Alpina", price=8_990)
_OLD_ORDER = "o-2019-77"
_CART = "cart-9"
_ORDER = "o-2026-311"
_OPENING = "e-add-1"
_TRIGGER = trigger_id(SITE, Kind.CART_ABANDONED, _OPENING, 1)


def _at(minutes: int) -> datetime:
    return _START + timedelta(minutes=minutes)


def _text(minutes: int) -> str:
    return _at(minutes).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _known(minutes: int, event_id: str) -> dict[str, Any]:
    """The envelope of an event of the customer."""
    return {"event_id": event_id, "site_id": SITE, "occurred_at": _at(minutes), "customer_id": CUSTOMER}


def _visit(minutes: int, event_id: str) -> dict[str, Any]:
    """The envelope of what the customer does in the web shop."""
    return _known(minutes, event_id) | {"session_id": "s-31", "context": _WEB}


def _long_ago(days: int, event_id: str) -> dict[str, Any]:
    """The envelope of what the customer did years before, and so many days later."""
    return _known(0, event_id) | {"occurred_at": _START.replace(year=2019) + timedelta(days=days)}


def _anonymous(minutes: int, event_id: str) -> dict[str, Any]:
    """The envelope of a visitor who did not log in, with what the consent banner says."""
    consent = ConsentMode(analytics_storage="granted", personalization_storage="granted", ad_storage="denied")
    return {
        "event_id": event_id,
        "site_id": SITE,
        "occurred_at": _at(minutes),
        "anonymous_id": VISITOR,
        "anonymous_id_kind": "cookie",
        "context": Context(device="desktop", channel="web", locale="de-DE", consent=consent),
    }


def _report(minutes: int, event_id: str) -> dict[str, Any]:
    """The envelope of a report about the message that the trigger caused."""
    return _known(minutes, event_id) | {"trigger_id": _TRIGGER, "channel": customer.Channel.EMAIL}


EVENTS: dict[str, tuple[Struct, ...]] = {
    "shop.clicks": (
        click.PageView(**_anonymous(-60, "e-page"), page="/"),
        click.ViewItem(**_visit(0, "e-item"), items=[_BOOTS], currency="EUR"),
        click.ViewItemList(**_visit(1, "e-list"), item_list_id="winter", items=[_BOOTS, _SOCKS], currency="EUR"),
        click.ViewCategory(**_visit(2, "e-category"), item_category="shoes"),
        click.ViewContent(**_visit(3, "e-content"), content_id="guide-boots"),
        click.Search(**_anonymous(-59, "e-search"), search_term="trail boots"),
        click.AddToWishlist(**_visit(4, "e-wish"), items=[_BOOTS], currency="EUR"),
        click.Like(**_visit(5, "e-like"), items=[_SOCKS]),
        click.ExitIntent(**_visit(12, "e-exit"), page="/checkout"),
        click.AppOpen(**_known(90, "e-app"), context=Context(device="mobile", channel="app")),
    ),
    "shop.carts": (
        cart.AddToCart(**_visit(6, _OPENING), items=[_BOOTS, _SOCKS], currency="EUR", cart_id=_CART, cart_version=1),
        cart.RemoveFromCart(**_visit(7, "e-remove"), items=[Item("sku-socks")], cart_id=_CART, cart_version=2),
        cart.UpdateCart(
            **_visit(8, "e-update"),
            items=[Item("sku-socks", price=1_490, quantity=3)],
            currency="EUR",
            cart_id=_CART,
            cart_version=3,
        ),
        cart.ClearCart(**_visit(300, "e-clear"), cart_id=_CART, cart_version=6),
        cart.CartSnapshot(**_visit(9, "e-snapshot"), items=[_BOOTS], currency="EUR", cart_id=_CART, cart_version=4),
        cart.BeginCheckout(**_visit(10, "e-checkout"), cart_id=_CART, cart_version=5),
    ),
    "shop.orders": (
        order.Purchase(
            **_known(55, "e-purchase"),
            order_id=_ORDER,
            value=11_990,
            currency="EUR",
            channel="offline",
            items=[_BOOTS],
            external_ids={"loyalty_card": "4711"},
        ),
        order.OrderCancelled(**_known(120, "e-cancel"), order_id=_ORDER, revision=1),
        order.OrderRefunded(**_known(20_000, "e-refund"), order_id=_ORDER, revision=4, value=11_990, currency="EUR"),
        order.OrderShipped(**_known(1_400, "e-ship"), order_id=_ORDER, revision=2),
        order.OrderDelivered(**_known(2_900, "e-deliver"), order_id=_ORDER, revision=3),
        order.ReturnOpened(**_known(9_000, "e-return"), order_id=_ORDER, revision=3),
    ),
    "shop.customers": (
        customer.Identify(**_visit(-30, "e-login"), anonymous_id=VISITOR, method="login"),
        customer.ConsentUpdate(
            **_visit(-29, "e-consent"),
            purpose=customer.Purpose.MARKETING_MESSAGE,
            status="granted",
            basis=customer.Basis.CONSENT,
            channel=customer.Channel.EMAIL,
        ),
        customer.Unsubscribe(**_known(4_000, "e-unsubscribe"), channel=customer.Channel.EMAIL),
    ),
    "shop.messages": (
        message.MessageSent(**_report(43, "e-sent")),
        message.MessageDelivered(**_report(44, "e-delivered")),
        message.MessageShown(**_known(45, "e-shown"), trigger_id=_TRIGGER, channel=customer.Channel.ONSITE),
        message.MessageFailed(**_report(43, "e-failed")),
        message.MessageOpened(**_report(46, "e-opened")),
        message.MessageClicked(**_report(47, "e-clicked")),
        message.MessageBounced(**_report(44, "e-bounced")),
        message.MessageUnsubscribed(**_report(48, "e-stop")),
        message.MessageComplained(**_report(49, "e-spam")),
    ),
    "shop.catalog": (
        catalog.Product(
            event_id="e-product",
            site_id=SITE,
            occurred_at=_at(-600),
            item_id="sku-boots-42",
            price=11_990,
            currency="EUR",
            item_name="Trail boots",
            item_category="shoes",
            item_brand="Alpina",
            colour="brown",
            stock=14,
        ),
        catalog.ProductRemoved(
            event_id="e-removed", site_id=SITE, occurred_at=int(_at(9_999).timestamp() * 1000), item_id="sku-socks"
        ),
    ),
    "shop.history": (
        order.Purchase(**_long_ago(0, "h-order"), order_id=_OLD_ORDER, value=8_990, currency="EUR", items=[_OLD_BOOTS]),
        order.OrderCancelled(**_long_ago(1, "h-cancelled"), order_id=_OLD_ORDER),
        order.OrderRefunded(**_long_ago(2, "h-refunded"), order_id=_OLD_ORDER, value=8_990, currency="EUR"),
        customer.Identify(**_long_ago(0, "h-identify"), method="loyalty_card"),
        customer.ConsentUpdate(
            **_long_ago(0, "h-consent"),
            purpose=customer.Purpose.MARKETING_MESSAGE,
            status="granted",
            channel=customer.Channel.EMAIL,
        ),
    ),
}
"""By topic, an event of every type."""

POLICY_VERSION = "6f1d0c9a4be2"

_SCORE = Score(
    "cart",
    118,
    -4.1,
    0.016302,
    (
        Factor("idle", "nothing done for 30 minutes", -0.61),
        Factor("touch_rate", "orders each time a cart is touched: 0.04", -0.35),
        Factor("looks", "looks at what is in the cart since it was touched: 2", 0.22),
    ),
)
"""An order before the next look at the cart is so unlikely that waiting for it is not worth it."""

_ABANDONED = TriggerData(
    trigger_id=_TRIGGER,
    kind=Kind.CART_ABANDONED,
    episode=_OPENING,
    step=1,
    reason=Reason.SILENT,
    site_id=SITE,
    mode=Mode.LIVE,
    due_at=_text(42),
    expires_at=_text(42 + 72 * 60),
    policy_version=POLICY_VERSION,
    engine_version=ENGINE_VERSION,
    customer_id=CUSTOMER,
    channel=customer.Channel.EMAIL,
    causing_events=(_OPENING,),
    items=(TriggerItem("sku-boots-42", 1, "EUR", 11_990, 11_990, "shoes", "Alpina"),),
    value=11_990,
    currency="EUR",
    locale="de-DE",
    device="mobile",
    scores=(_SCORE,),
    timing=Timing.LEARNED,
)


def _message(suffix: str, outcome: Outcome, minutes: int, data: TriggerData) -> Trigger:
    return Trigger(
        specversion="1.0",
        id=f"{data.trigger_id}:{suffix}",
        source=f"/pipeline/{SITE}",
        type=f"{data.kind}.{outcome}.v1",
        subject=data.trigger_id,
        time=_text(minutes),
        datacontenttype="application/json",
        data=data,
    )


EMITTED = _message("e", Outcome.EMITTED, 42, _ABANDONED)
"""The cart is abandoned: remind the customer by mail."""

CANCELLED = _message(
    "c",
    Outcome.CANCELLED,
    55,
    replace(
        _ABANDONED,
        reason=Reason.ORDERED,
        items=(),
        value=0,
        currency="",
        after_send=True,
        scores=(),
        timing=None,
    ),
)
"""The customer bought the boots at the till after all: what has not gone out must not go out."""

SHOWN = _message(
    "e",
    Outcome.EMITTED,
    5,
    TriggerData(
        trigger_id=trigger_id(SITE, Kind.PERSONALIZATION, "e-like", 1),
        kind=Kind.PERSONALIZATION,
        episode="e-like",
        step=1,
        reason=Reason.CHANGED,
        site_id=SITE,
        mode=Mode.LIVE,
        due_at=_text(5),
        expires_at=_text(35),
        policy_version=POLICY_VERSION,
        engine_version=ENGINE_VERSION,
        customer_id=CUSTOMER,
        channel=customer.Channel.ONSITE,
        causing_events=("e-like",),
        items=(TriggerItem("sku-boots-42", 1, "EUR", None, 11_990, "shoes", "Alpina"), TriggerItem("sku-socks", 1)),
        locale="de-DE",
        device="mobile",
        moment=Moment("consideration", "empty", "shoes", "Alpina"),
        action=Action.RECOMMEND,
        suggestions=(
            Suggestion("sku-boots-42", Why.OWN),
            Suggestion("sku-insoles", Why.TOGETHER, "sku-socks"),
            Suggestion("sku-wax", Why.CATEGORY, "shoes"),
        ),
    ),
)
"""The customer has liked the socks, too: what is worth showing has changed."""

_MISSED = 55 + 90 * 24 * 60
"""One and a half usual gaps of 60 days after the order."""

WON_BACK = _message(
    "e",
    Outcome.EMITTED,
    _MISSED,
    TriggerData(
        trigger_id=trigger_id(SITE, Kind.WIN_BACK, f"{_ORDER}:second_order", 1),
        kind=Kind.WIN_BACK,
        episode=f"{_ORDER}:second_order",
        step=1,
        reason=Reason.SECOND_ORDER,
        site_id=SITE,
        mode=Mode.LIVE,
        due_at=_text(_MISSED),
        expires_at=_text(_MISSED + 14 * 24 * 60),
        policy_version=POLICY_VERSION,
        engine_version=ENGINE_VERSION,
        customer_id=CUSTOMER,
        channel=customer.Channel.EMAIL,
        locale="de-DE",
        device="mobile",
        variant="second_order",
        cause=Cause.FORGOT,
        expected=Expected(
            "count",
            12,
            90,
            0.31,
            2_604,
            "EUR",
            (
                Factor("silence", "days since the last purchase: 90", -0.58),
                Factor("value", "last purchase worth 120 (base currency)", 0.21),
                Factor("spent", "spent in all: 120 (base currency)", 0.09),
            ),
        ),
    ),
)
"""Three months after the boots no second order has come, nor a visit."""

TRIGGERS: dict[Kind, tuple[Trigger, ...]] = {
    Kind.CART_ABANDONED: (EMITTED, CANCELLED),
    Kind.WIN_BACK: (WON_BACK,),
    Kind.PERSONALIZATION: (SHOWN,),
}
"""By kind, its messages."""

DECISION = Decision(
    decision_id=f"{_TRIGGER}:e",
    trigger_id=_TRIGGER,
    kind=Kind.CART_ABANDONED,
    episode=_OPENING,
    step=1,
    outcome=Outcome.EMITTED,
    reason=Reason.SILENT,
    site_id=SITE,
    mode=Mode.LIVE,
    at=_text(42),
    log_partition=1,
    log_offset=20_481,
    policy_version=POLICY_VERSION,
    engine_version=ENGINE_VERSION,
    due_at=_text(42),
    customer_id=CUSTOMER,
    channel=customer.Channel.EMAIL,
    causing_events=(_OPENING,),
    value=11_990,
    currency="EUR",
    scores=(_SCORE,),
)
"""What `decisions` says about the emitted trigger."""

_REFUSED = b'{"event_id":"e-nobody","type":"page_view","site_id":"my-shop","occurred_at":1772474400000}'
_KEPT, _DIGEST, _CUT = cut(_REFUSED, len(_REFUSED))

REJECT = Reject(
    reason=RejectReason.NO_PERSON,
    detail="neither customer_id nor anonymous_id",
    topic="shop.clicks",
    partition=0,
    offset=311,
    timestamp=1_772_474_400_012,
    size=len(_REFUSED),
    refused_by=f"ingest {ENGINE_VERSION}",
    value=_KEPT,
    sha256=_DIGEST,
    truncated=_CUT,
)
"""A page view that names nobody."""

REPLAYED = Replayed(replayed_to=1_204)
"""The refused record was mended and given to the pipeline again."""
