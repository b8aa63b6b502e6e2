"""What a trigger may know beside the person: the log's clock, and what holds for a whole site."""

from collections.abc import Callable

from pipeline.config.policy import SitePolicy
from pipeline.heads.labelled import Labelled
from pipeline.log.rows import ProductRow
from pipeline.next_item.touch import Touch
from pipeline.scoring.scorer import Scorer
from pipeline.triggers.cart_steps import grain_of
from pipeline.triggers.contract import Kind, Suggestion

Suggest = Callable[[str, dict[str, int], Callable[[str], bool]], tuple[Suggestion, ...]]
"""Of a site, for somebody who touched these items (scores, the last one last): what may be shown, the best first."""


def no_suggestions(_site: str, _recent: dict[str, int], _may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
    """Of tables that are not there."""
    return ()


class SiteNow:
    """A site at a moment of the log.

    `product(sku)` is None for what the catalogue never named. `admit(kind, now)` takes one of the messages that the
    policy allows a minute, False where none is left: ask last, when all else says yes. `note(reason)` counts what an
    event was not used for. In a live log a step is decided when the clock gets there; in a replay the clock jumps, and
    a step is decided as of the moment when it was due. `rules` marks the policy: two bytes of a hash of its version.

    `models` are the snapshots to score with, by head: for one that is not there nothing has been learned yet, and rules
    hold. `learn(head, labelled)` hands over a prediction whose label is known. `name` is the site's.

    `suggest` answers from tables that are no function of the log: nothing may be decided by it, nor kept in state.
    `touch` hands over a touch of a product for those tables.

    Of the policy, what is asked at every event is at hand: `permission`, the `grain` of activity and the `half_life` of
    affinities, milliseconds.
    """

    __slots__ = (
        "admit",
        "clock",
        "grain",
        "half_life",
        "learn",
        "live",
        "models",
        "name",
        "note",
        "orders_silent",
        "permission",
        "policy",
        "product",
        "rules",
        "suggest",
        "touch",
    )

    def __init__(
        self,
        clock: int,
        live: bool,
        policy: SitePolicy,
        orders_silent: Callable[[], bool],
        product: Callable[[str], ProductRow | None],
        admit: Callable[[Kind, int], bool] = lambda _kind, _now: True,
        note: Callable[[str], None] = lambda _reason: None,
        name: str = "",
        models: dict[str, Scorer] | None = None,
        learn: Callable[[str, Labelled], None] = lambda _head, _labelled: None,
        suggest: Suggest = no_suggestions,
        touch: Callable[[Touch], None] = lambda _touch: None,
        rules: int = 0,
    ) -> None:
        self.clock = clock
        self.live = live
        self.policy = policy
        self.orders_silent = orders_silent
        self.product = product
        self.admit = admit
        self.note = note
        self.name = name
        self.models = {} if models is None else models
        self.learn = learn
        self.suggest = suggest
        self.touch = touch
        self.rules = rules
        self.permission = policy.permission
        self.grain = grain_of(policy.cart)
        self.half_life = int(policy.taste.half_life)
