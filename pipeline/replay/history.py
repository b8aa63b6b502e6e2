"""A history: happenings in time order that can be told again and again, and what is known of them beforehand."""

from collections.abc import Callable, Iterator
from heapq import merge
from itertools import chain, islice
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.config.durations import DAY
from pipeline.config.errors import UserError
from pipeline.simulator.happening import Happening
from pipeline.simulator.parameters import SimulatedShop
from pipeline.simulator.shop import simulate

WEEK = 7 * DAY


class Span(NamedTuple):
    """The extent of a history; times in epoch milliseconds."""

    events: int
    first_ms: int
    last_ms: int


class Skipped(NamedTuple):
    """A line of a file that could not be read. `line` counts from 1, the header included."""

    line: int
    reason: str


class History(NamedTuple):
    """A history. Each call of `tell` yields the same happenings, in time order."""

    name: str
    span: Span
    tell: Callable[[], Iterator[Happening]]
    skipped: tuple[Skipped, ...] = ()


def shifted(history: History, by_ms: int) -> History:
    """The same history, `by_ms` milliseconds later; ids stay as they are."""

    def tell() -> Iterator[Happening]:
        for at, topic, key, event in history.tell():
            yield Happening(at + by_ms, topic, key, replace(event, occurred_at=at + by_ms))

    span = history.span
    return history._replace(span=Span(span.events, span.first_ms + by_ms, span.last_ms + by_ms), tell=tell)


def ending_with(history: History, other: History) -> History:
    """The same history, moved by whole weeks so that it ends as near as can be to the end of another.

    So the hours of the day and the days of the week stay what they were.
    """
    return shifted(history, round((other.span.last_ms - history.span.last_ms) / WEEK) * WEEK)


def merged(*histories: History) -> History:
    """Several histories of one epoch as one, by time; what happened at one moment stays in their order."""

    def tell() -> Iterator[Happening]:
        return merge(*(history.tell() for history in histories), key=lambda happening: happening.at_ms)

    spans = [history.span for history in histories]
    return History(
        " and ".join(history.name for history in histories),
        Span(
            sum(span.events for span in spans),
            min(span.first_ms for span in spans),
            max(span.last_ms for span in spans),
        ),
        tell,
        tuple(chain.from_iterable(history.skipped for history in histories)),
    )


def simulated(shop: SimulatedShop, limit: int | None = None) -> History:
    """The history of a simulated shop, or its first `limit` events.

    The shop is simulated once here to learn its span, and again at each telling. Raises UserError where its figures
    contradict each other or `limit` leaves nothing.
    """

    def tell() -> Iterator[Happening]:
        return islice(simulate(shop), limit)

    events, first_ms, last_ms = 0, shop.start_ms, shop.start_ms
    for happening in tell():
        events += 1
        last_ms = happening.at_ms
    if not events:
        raise UserError("the simulated shop has no events: raise --limit")
    return History(shop.site_id, Span(events, first_ms, last_ms), tell)
