"""Order facts: how often, how much, how recently; and the person's own gap between orders.

Orders upsert by id and revision, since shops resend them. Frequency counts one-off orders that were not cancelled;
money is net of refunds, booked on the day of the order; renewals count in the money only.

The sums hold what has been read. What is judged as of a time asks the functions that take one: they leave out what
happened later, as long as the clock had not passed it when it was read.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

from msgspec.structs import replace

from pipeline.config.durations import DAY
from pipeline.log.rows import OrderNews, OrderRow
from pipeline.state import recent
from pipeline.state.orders import (
    MAX_EARLY,
    MAX_NEWS,
    MAX_ORDERS,
    WINDOWS,
    EarlyRefund,
    Order,
    OrderChange,
    Orders,
    OrderState,
)

DUPLICATE: Final = "duplicate"
TOO_LATE: Final = "too_late"
UNKNOWN_ORDER: Final = "unknown_order"

EARLY_REFUND_WAITS: Final = 7 * DAY
MAX_REFUNDS: Final = 16

_RENEWAL: Final = int(OrderState.RENEWAL)
_CANCELLED: Final = int(OrderState.CANCELLED)
_RETURNING: Final = int(OrderState.RETURNING)
_NOT_COUNTED: Final = _CANCELLED | _RENEWAL  # plain: an operation on a flag takes forty times as long
_MARK_BYTES: Final = 5
_BITS: Final[dict[int, int]] = {
    OrderNews.CANCELLED: _CANCELLED,
    OrderNews.SHIPPED: int(OrderState.SHIPPED),
    OrderNews.DELIVERED: int(OrderState.DELIVERED),
    OrderNews.RETURN_OPENED: _RETURNING,
}


class Arrived(NamedTuple):
    """An order event with what the profile needs of it: its local day, its worth, digests of its ids, and the clock."""

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
    mark = _refund_mark(arrived)
    if known is None:
        if event.news != OrderNews.REFUNDED:
            return UNKNOWN_ORDER
        waiting = _waiting(orders, arrived.clock)
        if any(early.mark == mark and early.order_id == event.order_id for early in waiting):
            return DUPLICATE
        early = EarlyRefund(event.order_id, arrived.worth, mark, arrived.clock)
        return Taken(replace(orders, early=(*waiting, early)[-MAX_EARLY:]), new=False)
    if event.news == OrderNews.REFUNDED:
        if mark in _marks(known.refunds):
            return DUPLICATE
        changed = _refunded(known, arrived.worth, mark)
    else:
        changed = replace(known, state=known.state | _BITS[event.news])
    if changed == known:
        return DUPLICATE
    refunds = int(event.news == OrderNews.REFUNDED)
    change = OrderChange(event.at, arrived.order_mark, known.state ^ changed.state, refunds)
    ahead = tuple(news for news in (*orders.news, change) if news.at > arrived.clock)[-MAX_NEWS:]
    return Taken(replace(_exchanged(orders, known, changed), news=ahead), new=False)


def sums(orders: Orders, window: int) -> tuple[int, int]:
    """`(one-off orders, money)` of the last `window` days up to `orders.day`."""
    count = money = 0
    days = orders.days
    for i in range(0, len(days), 3):
        if days[i] > orders.day - window:
            count += days[i + 1]
            money += days[i + 2]
    return count, money


def orders_on(orders: Orders, day: int) -> int:
    """One-off orders of a day of the last year that were not cancelled."""
    days = orders.days
    return next((days[i + 1] for i in range(0, len(days), 3) if days[i] == day), 0)


def next_fall(orders: Orders) -> int:
    """The day on which a rolling sum falls next through time alone, 0 for none."""
    starts, fall = orders.days[::3], 0
    for window in WINDOWS:
        oldest = orders.day - window
        for day in starts:
            if day > oldest:
                if not fall or day + window < fall:
                    fall = day + window
                break
    return fall


def roll(orders: Orders, today: int) -> Orders:
    """Let the sums fall up to `today`. The day moves only where a sum fell, so it does not matter how often."""
    while 0 < (day := next_fall(orders)) <= today:
        orders = _forget(replace(orders, day=day))
    return orders


def last_order(orders: Orders) -> Order | None:
    """The last one-off order that was not cancelled."""
    return next((order for order in reversed(orders.recent) if not order.state & _NOT_COUNTED), None)


def last_order_at(orders: Orders, at: int) -> Order | None:
    """The last one-off order up to `at` that had not been cancelled by then."""
    for order in reversed(orders.recent):
        if order.at <= at and not state_at(orders, order, at) & _NOT_COUNTED:
            return order
    return None


def state_at(orders: Orders, order: Order, at: int) -> int:
    """The bits of OrderState that an order had at `at`. Its news have to be in the order of their times."""
    state = order.state
    if orders.news:
        mark = recent.digest(order.id)
        for news in orders.news:
            if news.at > at and news.mark == mark:
                state ^= news.bits
    return state


def refunded_at(orders: Orders, order: Order, at: int) -> bool:
    """Whether any of an order's money had gone back by `at`."""
    number = len(order.refunds) // _MARK_BYTES
    if number and orders.news:
        mark = recent.digest(order.id)
        number -= sum(news.refunds for news in orders.news if news.at > at and news.mark == mark)
    return number > 0


