"""When the clock must look at a customer: a time that may be early, never late."""

from pipeline.state.customer import Customer


def due_of(customer: Customer) -> int:
    """When the clock must wake a customer, NEVER for not at all."""
    return earlier(customer.next_due, customer.session_due)


def earlier(one: int, other: int) -> int:
    """The earlier of two times, of which either may be NEVER."""
    return other if other and (not one or other < one) else one


def wake_by(customer: Customer, due: int) -> None:
    """Have the clock wake a customer at `due` at the latest; NEVER changes nothing."""
    if due:
        known = customer.next_due
        if not known or due < known:
            customer.next_due = due
