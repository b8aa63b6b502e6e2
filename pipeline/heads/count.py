"""Order count: on how many days will this customer buy within 30, 90, 180, 365 days, and for how much?

For each horizon one window runs at a time: it begins with a prediction of what is known then, and once it has ended the
purchase days in it are the label, and the next window begins. The times of prediction have nothing to do with what the
customer does, so the head learns of silent customers as they are. Who has been silent for two years is left alone until
the next order.
"""

from collections.abc import Sequence
from math import exp
from typing import Final

from msgspec.structs import replace

from pipeline.heads.count_memory import HORIZONS as HORIZONS
from pipeline.heads.count_memory import NONE, Start
from pipeline.heads.count_memory import Memory as Memory
from pipeline.heads.labelled import Labelled
from pipeline.heads.reorder import Facts
from pipeline.heads.reorder import Memory as Reorder
from pipeline.scoring.features import Input, Inputs, Prior, Ratio, Shop, Shrunk, Spec
from pipeline.scoring.hazard import DAY
from pipeline.scoring.scorer import Scorer

LONGEST_SILENCE: Final = 730
"""After a silence of so many days no further window begins."""

MAX_STARTS: Final = 32
"""Moments of a customer at which windows began that still wait; there are more than one a horizon only while the clock
is behind the orders. The oldest go first, and their windows are not learned."""

WITHIN: Final = 90 * DAY
"""For which the count is told beside a win-back; one of HORIZONS."""


SPEC: Final = Spec(
    "count",
    1,
    (
        Input("horizon", "", edges=(1, 2, 3), scaled=False),
        Input("repeats", "days with a purchase after the first: {}", edges=(1, 2, 3, 5, 9)),
        Input("silence", "days since the last purchase: {}"),
        Input("age", "days since the first purchase: {}"),
        Input("span", "days from first to last purchase: {}", zero="", scaled=False),
        Input("gap", "days between the last two purchases: {}", zero=""),
        Input("pace", "days between purchases lately: {}", zero=""),
        Input("value", "last purchase worth {} (base currency)", 100.0, zero=""),
        Input("items", "items in the last purchase: {}", zero=""),
        Input("spent", "spent in all: {} (base currency)", 100.0, zero=""),
        Input("bought", "items bought in all: {}", zero=""),
    ),
    (Shrunk("interval", "expected days between orders: {}", "span", "repeats", 2.0, "gap", share=False),),
    (Ratio("lateness", "silent for {} times the usual gap", "silence", "interval", edges=(0.25, 0.5, 1.0, 2.0, 4.0)),),
    crosses=(("lateness", "repeats"),),
    priors=(Prior("gap", "gap", 60.0), Prior("value", "value", 5_000.0)),
    moving=("horizon",),
    least=1_000,
)

WORTH: Final = 3.0
"""Purchase days that the shop's mean counts for in what a customer spends a day."""


_FARTHEST: Final = 12.0


def inputs(facts: Facts, silence: int, horizon: int) -> Inputs:
    """What the head looks at for one horizon after a silence of so many days."""
    return (
        horizon,
        max(facts.days - 1, 0),
        silence,
        facts.span + silence,
        facts.span,
        facts.gap,
        facts.pace,
        facts.value,
        facts.items,
        facts.spent,
        facts.bought,
    )


def ordered(memory: Memory, before: Reorder, after: Reorder, at: int) -> Memory:
    """Take an order at `at`, given what the reorder head held `before` and `after` it."""
    starts = _until(memory.starts, before, at)
    again = after.day_end == before.day_end  # of a day that is known: windows that begin at its end know of it as well
    starts = [start if again and start.begin > at else _known(start, before.facts) for start in starts]
    if again:
        return Memory(tuple(starts[-MAX_STARTS:]))
    starts = [_counted(start, at, 1) for start in starts]
    running = {horizon for start in starts for horizon, end in start.running() if at < end}
    found = {start.second: start for start in starts}
    for horizon in range(len(HORIZONS)):
        if horizon not in running:
            _begin(found, after.day_end, horizon, 0)
    return Memory(tuple(sorted(found.values(), key=_moment)[-MAX_STARTS:]))


def taken_back(memory: Memory, before: Reorder, after: Reorder, day_end: int) -> Memory:
    """Take back the purchase day that ended at `day_end`, given what the reorder head held `before` and `after` that.

    Windows that began with it are dropped: they are of a purchase that never was. Others count a day less.
    """
    if not after.day_end:
        return Memory()
    starts = [start for start in memory.starts if start.begin != day_end]
    return Memory(tuple([_counted(_known(start, before.facts), day_end - 1, -1) for start in starts]))


