"""The funnel: how far a person has come, and when that lapses through time alone."""

from enum import IntEnum
from typing import Final

from pipeline.config.durations import DAY
from pipeline.state.customer import NEVER, Customer
from pipeline.state.orders import OrderState

CUSTOMER_FOR: Final = 365 * DAY
DECIDING_FOR: Final = 7 * DAY
CONSIDERING_FOR: Final = 30 * DAY


class Stage(IntEnum):
    """Funnel stages, in their order; the numbers are stored. A person may fall back."""

    AWARENESS = 1
    CONSIDERATION = 2
    DECISION = 3
    CUSTOMER = 4


_AWARENESS: Final = Stage.AWARENESS
_CONSIDERATION: Final = Stage.CONSIDERATION
_DECISION: Final = Stage.DECISION
_CUSTOMER: Final = Stage.CUSTOMER
_CANCELLED: Final = int(OrderState.CANCELLED)


def stage_at(customer: Customer, at: int, *, filled: bool) -> tuple[Stage, int]:
    """`(stage, when it lapses)` at a time, for a person whose cart has content or not; NEVER where it never lapses.

    customer: an order within a year. decision: a cart with content, added to within a week. consideration:
    products looked at within 30 days. awareness: all others.
    """
    if customer.orders is not None:
        for order in reversed(customer.orders.recent):
            if not order.state & _CANCELLED:
                if (lapses := order.at + CUSTOMER_FOR) > at:
                    return _CUSTOMER, lapses
                break
    if filled and (lapses := customer.cart_added + DECIDING_FOR) > at:
        return _DECISION, lapses
    if customer.interested and (lapses := customer.interested + CONSIDERING_FOR) > at:
        return _CONSIDERATION, lapses
    return _AWARENESS, NEVER
