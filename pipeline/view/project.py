"""From the stored customer to the profile that readers see."""

from collections.abc import Mapping
from datetime import date, datetime

from pipeline.log.consent import signals
from pipeline.log.persons import ids_of, site_of
from pipeline.profile.funnel import Stage
from pipeline.profile.orders import sums
from pipeline.state.cart import Cart, CartLine
from pipeline.state.customer import Customer, Grants, last_activity
from pipeline.state.orders import WINDOWS, Order, Orders, OrderState
from pipeline.state.shown import Shown
from pipeline.state.tastes import Tastes
from pipeline.state.win_back import Variant, WinBack
from pipeline.triggers.cart_content import active, after, worth
from pipeline.view.profile import (
    FORMAT,
    Affinities,
    CartItem,
    OpenAttempt,
    Personalization,
    Profile,
    ProfileCart,
    ProfileOrders,
    RecentOrder,
    Share,
    Sum,
    Word,
)
from pipeline.view.scores import Models, scores
from pipeline.view.times import moment as _at

_RENEWAL, _CANCELLED, _SHIPPED, _DELIVERED, _RETURNING, _OFFLINE, *_ = map(int, OrderState)
"""As plain numbers: an operation on flags costs a microsecond."""

_STAGES = ("", *(stage.name.lower() for stage in Stage))
_VARIANTS = ("", *(variant.name.lower() for variant in Variant))
"""By their stored numbers, which count from 1."""


def project(person: str, customer: Customer, version: str, models: Models) -> Profile:
    """The profile of a stored customer; `person` is the key, `version` where the changelog has it."""
    customer_id, anonymous_id = ids_of(person)
    site = site_of(person)
    return Profile(
        version=version,
        format=FORMAT,
        site_id=site,
        customer_id=customer_id,
        anonymous_id=anonymous_id,
        first_seen_at=_time(customer.born),
        last_seen_at=_time(customer.seen),
        last_interest_at=_time(customer.interested),
        last_cart_addition_at=_time(customer.cart_added),
        last_order_at=_time(customer.ordered),
        last_offline_order_at=_time(customer.ordered_offline),
        bot_at=_time(customer.bot),
        stage=_STAGES[customer.stage],
        channel=customer.channel,
        device=customer.device,
        locale=customer.locale,
        channels={channel: _at(at) for channel, at in last_activity(customer).items()},
        cart=_cart(customer.cart),
        orders=_orders(customer.orders),
        affinities=_affinities(customer.tastes),
        recently_viewed=tuple(reversed(customer.tastes.items)) if customer.tastes is not None else (),
        wish_list=customer.wishes[::-1],
        win_back=_win_back(customer.win_back),
        personalization=_personalization(customer.shown),
        permissions=_words(customer.grants),
        consent_mode=dict(signals(customer.page_consent)),
        scores=scores(customer, site, models),
    )


def _cart(cart: Cart | None) -> ProfileCart | None:
    """Changes that the log's clock has not passed are in it: a reader wants the cart as it is now."""
    if cart is None:
        return None
    lines = cart.lines
    for change in cart.pending:
        lines = after(lines, change)
    if not lines:
        return None
    return ProfileCart(tuple(map(_item, lines)), worth(active(lines)))


def _item(line: CartLine) -> CartItem:
    price = line.price if line.price >= 0 else None
    return CartItem(line.sku, line.quantity, price, line.currency, line.category, line.brand, line.dormant)


def _orders(orders: Orders | None) -> ProfileOrders | None:
    if orders is None or not orders.day:
        return None
    month, quarter, year = (Sum(*sums(orders, window)) for window in WINDOWS)
    return ProfileOrders(
        all_time=Sum(orders.count, orders.money),
        as_of=date.fromordinal(orders.day),
        last_30_days=month,
        last_90_days=quarter,
        last_365_days=year,
        recent=tuple(map(_order, reversed(orders.recent))),
        average_order_value=_average(orders.recent),
    )


def _average(orders: tuple[Order, ...]) -> int | None:
    values = [order.value - order.refunded for order in orders if not order.state & (_CANCELLED | _RENEWAL)]
    return round(sum(values) / len(values)) if values else None


def _order(order: Order) -> RecentOrder:
    state = order.state
    return RecentOrder(
        order_id=order.id,
        at=_at(order.at),
        value=order.value,
        refunded=order.refunded,
        category=order.category,
        offline=bool(state & _OFFLINE),
        renewal=bool(state & _RENEWAL),
        cancelled=bool(state & _CANCELLED),
        shipped=bool(state & _SHIPPED),
        delivered=bool(state & _DELIVERED),
        return_open=bool(state & _RETURNING),
    )


def _affinities(tastes: Tastes | None) -> Affinities | None:
    if tastes is None:
        return None
    return Affinities(
        categories=_shares(tastes.categories),
        brands=_shares(tastes.brands),
        price_ranges=_shares({_range(shelf): score for shelf, score in tastes.shelves.items()}),
        facets=_shares(tastes.facets),
    )


def _shares(scores: Mapping[str, int]) -> tuple[Share, ...]:
    """All scores halve alike, so their shares need neither the clock nor the half-life."""
    if not (total := sum(scores.values())):
        return ()
    ranked = sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple(Share(name, round(score / total, 3)) for name, score in ranked)


def _range(shelf: str) -> str:
    """Prices of a shelf, which is named by their number of binary digits."""
    digits = int(shelf)
    return f"{1 << (digits - 1)}-{(1 << digits) - 1}"


def _win_back(win_back: WinBack | None) -> OpenAttempt | None:
    if win_back is None or win_back.open is None:
        return None
    attempt = win_back.open
    variant = _VARIANTS[attempt.variant]
    return OpenAttempt(variant, attempt.channel, _at(attempt.due), _at(attempt.expires), attempt.sent)


def _personalization(shown: Shown | None) -> Personalization | None:
    if shown is None or shown.refused or (told := shown.told) is None or not told.lasts:
        return None
    standing = told.standing
    return Personalization(
        action=told.action,
        decided_at=_at(told.at),
        expires_at=_at(told.at + told.lasts),
        stage=_STAGES[standing.stage],
        category=standing.category,
        brand=standing.brand,
        items=standing.items,
        segments=standing.segments,
    )


def _words(grants: Grants) -> tuple[Word, ...]:
    return tuple(
        Word(purpose, word.granted, word.basis, _at(word.at), channel)
        for key, words in grants.items()
        for purpose, _, channel in [key.partition(":")]
        for word in words
    )


def _time(at: int) -> datetime | None:
    return _at(at) if at else None
