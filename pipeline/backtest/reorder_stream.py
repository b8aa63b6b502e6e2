"""A log of orders told to the reorder head as live: labels at the end of their bins, scores by snapshots alone."""

from heapq import heappop, heappush

from pipeline.backtest.orderlog import Order
from pipeline.heads import reorder
from pipeline.heads.labelled import example_of
from pipeline.heads.reorder import BINS, Facts, Memory
from pipeline.learning.head import HeadLearner
from pipeline.learning.heads import HEADS
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import SnapshotError

SITE = "backtest"

EVERY = 200
"""Examples after which a snapshot is taken, as live."""


class Stream:
    """The head of all customers, and its learner, at one time of the log."""

    def __init__(self) -> None:
        self.memories: dict[str, Memory] = {}
        self._learner = HeadLearner(HEADS["reorder"])
        self.scorer: Scorer | None = None
        self._wakes: list[tuple[int, str]] = []
        self._number = 0
        self.refused = 0

    def order(self, order: Order) -> bool:
        """Take an order; True if it begins a purchase day of its customer."""
        self.pass_time(order.at)
        known = self.memories.get(order.person, Memory())
        self._number += 1
        taken = reorder.ordered(known, str(self._number), order.at, order.day_end, order.value, order.items)
        self.memories[order.person] = taken
        begun = taken.day_end != known.day_end
        if begun:
            heappush(self._wakes, (reorder.next_label(taken), order.person))
        return begun

    def pass_time(self, clock: int) -> None:
        """Learn all labels that are known at `clock`, in the order in which they became known."""
        while self._wakes and self._wakes[0][0] <= clock:
            wake, person = heappop(self._wakes)
            memory, labels = reorder.settle(self.memories[person], wake)
            if not labels:
                continue
            self.memories[person] = memory
            if after := reorder.next_label(memory):
                heappush(self._wakes, (after, person))
            for labelled in labels:
                self._learner.learn(example_of(labelled, "reorder", SITE, reorder.SPEC.hash))
                if self._learner.trained % EVERY == 0:
                    self._publish(wake)

    def hazards(self, facts: Facts) -> list[float]:
        """The hazards of all bins after a purchase, as the snapshot of now says; the prior's without one."""
        scorer = self.scorer
        if scorer is None:
            return list(reorder.PRIOR)
        shop = scorer.shop(SITE)
        return [scorer.probability(scorer.logit(reorder.inputs(facts, place), shop)) for place in range(BINS)]

    @property
    def examples(self) -> int:
        """Labels learned so far."""
        return self._learner.trained

    def _publish(self, clock: int) -> None:
        try:
            self.scorer = Scorer(reorder.SPEC, self._learner.snapshot(clock))
        except SnapshotError:
            self.refused += 1  # the last good one stays, as live
