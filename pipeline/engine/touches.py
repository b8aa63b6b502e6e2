"""What is handed over of a touched product, for the tables of the next item: after which others, not by whom."""

from pipeline.heads.intent import Session, knows
from pipeline.log.rows import Line
from pipeline.next_item.touch import MAX_BEFORE, Touch
from pipeline.state.customer import Customer
from pipeline.triggers.verdict import SiteNow


def hand_over(customer: Customer, session: Session | None, lines: tuple[Line, ...], site: SiteNow) -> None:
    """Hand over a touch of each product of an event that profile and session have taken.

    Those touched before it in the visit are the last of the affinities, which are in the order of the last touch: as
    many as the session counts, and on down to the first that it does not know: it may count two as one. What was bought
    since is not among them any more.
    """
    tastes = customer.tastes
    reach = 0 if tastes is None or session is None else session.items.bit_count() + len(lines) - 1
    names: tuple[str, ...] = ()
    if tastes is not None and session is not None and len(tastes.items) > 1:
        names = tuple(tastes.items)
        while reach < len(names) and reach <= MAX_BEFORE and knows(session, names[-1 - reach]):
            reach += 1
        if reach <= 1:
            names = ()
        elif reach > MAX_BEFORE:
            reach = MAX_BEFORE + 1
    for line in lines:
        item, category = line.sku, line.category
        if not category and (product := site.product(item)) is not None:
            category = product.category
        if not names:
            before = names
        elif names[-1] == item:  # as of one product, not touched long ago
            before = names[-2 : -1 - reach : -1]
        else:
            before = tuple([name for name in names[: -1 - reach : -1] if name != item])[:MAX_BEFORE]
        site.touch(Touch(site.name, item, category, before))