def next_label(memory: Memory) -> int:
    """The time of the log at which a label becomes known, 0 for none."""
    return min([end for start in memory.starts for _, end in start.running()], default=0)


def settle(memory: Memory, known: Reorder, clock: int) -> tuple[Memory, tuple[Labelled, ...]]:
    """The labels of all windows that have ended up to `clock`; everything before it has been read.

    `known` is what the reorder head holds: of it the next windows begin.
    """
    if not memory.starts or next_label(memory) > clock:
        return memory, ()
    left: list[Start] = []
    labels: list[Labelled] = []
    for start in _until(memory.starts, known, clock):
        counts = list(start.counts)
        for horizon, end in start.running():
            if end <= clock:
                labels.append(_label(start, horizon, end, known.facts))
                counts[horizon] = NONE
        if max(counts) != NONE:
            left.append(replace(start, counts=tuple(counts)))
    labels.sort(key=lambda label: (label.at, label.made_at))
    return Memory(tuple(left)), tuple(labels)


def mean(logit: float, calibration: tuple[float, float]) -> float:
    """The purchase days to be expected, of a score and the slope and shift of its snapshot."""
    slope, shift = calibration
    return exp(min(max(slope * logit + shift, -_FARTHEST), _FARTHEST))


def expected(means: Sequence[float], horizon: int) -> float:
    """The purchase days to be expected within `horizon` milliseconds, of those within each of HORIZONS.

    Evenly spread between two horizons; beyond the last, at its pace.
    """
    begin, below = 0, 0.0
    for end, mean in zip(HORIZONS, means, strict=True):
        above = max(mean, below)  # a longer horizon cannot have fewer
        if horizon <= end:
            return below + (above - below) * (horizon - begin) / (end - begin)
        begin, below = end, above
    return below * horizon / begin


def told(scorer: Scorer, shop: Shop, facts: Facts, silence: int, horizon: int) -> float:
    """The purchase days to be expected within `horizon` milliseconds after a silence of so many days."""
    calibration = scorer.snapshot.calibration
    rows = [inputs(facts, silence, place) for place in range(len(HORIZONS))]
    return expected([mean(logit, calibration) for logit in scorer.logits(rows, shop)], horizon)


def worth(facts: Facts, shop: Shop) -> float:
    """What a purchase day of a customer is worth, minor units: their own mean, shrunk to the shop's."""
    return (WORTH * shop["value"] + facts.spent) / (WORTH + facts.days)


def _until(starts: tuple[Start, ...], known: Reorder, at: int) -> list[Start]:
    """The windows with those that follow until `at`, each of what was known when it begins."""
    found = {start.second: start for start in starts}
    for horizon, length in enumerate(HORIZONS):
        latest = max([start.begin for start in starts if start.counts[horizon] != NONE], default=0)
        while latest and latest + length <= at:
            latest += length
            silence = max(latest - known.day_end, 0) // DAY
            if silence > LONGEST_SILENCE:
                break
            _begin(found, latest, horizon, silence)
    return sorted(found.values(), key=_moment)


def _begin(found: dict[int, Start], begin: int, horizon: int, silence: int) -> None:
    """Begin a window, beside those of the same moment where there are any."""
    second = begin // 1_000
    start = found.get(second) or Start(second, silence, _NO_COUNTS)
    found[second] = replace(start, counts=(*start.counts[:horizon], 0, *start.counts[horizon + 1 :]))


def _known(start: Start, facts: Facts) -> Start:
    """The windows with what was known when they began, before it changes."""
    return replace(start, facts=facts) if start.facts is None else start


def _counted(start: Start, at: int, more: int) -> Start:
    """The windows with a purchase day at `at` more or less in those that it falls in."""
    within = [start.begin <= at < start.begin + length for length in HORIZONS]
    counts = [
        max(count + more, 0) if here and count != NONE else count
        for here, count in zip(within, start.counts, strict=True)
    ]
    return replace(start, counts=tuple(counts))


def _label(start: Start, horizon: int, end: int, facts: Facts) -> Labelled:
    # A prediction is named by its window, as a customer has one of each horizon at a time.
    row = inputs(start.facts or facts, start.silence, horizon)
    return Labelled(f"{horizon}-{start.begin}", horizon, start.begin, end, row, start.counts[horizon])


def _moment(start: Start) -> int:
    return start.second


_NO_COUNTS: Final = (NONE,) * len(HORIZONS)
