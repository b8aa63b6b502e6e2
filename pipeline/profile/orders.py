"""Order facts: how often, how much, how recently; and the person's own gap between orders.

Orders upsert by id and revision, since shops resend them. Frequency counts one-off orders that were not cancelled;
money is net of refunds, booked on the day of the order; renewals count in the money only.
"""

from bisect import bisect_right
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.config.durations import DAY
from pipeline.log.rows import OrderNews, OrderRow
from pipeline.state.orders import MAX_EARLY, MAX_ORDERS, WINDOWS, EarlyRefund, Order, Orders, OrderState

DUPLICATE = "duplicate"
TOO_LATE = "too_late"
UNKNOWN_ORDER = "unknown_order"

EARLY_REFUND_WAITS = 7 * DAY
MAX_REFUNDS = 16

_NOT_COUNTED = OrderState.CANCELLED | OrderState.RENEWAL
_MARK_BYTES = 5
_BITS = {
    OrderNews.SHIPPED: OrderState.SHIPPED,
    OrderNews.DELIVERED: OrderState.DELIVERED | OrderState.SHIPPED,
    OrderNews.RETURN_OPENED: OrderState.RETURNING,
}


class Arrived(NamedTuple):
    """An order event with what the profile needs of it: its local day, its worth, and digests of its ids."""

    event: OrderRow
    day: int
    worth: int
    order_mark: bytes
    event_mark: bytes
    clock: int


class Taken(NamedTuple):
    """The facts after an event. `new` says whether it is an order that was not known before."""

    orders: Orders
    new: bool


def take(orders: Orders, arrived: Arrived) -> Taken | str:
    """Take news of an order; the reason instead where it cannot be used."""
    event = arrived.event
    place = next((i for i, order in enumerate(orders.recent) if order.id == event.order_id), -1)
    known = orders.recent[place] if place >= 0 else None
    if event.news == OrderNews.PURCHASE:
        return _purchase(orders, known, arrived)
    if known is None:
        if event.news != OrderNews.REFUNDED:
            return UNKNOWN_ORDER
        if any(early.mark == arrived.event_mark for early in orders.early):
            return DUPLICATE
        early = EarlyRefund(event.order_id, arrived.worth, arrived.event_mark, arrived.clock)
        return Taken(replace(orders, early=(*_waiting(orders, arrived.clock), early)[-MAX_EARLY:]), new=False)
    if event.news == OrderNews.REFUNDED:
        if arrived.event_mark in _marks(known.refunds):
            return DUPLICATE
        changed = _refunded(known, arrived.worth, arrived.event_mark)
    elif event.news == OrderNews.CANCELLED:
        changed = replace(known, state=known.state | OrderState.CANCELLED)
    else:
        changed = replace(known, state=known.state | _BITS[OrderNews(event.news)])
    return DUPLICATE if changed == known else Taken(_exchanged(orders, known, changed), new=False)


def sums(orders: Orders, window: int) -> tuple[int, int]:
    """`(one-off orders, money)` of the last `window` days up to `orders.day`."""
    count = money = 0
    days = orders.days
    for i in range(0, len(days), 3):
        if days[i] > orders.day - window:
            count += days[i + 1]
            money += days[i + 2]
    return count, money


def next_fall(orders: Orders) -> int:
    """The day on which a rolling sum falls next through time alone, 0 for none."""
    days = orders.days
    return min(
        (days[i] + window for i in range(0, len(days), 3) for window in WINDOWS if days[i] + window > orders.day),
        default=0,
    )


def roll(orders: Orders, today: int) -> Orders:
    """Let the sums fall up to `today`. The day moves only where a sum fell, so it does not matter how often."""
    while 0 < (day := next_fall(orders)) <= today:
        orders = _forget(replace(orders, day=day))
    return orders


def last_order(orders: Orders) -> Order | None:
    """The last one-off order that was not cancelled."""
    return next((order for order in reversed(orders.recent) if not order.state & _NOT_COUNTED), None)


def last_renewal(orders: Orders) -> int:
    """Time of the last renewal that was not cancelled, 0 for none."""
    states = OrderState.RENEWAL | OrderState.CANCELLED
    return next((o.at for o in reversed(orders.recent) if o.state & states == OrderState.RENEWAL), 0)


def completed_gaps(orders: Orders) -> tuple[int, int]:
    """`(gaps between purchase days, their sum in days)`. Orders of one day are one purchase."""
    bought = [orders.days[i] for i in range(0, len(orders.days), 3) if orders.days[i + 1] > 0]
    number = orders.past_days + len(bought)
    if number < 2:
        return 0, 0
    first = orders.past_first if orders.past_days else bought[0]
    last = bought[-1] if bought else orders.past_last
    return number - 1, last - first


