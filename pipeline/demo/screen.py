"""The live table of the demonstration."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.demo.tally import Tally
from pipeline.engine.outputs import rfc3339
from pipeline.triggers.contract import Outcome

_MEANING = {
    "silent": "silence for the step's length",
    "ordered": "an order closed the cart",
    "emptied": "the cart was emptied",
    "withdrawn": "the permission was withdrawn",
    "no_permission": "no permission to send messages",
    "below_min_value": "the cart is worth too little",
    "out_of_stock": "nothing left in stock",
    "restricted": "restricted products only",
    "disabled": "switched off by the policy",
    "orders_silent": "no orders come in: wait for them",
    "expired": "its time had passed",
    "bot": "a bot",
}


def screen(tally: Tally, expected: int, seconds: float) -> RenderableType:
    """The table after `seconds` of streaming a history of `expected` events."""
    rate = tally.events / seconds if seconds > 0 else 0.0
    head = Text.assemble(
        ("events in the log ", "dim"),
        f"{tally.events:,} of {expected:,}   ",
        ("events/s ", "dim"),
        f"{rate:,.0f}   ",
        ("the shop's clock ", "dim"),
        rfc3339(tally.clock)[:16].replace("T", " ") if tally.clock else "not started",
    )
    table = Table(box=None, pad_edge=False)
    for column in ("trigger", "outcome", "because"):
        table.add_column(column)
    table.add_column("number", justify="right")
    order = list(Outcome)
    for (kind, outcome, reason), number in sorted(
        tally.outcomes.items(), key=lambda entry: (entry[0][0], order.index(Outcome(entry[0][1])), -entry[1])
    ):
        style = "green" if outcome == Outcome.EMITTED else None
        table.add_row(kind, outcome, _MEANING.get(reason, reason), f"{number:,}", style=style)
    return Group(head, Text(), table)
