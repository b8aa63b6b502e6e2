"""Reorder hazard: when will this customer buy again?

A day of purchases starts the clock at its end; orders of one day are one purchase. One prediction is made of what is
known then, for each bin of the silence that follows. A bin that ends in silence is 0, the bin of the next purchase 1,
and either can be learned at the bin's end, not before. So a customer may have predictions of several purchases that
wait for their bins to end.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from pipeline.heads.labelled import Labelled
from pipeline.heads.reorder_memory import Facts as Facts
from pipeline.heads.reorder_memory import Memory as Memory
from pipeline.heads.reorder_memory import Prediction
from pipeline.scoring.features import Input, Inputs, Prior, Ratio, Shrunk, Spec
from pipeline.scoring.hazard import DAY, REORDER_EDGES, due_after, survival

MAX_PENDING: Final = 8
"""Predictions of a customer that wait; a purchase that finds so many is not predicted, whatever comes of it."""

BINS: Final = len(REORDER_EDGES)

ENOUGH_LABELS: Final = 2_000
"""Labels under which the due date is not relied upon."""

_BEGINS: Final = (0, *REORDER_EDGES[:-1])
_FAR: Final = 3_650 * DAY


SPEC: Final = Spec(
    "reorder",
    1,
    (
        Input("bin", "", edges=tuple(range(1, BINS)), scaled=False),
        Input("begin", "days since the last purchase: {}", scaled=False),
        Input("days", "days with a purchase: {}", edges=(2, 3, 4, 6, 10)),
        Input("span", "days from first to last purchase: {}", zero=""),
        Input("gaps", "gaps between purchases: {}", scaled=False),
        Input("gap", "days between the last two purchases: {}", zero=""),
        Input("pace", "days between purchases lately: {}", zero=""),
        Input("value", "last purchase worth {} (base currency)", 100.0, zero=""),
        Input("items", "items in the last purchase: {}", zero=""),
        Input("spent", "spent in all: {} (base currency)", 100.0, zero=""),
        Input("bought", "items bought in all: {}", zero=""),
    ),
    (Shrunk("interval", "expected days between orders: {}", "span", "gaps", 2.0, "gap", share=False),),
    (
        Ratio(
            "lateness",
            "silent for {} times the usual gap",
            "begin",
            "interval",
            edges=(0.125, 0.25, 0.5, 1.0, 2.0, 4.0),
        ),
    ),
    crosses=(("bin", "days"), ("lateness", "days")),
    priors=(Prior("gap", "gap", 60.0),),
    moving=("bin", "begin"),
    least=1_000,
)


PRIOR: Final = tuple(
    1 - 0.5 ** ((edge - begin) / (180 * DAY)) for begin, edge in zip(_BEGINS, REORDER_EDGES, strict=True)
)
"""Hazards that are believed before there is a snapshot: half of all customers are back within 180 days."""


_MOVING: Final = len(SPEC.moving)
"""The inputs that differ between the bins come first."""


def ordered(memory: Memory, prediction: str, at: int, day_end: int, value: int, items: int) -> Memory:
    """Take an order. `prediction` names what it may begin, `day_end` is the end of its day in the customer's zone.

    An order of the last purchase day is part of that purchase; so is one of an earlier day that was read late.
    """
    facts = memory.facts
    spent, bought = facts.spent + max(value, 0), facts.bought + max(items, 0)
    if memory.day_end and day_end <= memory.day_end:
        last = day_end == memory.day_end
        facts = replace(
            facts,
            value=facts.value + max(value, 0) * last,
            items=facts.items + max(items, 0) * last,
            spent=spent,
            bought=bought,
        )
        pending = memory.pending
        if last and pending and pending[-1].begin == day_end:
            newest = pending[-1]
            pending = (*pending[:-1], _unsaid(newest, max(at, newest.made_at), facts))
        return Memory(memory.day_end, facts, pending)
    gap = (day_end - memory.day_end + DAY // 2) // DAY if memory.day_end else 0  # a day may have 23 or 25 hours
    facts = Facts(
        facts.days + 1,
        facts.span + gap,
        gap,
        (facts.pace + gap) // 2 if facts.days > 1 else gap,
        max(value, 0),
        max(items, 0),
        spent,
        bought,
    )
    pending = memory.pending
    if pending and pending[-1].silence < 0:
        newest = pending[-1]
        pending = (*pending[:-1], replace(newest, silence=max(at - newest.begin, 0)))
    if len(pending) < MAX_PENDING:
        pending = (*pending, Prediction(prediction, at, day_end, facts))
    return Memory(day_end, facts, pending)


def waiting(memory: Memory) -> Prediction | None:
    """The prediction of the silence that goes on; None where there is none."""
    return memory.pending[-1] if memory.pending and memory.pending[-1].silence < 0 else None


def served(memory: Memory, log_odds: float, version: int) -> Memory:
    """Note what a snapshot says of the bin that the silence is in."""
    *before, newest = memory.pending
    return replace(memory, pending=(*before, replace(newest, served=log_odds, version=version)))


def taken_back(memory: Memory, day_end: int, worth: int) -> Memory:
    """Take back a purchase day, of which the last order, of this worth, has been cancelled: `day_end` is its end.

    What was asked of it teaches nothing any more. Where it is the last, and the bin that it fell in has not ended, the
    silence before it goes on as if it had never been; else that silence, too, teaches nothing further, and what the
    facts were before is worked out of what they are. Of an earlier day the facts keep that there was a purchase.
    """
    asked = [one for one in memory.pending if one.begin != day_end]
    ended = next((one for one in asked if one.silence >= 0 and 0 < day_end - one.begin - one.silence <= DAY), None)
    left = tuple([one for one in asked if one is not ended])
    facts = memory.facts
    if day_end != memory.day_end:
        return revalued(replace(memory, pending=left), day_end, -worth)
    if facts.days <= 1:
        return Memory()
    spent, bought = max(facts.spent - facts.value, 0), max(facts.bought - facts.items, 0)
    if ended is not None:
        earlier = replace(ended.facts, spent=spent, bought=bought)
        return Memory(ended.begin, earlier, (*left, replace(ended, silence=-1)))
    days, span = facts.days - 1, max(facts.span - facts.gap, 0)
    pace = max(2 * facts.pace - facts.gap, 0) if days > 2 else span
    value, items = spent // days, bought // days
    return Memory(day_end - facts.gap * DAY, Facts(days, span, pace, pace, value, items, spent, bought), left)


def revalued(memory: Memory, day_end: int, more: int) -> Memory:
    """Correct the facts by what an order of the day that ends at `day_end` is worth more, or less where it is negative.

    Predictions stay as made.
    """
    facts = memory.facts
    last = more if day_end == memory.day_end else 0
    spent = max(facts.spent + more, 0)
    facts = replace(facts, value=min(max(facts.value + last, 0), spent), spent=spent)
    return replace(memory, facts=facts)


def inputs(facts: Facts, place: int) -> Inputs:
    """What the head looks at for a bin of the silence after a purchase."""
    return (
        place,
        _BEGINS[place] // DAY,
        facts.days,
        facts.span,
        max(facts.days - 1, 0),
        facts.gap,
        facts.pace,
        facts.value,
        facts.items,
        facts.spent,
        facts.bought,
    )


def rows(facts: Facts) -> list[Inputs]:
    """What the head looks at for each bin of the silence after a purchase."""
    known = inputs(facts, 0)[_MOVING:]
    return [(place, begin // DAY) + known for place, begin in enumerate(_BEGINS)]  # noqa: RUF005  # is faster


def next_label(memory: Memory) -> int:
    """The time of the log at which a label becomes known, 0 for none."""
    return min([one.begin + REORDER_EDGES[one.bin] for one in memory.pending], default=0)


def settle(memory: Memory, clock: int) -> tuple[Memory, tuple[Labelled, ...]]:
    """The labels of all bins that have ended up to `clock`, by when they ended; everything before it has been read."""
    if not memory.pending or next_label(memory) > clock:
        return memory, ()
    known: list[Labelled] = []
    left: list[Prediction] = []
    for one in memory.pending:
        place, bought, said, version = one.bin, False, one.served, one.version
        while not bought and place < BINS and one.begin + REORDER_EDGES[place] <= clock:
            edge = REORDER_EDGES[place]
            bought = 0 <= one.silence < edge
            at = one.begin + edge
            row = inputs(one.facts, place)
            known.append(Labelled(one.id, place, one.made_at, at, row, int(bought), 1, said, version))
            place, said, version = place + 1, None, 0
        if not bought and place < BINS:
            left.append(replace(one, bin=place, served=said, version=version))
    known.sort(key=_moment)
    return replace(memory, pending=tuple(left)), tuple(known)


def _unsaid(one: Prediction, made_at: int, facts: Facts) -> Prediction:
    """The prediction with what is known better now: what was said of it before was not of that."""
    return replace(one, made_at=made_at, facts=facts, served=None, version=0)


def silence_of(memory: Memory, at: int) -> int:
    """Milliseconds since the end of the last purchase day."""
    return max(at - memory.day_end, 0)


GONE: Final = 90 * DAY
"""Who is less likely than not to order within this time is taken for lost, milliseconds."""

_EVEN: Final = 0.5


def within(hazards: Sequence[float], silence: int, horizon: int) -> float:
    """P(order within `horizon` milliseconds | silent for `silence`). After the last bin its hazard goes on."""
    return 1.0 - survival(_EDGES, _lengthened(hazards), silence, horizon)


def due(memory: Memory, hazards: Sequence[float], at: int) -> int | None:
    """When the chance that the customer is still silent, given the silence so far, first falls under one half."""
    after = due_after(REORDER_EDGES, hazards, silence_of(memory, at))
    return None if after is None else memory.day_end + after


def lost(memory: Memory, hazards: Sequence[float], at: int) -> int | None:
    """When a customer is to be won back, epoch milliseconds; None where no order was to be expected in the first place.

    The next order is overdue (`due`), and that one comes within GONE is less likely than not: of the customers who are
    overdue, many come anyway.
    """
    overdue = due(memory, hazards, at)
    if overdue is None:
        return None
    silence = overdue - memory.day_end
    looks = (silence, *[edge for edge in REORDER_EDGES if edge > silence])
    return memory.day_end + next((one for one in looks if within(hazards, one, GONE) < _EVEN), looks[-1])


_EDGES: Final = (*REORDER_EDGES, _FAR)


def _lengthened(hazards: Sequence[float]) -> tuple[float, ...]:
    bins = (_FAR - REORDER_EDGES[-1]) / (REORDER_EDGES[-1] - REORDER_EDGES[-2])
    return (*hazards, 1.0 - (1.0 - hazards[-1]) ** bins)


def _moment(labelled: Labelled) -> tuple[int, int]:
    return labelled.at, labelled.made_at
