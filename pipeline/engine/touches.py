"""What is handed over of a touched product, for the tables of the next item: after which others, not by whom."""

from itertools import islice
from typing import Final

from pipeline.heads.intent import Session, knows
from pipeline.log.rows import Line
from pipeline.next_item.touch import MAX_BEFORE, Touch
from pipeline.profile.tastes import bought_lately
from pipeline.state.customer import Customer
from pipeline.state.tastes import Tastes
from pipeline.triggers.site_now import SiteNow

_touch: Final = Touch  # in compiled code a constant is at hand, a global is looked up at each use


def hand_over(
    customer: Customer, known: Tastes | None, session: Session | None, lines: tuple[Line, ...], site: SiteNow
) -> None:
    """Hand over a touch of each product of an event that profile and session have taken; `known` is from before it.

    Those touched before it in the visit are the last of the affinities, which are in the order of the last touch: as
    many as the session counts, and on down to the first that it does not know: it may count two as one. What was bought
    since is not among them any more. Of two products of one event the later stands after the earlier, so that a visit
    pairs them once.
    """
    tastes = customer.tastes
    latest: tuple[str, ...] = ()
    if tastes is not None and session is not None and len(tastes.items) > 1:
        latest = tuple(islice(reversed(tastes.items), MAX_BEFORE + 1))
        reach = session.items.bit_count() + len(lines) - 1
        while reach < len(latest) and knows(session, latest[reach]):
            reach += 1
        latest = latest[:reach] if reach > 1 else ()
    if len(lines) > 1:
        lines = tuple({line.sku: line for line in lines}.values())
    for line in lines:
        item, category = line.sku, line.category
        if not category and (product := site.product(item)) is not None:
            category = product.category
        place = latest.index(item) + 1 if item in latest else 0  # what is long ago tells nothing of one touched anew
        before = latest[place : place + MAX_BEFORE]
        new = tastes is not None and item in tastes.items and (known is None or _is_new(item, known))
        site.touch(_touch(site.name, item, category, before, new))


def _is_new(item: str, known: Tastes) -> bool:
    """Whether a person with these affinities has touched an item never, as far as they go."""
    return item not in known.items and not bought_lately(known, item)