def expected_gap(orders: Orders, prior: int) -> int:
    """Milliseconds between two orders to be expected of this person: own gaps, shrunk to the prior as two gaps are."""
    number, days = completed_gaps(orders)
    return (2 * prior + days * DAY) // (2 + number)


def _purchase(orders: Orders, known: Order | None, arrived: Arrived) -> Taken | str:
    event = arrived.event
    if known is not None:
        if event.revision <= known.revision:
            return DUPLICATE
        revised = replace(
            known, revision=event.revision, value=arrived.worth, category=dearest_category(event) or known.category
        )
        return Taken(_exchanged(orders, known, revised), new=False)
    if arrived.order_mark in _marks(orders.marks):
        return DUPLICATE
    if event.at <= orders.horizon:
        return TOO_LATE
    state = (OrderState.RENEWAL if event.renewal else 0) | (OrderState.OFFLINE if event.offline else 0)
    order = Order(
        event.order_id, event.at, arrived.day, event.revision, arrived.worth, dearest_category(event), int(state)
    )
    waiting = _waiting(orders, arrived.clock)
    for early in waiting:
        if early.order_id == order.id:
            order = _refunded(order, early.value, early.mark)
    waiting = tuple(early for early in waiting if early.order_id != order.id)
    recent, horizon = list(orders.recent), orders.horizon
    recent.insert(bisect_right([(o.at, o.id) for o in recent], (order.at, order.id)), order)
    while len(recent) > MAX_ORDERS:
        horizon = max(horizon, recent.pop(0).at)
    grown = replace(orders, recent=tuple(recent), horizon=horizon, early=waiting, day=max(orders.day, arrived.day))
    return Taken(_forget(_booked(grown, order, 1)), new=True)


def dearest_category(event: OrderRow) -> str:
    """Category of the line of an order that costs most; the first of equals."""
    best, price = "", -1
    for line in event.lines:
        if line.price * line.quantity > price and line.category:
            best, price = line.category, line.price * line.quantity
    return best


def _refunded(order: Order, worth: int, mark: bytes) -> Order:
    return replace(
        order,
        refunded=min(order.value, order.refunded + worth),
        refunds=(order.refunds + mark)[-MAX_REFUNDS * _MARK_BYTES :],
        state=order.state & ~OrderState.RETURNING,
    )


def _waiting(orders: Orders, clock: int) -> tuple[EarlyRefund, ...]:
    return tuple(early for early in orders.early if early.clock > clock - EARLY_REFUND_WAITS)


def _exchanged(orders: Orders, known: Order, changed: Order) -> Orders:
    recent = tuple(changed if order is known else order for order in orders.recent)
    return _booked(_booked(replace(orders, recent=recent), known, -1), changed, 1)


def _booked(orders: Orders, order: Order, sign: int) -> Orders:
    """The sums with an order added, or taken out again."""
    if order.state & OrderState.CANCELLED:
        return orders
    count = 0 if order.state & OrderState.RENEWAL else sign
    money = sign * (order.value - order.refunded)
    days = list(orders.days)
    place = next((i for i in range(0, len(days), 3) if days[i] >= order.day), len(days))
    if place < len(days) and days[place] == order.day:
        days[place + 1] += count
        days[place + 2] += money
        if not days[place + 1] and not days[place + 2]:
            del days[place : place + 3]
    else:
        days[place:place] = [order.day, count, money]
    return replace(orders, days=tuple(days), count=orders.count + count, money=orders.money + money)


def _forget(orders: Orders) -> Orders:
    """Drop the days that no rolling sum needs any more; of their purchase days the number and the ends stay."""
    days, oldest = orders.days, orders.day - WINDOWS[-1]
    if not days or days[0] > oldest:
        return orders
    place = next((i for i in range(0, len(days), 3) if days[i] > oldest), len(days))
    bought = [days[i] for i in range(0, place, 3) if days[i + 1] > 0]
    if not bought:
        return replace(orders, days=days[place:])
    return replace(
        orders,
        days=days[place:],
        past_days=orders.past_days + len(bought),
        past_first=min(orders.past_first or bought[0], bought[0]),
        past_last=max(orders.past_last, bought[-1]),
    )


def _marks(marks: bytes) -> set[bytes]:
    return {marks[i : i + _MARK_BYTES] for i in range(0, len(marks), _MARK_BYTES)}
