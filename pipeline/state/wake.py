"""When the clock must look at a customer: a time that may be early, never late."""

from pipeline.state.customer import Customer


def wake_by(customer: Customer, due: int) -> None:
    """Have the clock wake a customer at `due` at the latest; NEVER changes nothing."""
    if due:
        known = customer.next_due
        if not known or due < known:
            customer.next_due = due
