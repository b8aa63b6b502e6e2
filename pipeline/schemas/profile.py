"""The example of a profile in Redis: the customer of the other examples, some minutes after the cart was left."""

from datetime import UTC, date, datetime

from pipeline.view.profile import (
    FORMAT,
    Affinities,
    CartItem,
    CartScore,
    ExpectedOrders,
    IntentScore,
    OpenAttempt,
    Personalization,
    Profile,
    ProfileCart,
    ProfileOrders,
    RecentOrder,
    ReorderScore,
    Scores,
    Share,
    Sum,
    Word,
)


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


PROFILE = Profile(
    version="000001-000000000081204",
    format=FORMAT,
    site_id="my-shop",
    customer_id="c-1042",
    first_seen_at=_at(1, 9),
    last_seen_at=_at(2, 18, 12),
    last_interest_at=_at(2, 18, 12),
    last_cart_addition_at=_at(2, 18, 6),
    last_order_at=_at(1, 10),
    last_offline_order_at=_at(1, 10),
    stage="customer",
    channel="web",
    device="mobile",
    locale="de-DE",
    channels={"store": _at(1, 10), "web": _at(2, 18, 12)},
    cart=ProfileCart(
        items=(CartItem("sku-boots-42", 1, 11_990, "EUR", "shoes", "Alpina"),),
        value=11_990,
    ),
    orders=ProfileOrders(
        all_time=Sum(1, 2_980),
        as_of=date(2026, 3, 1),
        last_30_days=Sum(1, 2_980),
        last_90_days=Sum(1, 2_980),
        last_365_days=Sum(1, 2_980),
        recent=(RecentOrder("o-2026-290", _at(1, 10), 3_980, refunded=1_000, category="socks", offline=True),),
        average_order_value=2_980,
    ),
    affinities=Affinities(
        categories=(Share("shoes", 0.75), Share("socks", 0.25)),
        brands=(Share("Alpina", 1.0),),
        price_ranges=(Share("8192-16383", 1.0),),
    ),
    recently_viewed=("sku-boots-42", "sku-socks"),
    wish_list=("sku-tent",),
    win_back=OpenAttempt("second_order", "email", _at(2, 10), _at(9, 10)),
    personalization=Personalization(
        action="recommend",
        decided_at=_at(2, 18, 12),
        expires_at=_at(2, 18, 42),
        stage="customer",
        category="shoes",
        brand="Alpina",
        items=("sku-boots-42", "sku-socks"),
    ),
    permissions=(Word("marketing_message", True, "consent", _at(1, 9), "email"),),
    consent_mode={"analytics_storage": True, "ad_storage": False},
    scores=Scores(
        scored_at=_at(2, 18, 12),
        intent=IntentScore("medium", 0.075858, 7),
        cart=CartScore(0.029312, _at(2, 18, 13), 7),
        reorder=ReorderScore(30, 0.426573, 0.420233, 7, due_at=datetime(2026, 4, 21, 7, 37, 13, 104_000, tzinfo=UTC)),
        expected=ExpectedOrders(90, 0.3012, 1_354, 7),
    ),
)
"""What `GET profile:live:my-shop:c:c-1042` gives."""
