"""Whether a site's orders have gone silent while its visitors have not: then nobody knows who bought, so we wait."""

from statistics import median
from typing import Final

from pipeline.log.frames import Beat
from pipeline.state.partition import SiteFlow

MAX_GAPS: Final = 15
SILENT_GAPS: Final = 10
"""Orders are silent after this many times their median gap, but not before the policy's shortest silence."""


def beat(flow: SiteFlow, news: Beat) -> SiteFlow:
    """Enter a beat. One that brings nothing newer changes nothing, so that a repeated beat does no harm.

    The orders of a beat are taken as evenly spread since the newest before, or since its oldest where none was known.
    """
    first, activity, order, gaps = flow.first_activity, flow.activity, flow.order, flow.gaps
    if news.activity > activity:
        activity = news.activity
        first = first or news.activity
    if news.order > order:
        number = news.orders if order else news.orders - 1
        if number > 0 and (order or news.since):
            gaps = (*gaps, *[(news.order - (order or news.since)) // number] * min(number, MAX_GAPS))[-MAX_GAPS:]
        order = news.order
    return SiteFlow(first, activity, order, gaps)


def orders_silent(flow: SiteFlow | None, shortest: int) -> bool:
    """Whether activity has gone on for too long without an order. Before the first order, `shortest` is the limit."""
    if flow is None or not flow.activity:
        return False
    usual = int(median(flow.gaps)) if flow.gaps else 0
    return flow.activity - (flow.order or flow.first_activity) >= max(shortest, SILENT_GAPS * usual)
