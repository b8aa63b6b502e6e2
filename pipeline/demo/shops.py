"""The shops of the demonstration: what they are, and of whom a story is told."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pipeline.demo.stories import StoryOf, by_due_date, by_hazard, by_intent
from pipeline.replay import complete_journey
from pipeline.replay.complete_journey import HOUSEHOLDS, read_complete_journey
from pipeline.replay.datasets import CONSENT_SHARE, read_dataset
from pipeline.replay.history import History, ending_with, merged, simulated
from pipeline.replay.rows import CURRENCY as LOG_CURRENCY
from pipeline.replay.truth import write_truth
from pipeline.simulator.catalogue import CURRENCY
from pipeline.simulator.parameters import SimulatedShop

SESSIONS = 12_000

_NO_CONSENTS = f"It knows no consents: {CONSENT_SHARE:.0%} of its customers get a synthetic one to email"
_ONSITE = f"{_NO_CONSENTS}, and {CONSENT_SHARE:.0%}, drawn anew, one to personalization on site."


class Shops(NamedTuple):
    """What is streamed: one history, the base currency of each site, whose stories are told, and words about it."""

    history: History
    currencies: dict[str, str]
    stories: tuple[StoryOf, ...]
    words: tuple[str, ...]


def two_shops(truth: Path) -> Shops:
    """The simulated shop, whose hidden truth goes to a file, and a year of Complete Journey that ends with its week."""
    shop = SimulatedShop(sessions=SESSIONS)
    week = simulated(shop)
    year = ending_with(read_complete_journey(consent_share=CONSENT_SHARE), week)
    lines = write_truth(shop, truth)
    return Shops(
        merged(year, week),
        {week.name: CURRENCY, year.name: complete_journey.CURRENCY},
        (by_due_date(year.name), by_intent(week.name), by_hazard(week.name)),
        (
            "Two shops at once, moved to one epoch:",
            f"- {week.name}: a simulated shop, {week.span.events:,} events of about a week, {SESSIONS:,} visits.",
            f"  Its hidden truth, {lines:,} lines, is in {truth}.",
            f"- {year.name}: the tills of {HOUSEHOLDS} real households, {year.span.events:,} events of a year that "
            "ends with that week.",
            f"  {_NO_CONSENTS}. It has no clicks and no carts, and none are made up.",
            *_skipped(year, "lines of the till"),
        ),
    )


def one_log(file: Path) -> Shops:
    """A public log. Raises UserError where it cannot be read."""
    log = read_dataset(file)
    return Shops(
        log,
        {log.name: LOG_CURRENCY},
        (by_due_date(log.name), by_intent(log.name), by_hazard(log.name)),
        (
            f"A real log of the shape {log.name}: {log.span.events:,} events.",
            _ONSITE,
            *_skipped(log, "lines"),
        ),
    )


def _skipped(history: History, of: str) -> list[str]:
    """How much is left out, with the reasons that stand for most of it."""
    if not history.skipped:
        return []
    reasons = Counter(skipped.reason for skipped in history.skipped).most_common(3)
    return [
        f"  {len(history.skipped):,} {of} are left out: "
        + ", ".join(f"{reason} ({number:,})" for reason, number in reasons)
        + "."
    ]
