"""Snapshots by hand, for tests of what the engine does with a score, and an engine that learns as it goes."""

from typing import Any

from pipeline.engine.batch import Batch
from pipeline.heads.table import SPECS
from pipeline.learning.count import CountLearner
from pipeline.learning.head import HeadLearner
from pipeline.learning.heads import COUNTS, HEADS
from pipeline.log.rows import ModelRow
from pipeline.scoring.example import Example, decode_example
from pipeline.scoring.snapshot import ANY_SITE, FORMAT, Quality, Snapshot, SnapshotError, check, encode_snapshot
from tests.engine.shop import Shop


def constant(head: str, logit: float, trained: int = 10_000, version: int = 1, **cells: float) -> Snapshot:
    """A snapshot that says the same of everybody; `cells` add to it for an input's bucket, as `bin_4=3.0`."""
    spec = SPECS[head]
    zeros = [0.0] * len(spec.numbers)
    added = [0.0] * len(spec.cells)
    for name, more in cells.items():
        feature, _, bucket = name.rpartition("_")
        added[spec.cells.index((feature,)) + int(bucket)] = more
    return Snapshot(
        FORMAT,
        head,
        version,
        spec.hash,
        trained,
        0,
        logit,
        zeros,
        zeros,
        [1.0] * len(zeros),
        added,
        (1.0, 0.0),
        {ANY_SITE: spec.start},
        Quality(),
    )


def row(snapshot: Snapshot) -> ModelRow:
    return ModelRow(snapshot.head, snapshot.version, encode_snapshot(snapshot))


class LearningShop(Shop):
    """A shop whose examples are kept, and, where it is told so, learned: snapshots come back at once."""

    def __init__(self, *args: Any, learns: bool = False, every: int = 200, **more: Any) -> None:
        self.examples: list[Example] = []
        self.snapshots: dict[tuple[str, int], Snapshot] = {}
        self.specs = SPECS
        self._learners: dict[str, HeadLearner | CountLearner] = {}
        if learns:
            self._learners |= {name: HeadLearner(head) for name, head in HEADS.items()}
            self._learners |= {name: CountLearner(head) for name, head in COUNTS.items()}
        self._every = every
        super().__init__(*args, **more)

    def commit(self) -> Batch:
        batch = super().commit()
        for _, data in batch.examples:
            example = decode_example(data)
            self.examples.append(example)
            if learner := self._learners.get(example.head):
                learner.learn(example)
                self._publish(learner, example)
        return batch

    def _publish(self, learner: HeadLearner | CountLearner, example: Example) -> None:
        name, trained = learner.spec.head, learner.trained
        if trained % self._every:
            return
        snapshot = learner.snapshot(example.at)
        try:
            check(snapshot, learner.spec)
        except SnapshotError:
            return
        self.snapshots[name, snapshot.version] = snapshot
        self.broadcast(row(snapshot))
