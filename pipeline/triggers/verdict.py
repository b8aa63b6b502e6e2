"""A verdict: what a trigger decided about one step, before it is written as a decision and a message."""

from msgspec import Struct

from pipeline.state.cart import CartLine
from pipeline.triggers.contract import Action, Cause, Expected, Kind, Moment, Outcome, Reason, Score, Suggestion, Timing


class Verdict(Struct, frozen=True, gc=False):
    """`at`: the time of the decision. `due`: 0 where the step never came due. Lines are those of the message."""

    kind: Kind
    outcome: Outcome
    reason: Reason
    episode: str
    step: int
    at: int
    due: int = 0
    expires: int = 0
    channel: str = ""
    lines: tuple[CartLine, ...] = ()
    value: int = 0
    after_send: bool = False
    variant: str = ""
    cause: Cause | None = None
    moment: Moment | None = None
    action: Action | None = None
    scores: tuple[Score, ...] = ()
    timing: Timing | None = None
    propensity: float | None = None
    suggestions: tuple[Suggestion, ...] = ()
    expected: Expected | None = None
