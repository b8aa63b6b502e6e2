"""The live table of the demonstration."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.demo.tally import Tally
from pipeline.engine.outputs import rfc3339
from pipeline.explain.reasons import KINDS, reason_in_words
from pipeline.triggers.contract import Kind, Outcome, Timing

_KINDS, _OUTCOMES = list(Kind), list(Outcome)


def timings(tally: Tally) -> Text:
    """How many carts and win-backs each of the two has timed, and how many pages were chosen with a score."""
    times = tally.timings
    by_kind = [
        f"{words} {times[kind, Timing.LEARNED]:,} by the model, {times[kind, Timing.RULES]:,} by the rules"
        for kind, words in ((Kind.CART_ABANDONED, "cart reminders timed:"), (Kind.WIN_BACK, "win-backs timed:"))
    ]
    scored = f"personalizations with a score of the intent: {tally.scored[Kind.PERSONALIZATION]:,}"
    return Text("\n".join([*by_kind, scored]))


def screen(tally: Tally, expected: int, seconds: float) -> RenderableType:
    """The table after `seconds` of streaming a history of `expected` events."""
    rate = tally.events / seconds if seconds > 0 else 0.0
    head = Text.assemble(
        ("events in the log ", "dim"),
        f"{tally.events:,} of {expected:,}   ",
        ("events/s ", "dim"),
        f"{rate:,.0f}   ",
        ("the log's clock ", "dim"),
        rfc3339(tally.clock)[:16].replace("T", " ") if tally.clock else "not started",
    )
    table = Table(box=None, pad_edge=False)
    for column in ("trigger", "outcome", "because"):
        table.add_column(column)
    table.add_column("number", justify="right")
    for (kind, outcome, reason), number in sorted(
        tally.outcomes.items(), key=lambda entry: (_KINDS.index(entry[0][0]), _OUTCOMES.index(entry[0][1]), -entry[1])
    ):
        style = "green" if outcome is Outcome.EMITTED else None
        table.add_row(KINDS[kind], outcome.value, reason_in_words(kind, reason), f"{number:,}", style=style)
    return Group(head, Text(), table, Text(), timings(tally))
