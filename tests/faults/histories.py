"""Histories for faults: a simulated shop over 200 days that ended some days ago, whole or in parts."""

import json
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise

import msgspec

from pipeline.config.durations import DAY
from pipeline.replay.history import History, Span, simulated
from pipeline.replay.publish import SETTLE
from pipeline.simulator.happening import CATALOG, Happening
from pipeline.simulator.parameters import COMES_BACK_WITHIN, Figures, Habits, SimulatedShop
from tests.oracle.cart_oracle import Input

LASTS = 200 * DAY
"""Long enough that customers come back, or have to be won back."""
_ENCODE = msgspec.json.Encoder().encode


def a_shop(sessions: int, seed: int, lasts: int = LASTS, conversion: float = 0.05) -> History:
    """A simulated shop as the oracle knows it: nobody forbids collecting, nothing is ever out of stock.

    Much is bought, and much of that in a later visit, so that reminders have to be taken back. It ended so recently
    that some triggers may still be used, and so long ago that the clock may go on for SETTLE. Its days begin at
    midnight, so it is the same all day long.
    """
    today = time.time_ns() // 1_000_000 // DAY * DAY
    shop = SimulatedShop(
        seed=seed,
        sessions=sessions,
        customers=sessions // 5,
        start_ms=today - SETTLE - DAY - COMES_BACK_WITHIN - lasts,
        duration_ms=lasts,
        figures=Figures(conversion=conversion),
        habits=Habits(known_visits=0.8, grants_email=0.95, withdraws=0.01, allows_profile=1, bought_later=0.6),
    )
    history = simulated(shop)

    def tell() -> Iterator[Happening]:
        for happening in history.tell():
            if happening.topic == CATALOG:
                event = msgspec.structs.replace(happening.event, stock=9)
                yield happening._replace(event=event)
            else:
                yield happening

    return history._replace(tell=tell)


def part(history: History, first: int, last: int) -> History:
    """The happenings of a history whose times are in `[first, last)`."""
    times = [h.at_ms for h in history.tell() if first <= h.at_ms < last]

    def tell() -> Iterator[Happening]:
        return (h for h in history.tell() if first <= h.at_ms < last)

    return History(history.name, Span(len(times), times[0], times[-1]), tell)


def slices(history: History, count: int) -> list[History]:
    """The history in `count` parts of about as many moments; none parts happenings of one time."""
    times = sorted({h.at_ms for h in history.tell()})
    cuts = [times[len(times) * i // count] for i in range(1, count)]
    bounds = [times[0], *cuts, times[-1] + 1]
    return [part(history, a, b) for a, b in pairwise(bounds) if a < b]


def inputs(happenings: Iterable[Happening]) -> list[Input]:
    """Happenings as the oracle takes them."""
    return [(h.topic, json.loads(_ENCODE(h.event)), h.at_ms) for h in happenings]
