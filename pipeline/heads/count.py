"""Order count: on how many days will this customer buy within 30, 90, 180, 365 days, and for how much?

For each horizon one window runs at a time: it begins with a prediction of what is known then, and once it has ended the
purchase days in it are the label, and the next window begins. The times of prediction have nothing to do with what the
customer does, so the head learns of silent customers as they are. Who has been silent for two years is left alone until
the next order.
"""

from collections.abc import Sequence
from math import exp

from msgspec import Struct
from msgspec.structs import replace

from pipeline.heads.labelled import Labelled
from pipeline.heads.reorder import Facts
from pipeline.heads.reorder import Memory as Reorder
from pipeline.scoring.features import Input, Inputs, Prior, Ratio, Shop, Shrunk, Spec
from pipeline.scoring.hazard import DAY

HORIZONS = (30 * DAY, 90 * DAY, 180 * DAY, 365 * DAY)

LONGEST_SILENCE = 730
"""After a silence of so many days no further window begins."""

MAX_WINDOWS = 64
"""Windows of a customer; there is more than one a horizon only while the clock is behind the orders."""


class Window(Struct, frozen=True, array_like=True, gc=False):
    """A prediction for one horizon, of what was known at `begin`, until the window has ended.

    `silence` was that of the customer at `begin`, days; `count` is the purchase days in the window so far.
    """

    horizon: int
    begin: int
    facts: Facts
    silence: int
    count: int = 0
    version: int = 0

    @property
    def end(self) -> int:
        """When the window ends, epoch milliseconds."""
        return self.begin + HORIZONS[self.horizon]


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """The windows of a customer that run, or that have ended after the clock; those of a horizon by time."""

    windows: tuple[Window, ...] = ()


SPEC = Spec(
    "count",
    1,
    (
        Input("horizon", "horizon {}", edges=(1, 2, 3), scaled=False),
        Input("repeats", "bought again on {} days", edges=(1, 2, 3, 5, 9)),
        Input("silence", "silent for {} days"),
        Input("age", "customer for {} days"),
        Input("span", "{} days from first to last purchase", scaled=False),
        Input("gap", "{} days between the last two purchases"),
        Input("pace", "lately {} days between purchases"),
        Input("value", "last purchase worth {}", 100.0),
        Input("items", "{} items in the last purchase"),
        Input("spent", "{} spent in all", 100.0),
        Input("bought", "{} items in all"),
    ),
    (Shrunk("interval", "every {} days", "span", "repeats", 2.0, "gap", share=False),),
    (Ratio("lateness", "silent for {} times the usual gap", "silence", "interval", edges=(0.25, 0.5, 1.0, 2.0, 4.0)),),
    crosses=(("lateness", "repeats"),),
    priors=(Prior("gap", "gap", 60.0), Prior("value", "value", 5_000.0)),
)

WORTH = 3.0
"""Purchase days that the shop's mean counts for in what a customer spends a day."""


_FARTHEST = 12.0


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
    windows = list(_until(memory.windows, before, at))
    if after.day_end == before.day_end:
        return Memory(tuple(windows))
    for place, window in enumerate(windows):
        if window.begin <= at < window.end:
            windows[place] = replace(window, count=window.count + 1)
    running = {window.horizon for window in windows if at < window.end}
    windows += [
        Window(horizon, after.day_end, after.facts, 0) for horizon in range(len(HORIZONS)) if horizon not in running
    ]
    return Memory(tuple(windows[:MAX_WINDOWS]))


def next_label(memory: Memory) -> int:
    """The time of the log at which a label becomes known, 0 for none."""
    return min([window.end for window in memory.windows], default=0)


def settle(memory: Memory, known: Reorder, clock: int) -> tuple[Memory, tuple[Labelled, ...]]:
    """The labels of all windows that have ended up to `clock`; everything before it has been read.

    `known` is what the reorder head holds: of it the next windows begin.
    """
    if not memory.windows or next_label(memory) > clock:
        return memory, ()
    windows = _until(memory.windows, known, clock)
    labels = [_label(window) for window in windows if window.end <= clock]
    labels.sort(key=lambda label: (label.at, label.made_at))
    return Memory(tuple(window for window in windows if window.end > clock)), tuple(labels)


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


def worth(facts: Facts, shop: Shop) -> float:
    """What a purchase day of a customer is worth, minor units: their own mean, shrunk to the shop's."""
    return (WORTH * shop["value"] + facts.spent) / (WORTH + facts.days)


def _until(windows: tuple[Window, ...], known: Reorder, at: int) -> tuple[Window, ...]:
    """The windows with those that follow until `at`, each of what was known when it begins."""
    found = list(windows)
    last = {window.horizon: window for window in windows}
    for horizon, window in last.items():
        latest = window
        while latest.end <= at:
            silence = max(latest.end - known.day_end, 0) // DAY
            if silence > LONGEST_SILENCE:
                break
            latest = Window(horizon, latest.end, known.facts, silence)
            found.append(latest)
    return tuple(found)


def _label(window: Window) -> Labelled:
    # A prediction is named by its window, as a customer has one of each horizon at a time.
    row = inputs(window.facts, window.silence, window.horizon)
    name = f"{window.horizon}-{window.begin}"
    return Labelled(name, window.horizon, window.begin, window.end, row, window.count, 1.0, None, window.version)
