"""The funnel: how far a person has come, and when that lapses through time alone."""

from enum import IntEnum

from pipeline.config.durations import DAY
from pipeline.state.customer import NEVER, Customer
from pipeline.state.orders import OrderState

CUSTOMER_FOR = 365 * DAY
DECIDING_FOR = 7 * DAY
CONSIDERING_FOR = 30 * DAY


class Stage(IntEnum):
    """Funnel stages, in their order; the numbers are stored. A person may fall back."""

    AWARENESS = 1
    CONSIDERATION = 2
    DECISION = 3
    CUSTOMER = 4


def stage_at(customer: Customer, at: int) -> tuple[Stage, int]:
    """`(stage, when it lapses)` at a time; NEVER where time alone changes nothing.

    customer: an order within a year. decision: a cart with content, added to within a week. consideration:
    products looked at within 30 days. awareness: all others.
    """
    if customer.orders is not None:
        bought = next((o.at for o in reversed(customer.orders.recent) if not o.state & OrderState.CANCELLED), NEVER)
        if bought and bought + CUSTOMER_FOR > at:
            return Stage.CUSTOMER, bought + CUSTOMER_FOR
    cart = customer.cart
    if cart is not None and (cart.lines or cart.pending) and customer.cart_added + DECIDING_FOR > at:
        return Stage.DECISION, customer.cart_added + DECIDING_FOR
    if customer.interested and customer.interested + CONSIDERING_FOR > at:
        return Stage.CONSIDERATION, customer.interested + CONSIDERING_FOR
    return Stage.AWARENESS, NEVER
