"""A verdict: what a trigger decided about one step, before it is written as a decision and a message."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from pipeline.config.policy import SitePolicy
from pipeline.heads.labelled import Labelled
from pipeline.log.rows import ProductRow
from pipeline.next_item.touch import Touch
from pipeline.scoring.scorer import Scorer
from pipeline.state.cart import CartLine
from pipeline.triggers.contract import Action, Cause, Expected, Kind, Moment, Outcome, Reason, Score, Suggestion, Timing

Suggest = Callable[[str, dict[str, int], Callable[[str], bool]], tuple[Suggestion, ...]]
"""Of a site, for somebody who touched these items (scores, the last one last): what may be shown, the best first."""


def no_suggestions(_site: str, _recent: dict[str, int], _may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
    """Of tables that are not there."""
    return ()


class SiteNow(Struct, frozen=True):
    """What a trigger may know beside the person: the log's clock and the site's policy, catalogue and feeds.

    `product(sku)` is None for what the catalogue never named. `admit(kind, now)` takes one of the messages that the
    policy allows a minute, False where none is left: ask last, when all else says yes. `note(reason)` counts what an
    event was not used for. In a live log a step is decided when the clock gets there; in a replay the clock jumps, and
    a step is decided as of the moment when it was due. `rules` marks the policy: two bytes of a hash of its version.

    `models` are the snapshots to score with, by head: for one that is not there nothing has been learned yet, and rules
    hold. `learn(head, labelled)` hands over a prediction whose label is known. `name` is the site's.

    `suggest` answers from tables that are no function of the log: nothing may be decided by it, nor kept in state.
    `touch` hands over a touch of a product for those tables.
    """

    clock: int
    live: bool
    policy: SitePolicy
    orders_silent: Callable[[], bool]
    product: Callable[[str], ProductRow | None]
    admit: Callable[[Kind, int], bool] = lambda _kind, _now: True
    note: Callable[[str], None] = lambda _reason: None
    name: str = ""
    models: Mapping[str, Scorer] = {}
    learn: Callable[[str, Labelled], None] = lambda _head, _labelled: None
    suggest: Suggest = no_suggestions
    touch: Callable[[Touch], None] = lambda _touch: None
    rules: int = 0


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