def completed_gaps(orders: Orders, at: int) -> tuple[int, int]:
    """`(gaps between purchase days up to at, their sum in days)`. Orders of one local day are one purchase."""
    days = sorted(
        {
            order.day
            for order in orders.recent
            if order.day > orders.past_last
            and order.at <= at
            and not (state_at(orders, order, at) if orders.news else order.state) & _NOT_COUNTED
        }
    )
    number = orders.past_days + len(days)
    if number < 2:
        return 0, 0
    first = orders.past_first if orders.past_days else days[0]
    return number - 1, (days[-1] if days else orders.past_last) - first


def expected_gap(orders: Orders, prior: int, at: int) -> int:
    """Milliseconds to be expected between two orders, as of `at`: own gaps, and the prior as two gaps more."""
    number, days = completed_gaps(orders, at)
    return (2 * prior + days * DAY) // (2 + number)


def _purchase(orders: Orders, known: Order | None, arrived: Arrived) -> Taken | str:
    event = arrived.event
    if known is not None:
        if event.revision <= known.revision:
            return DUPLICATE
        # The category stays as first told: it has set when this customer is to be won back.
        revised = replace(known, revision=event.revision, value=arrived.worth)
        return Taken(_exchanged(orders, known, revised), new=False)
    if arrived.order_mark in _marks(orders.marks):
        return DUPLICATE
    if event.at <= orders.horizon:
        return TOO_LATE
    state = (_RENEWAL if event.renewal else 0) | (int(OrderState.OFFLINE) if event.offline else 0)
    order = Order(event.order_id, event.at, arrived.day, event.revision, arrived.worth, dearest_category(event), state)
    waiting = _waiting(orders, arrived.clock)
    for early in waiting:
        if early.order_id == order.id:
            order = _refunded(order, early.value, early.mark)
    waiting = tuple(early for early in waiting if early.order_id != order.id)
    place = bisect_right([(o.at, o.id) for o in orders.recent], (order.at, order.id))
    grown = replace(
        orders,
        recent=(*orders.recent[:place], order, *orders.recent[place:]),
        early=waiting,
        day=max(orders.day, arrived.day),
    )
    return Taken(_without_oldest(_forget(_booked(grown, order, 1))), new=True)


def _without_oldest(orders: Orders) -> Orders:
    """Let the oldest order go where there are too many; the last one-off order stays, however many renewals follow."""
    known = orders.recent
    if len(known) <= MAX_ORDERS:
        return orders
    place = int(known[0] is last_order(orders))
    gone = known[place]
    orders = replace(orders, recent=(*known[:place], *known[place + 1 :]), horizon=max(orders.horizon, gone.at))
    if gone.state & _NOT_COUNTED or gone.day <= orders.past_last:
        return orders
    return replace(
        orders,
        past_days=orders.past_days + 1,
        past_first=orders.past_first or gone.day,
        past_last=gone.day,
    )


def dearest_category(event: OrderRow) -> str:
    """Category of the line of an order that costs most; the first of equals."""
    dearest = max(event.lines, key=lambda line: max(line.price, 0) * line.quantity, default=None)
    return "" if dearest is None else dearest.category


def _refunded(order: Order, worth: int, mark: bytes) -> Order:
    return replace(
        order,
        refunded=order.refunded + worth,
        refunds=(order.refunds + mark)[-MAX_REFUNDS * _MARK_BYTES :],
        state=order.state & ~_RETURNING,
    )


def _refund_mark(arrived: Arrived) -> bytes:
    """Which refund of its order it is: its revision where the shop numbers them, else its event id."""
    revision = arrived.event.revision
    return recent.digest(f"revision {revision}") if revision else arrived.event_mark


def _waiting(orders: Orders, clock: int) -> tuple[EarlyRefund, ...]:
    return tuple(early for early in orders.early if early.clock > clock - EARLY_REFUND_WAITS)


def _exchanged(orders: Orders, known: Order, changed: Order) -> Orders:
    exchanged = tuple(changed if order is known else order for order in orders.recent)
    return _forget(_booked(_booked(replace(orders, recent=exchanged), known, -1), changed, 1))


def _booked(orders: Orders, order: Order, sign: int) -> Orders:
    """The sums with an order added, or taken out again."""
    if order.state & _CANCELLED:
        return orders
    count = 0 if order.state & _RENEWAL else sign
    money = sign * max(0, order.value - order.refunded)
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
    """Drop the days that no rolling sum needs any more."""
    days, oldest = orders.days, orders.day - WINDOWS[-1]
    if not days or days[0] > oldest:
        return orders
    place = next((i for i in range(0, len(days), 3) if days[i] > oldest), len(days))
    return replace(orders, days=days[place:])


def _marks(marks: bytes) -> set[bytes]:
    return {marks[i : i + _MARK_BYTES] for i in range(0, len(marks), _MARK_BYTES)}
