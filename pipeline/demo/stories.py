"""The stories that the demonstration tells: what each is to show, and the words where it does not show it."""

from collections.abc import Callable
from typing import NamedTuple

from pipeline.demo.tally import Found, Tally
from pipeline.heads.cart import ENOUGH_LABELS as ENOUGH_SILENCES
from pipeline.heads.reorder import ENOUGH_LABELS as ENOUGH_GAPS
from pipeline.triggers.contract import Kind, Outcome, Timing

_BETTER = "predicts better than the shop's average"


class StoryOf(NamedTuple):
    """What a story is to show, who is found for it, and why nobody was: asked where none is, or only the nearest."""

    title: str
    find: Callable[[Tally], Found | None]
    lacking: Callable[[Tally], str]


def by_intent(site: str) -> StoryOf:
    """Scores that move as a visitor browses."""

    def lacking(tally: Tally) -> str:
        if not (emitted := _emitted(tally, Kind.PERSONALIZATION)):
            return "No page changed for a visitor in this run."
        return (
            f"No visitor's intent was seen to double within a visit of this run: of {emitted:,} changed pages, "
            f"{tally.scored[Kind.PERSONALIZATION]:,} were chosen with a score. There is none before the model has "
            f"learned of enough visits and {_BETTER}."
        )

    return StoryOf("A visitor whose intent to buy moves", lambda tally: tally.moved(site), lacking)


def by_hazard(site: str) -> StoryOf:
    """A cart reminder timed by the hazard of the cart."""

    def lacking(tally: Tally) -> str:
        return (
            f"No cart was timed by its hazard in this run: {_by_rules(tally, Kind.CART_ABANDONED)}. They hold until "
            f"the model has learned of {ENOUGH_SILENCES:,} steps in the silence of carts and {_BETTER}."
        )

    return StoryOf(
        "A cart reminder timed by the hazard of the cart",
        lambda tally: tally.timed(site, Kind.CART_ABANDONED),
        lacking,
    )


def by_due_date(site: str) -> StoryOf:
    """A win-back timed by the due date of the next order."""

    def lacking(tally: Tally) -> str:
        return (
            f"No win-back was timed by a model's due date in this run: {_by_rules(tally, Kind.WIN_BACK)}. They hold "
            f"until the model has learned of {ENOUGH_GAPS:,} steps in the time between orders and {_BETTER}, and for "
            "whom it expects no order."
        )

    return StoryOf(
        "A win-back by the due date that the model has set",
        lambda tally: tally.timed(site, Kind.WIN_BACK),
        lacking,
    )


def _by_rules(tally: Tally, kind: Kind) -> str:
    return f"{tally.timings[kind, Timing.RULES]:,} were timed by the rules"


def _emitted(tally: Tally, kind: Kind) -> int:
    return sum(number for (one, what, _), number in tally.outcomes.items() if one is kind and what is Outcome.EMITTED)
