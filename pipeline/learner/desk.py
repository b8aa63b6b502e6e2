"""One head at work: examples learned, snapshots cut, and the records that a transaction has to write of it. Pure."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.learner.clients import Entry
from pipeline.learner.kinds import AnySpec, learn, new_learner, resumed, stored
from pipeline.learner.records import FORMAT, Checkpoint, parts
from pipeline.learner.served import Served, ServedQuality
from pipeline.learner.shelf import HeadShelf, Kept, accepted
from pipeline.learner.spacing import spaced
from pipeline.learner.standing import Standing, judged, last_better, to_serve
from pipeline.learning.head import HeadLearner
from pipeline.learning.state import StateError
from pipeline.log.models import served_key, version_key
from pipeline.scoring.example import Example
from pipeline.scoring.snapshot import Snapshot, SnapshotError, check, encode_snapshot

logger = logging.getLogger(__name__)


class Cadence(NamedTuple):
    """When a snapshot is cut: after so many examples of a head, or so many seconds after the first of fewer."""

    examples: int = 200
    seconds: float = 5.0


class Desk:
    """A head with what the topic holds of it. Equal examples in equal order give equal snapshots, also after a restart.

    Raises UserError where another release wrote its state.
    """

    def __init__(self, spec: AnySpec, shelf: HeadShelf, checkpoint: Checkpoint | None, cadence: Cadence) -> None:
        self.name = spec.spec.head
        self._spec = spec
        self._cadence = cadence
        self._kept = dict(shelf.kept)
        self._uncommitted: list[int] = []
        self._gone: set[int] = set()
        self._dirty = self._cut = False
        self.served = shelf.served
        self.pin = 0
        self.pinned(shelf.pin)
        self._learner = new_learner(spec)
        self._at = self._fresh = 0
        self._since: float | None = None
        self.standing = Standing()
        self._outcomes = Served()
        if checkpoint is not None:
            self._resume(checkpoint)
        newest = max([*self._kept, shelf.served.snapshot.version if shelf.served else 0])
        self._learner.version = max(self._learner.version, newest)

    @property
    def trained(self) -> int:
        """Examples learned."""
        return self._learner.trained

    @property
    def newest(self) -> Kept | None:
        """The newest version, served or not."""
        return self._kept[max(self._kept)] if self._kept else None

    @property
    def served_quality(self) -> ServedQuality | None:
        """How good what was served turned out to be; None of a head that counts, and before the first example."""
        return self._outcomes.quality()

    @property
    def due(self) -> bool:
        """Whether there is anything that must be written now: that a snapshot was cut, or another one to serve."""
        return self._cut or self._to_publish() is not None

    def learn(self, example: Example, now: float) -> str:
        """Learn; `now` is a monotonic clock, seconds. Empty, or why it was refused: `spec` or `invalid`."""
        if example.spec != self._spec.spec.hash:
            return "spec"
        rate = self._learner.rate if isinstance(self._learner, HeadLearner) else None
        if not learn(self._learner, example):
            return "invalid"
        if rate is not None:
            self._outcomes.take(example, rate)
        self._at = max(self._at, example.at)
        if not self._fresh:
            self._since = now
        self._fresh += 1
        self._dirty = True
        return ""

    def cut_if_due(self, now: float, published: int) -> str:
        """Cut a snapshot where it is time. `published`: epoch milliseconds. Empty, or why the snapshot is refused."""
        if not self._fresh:
            return ""
        if self._since is None:  # what was fresh before a restart waits as long again
            self._since = now
        if self._fresh < self._cadence.examples and now - self._since < self._cadence.seconds:
            return ""
        learned, self._fresh = self._fresh, 0
        self._dirty = self._cut = True  # it calibrates and takes a version: a restart must not cut it again
        snapshot = self._learner.snapshot(self._at)
        try:
            check(snapshot, self._spec.spec)
        except SnapshotError as error:
            if error.reason == "few":
                return ""
            if error.reason != "loss":  # of that one the standing tells
                logger.error("head %s learns anew: %s", self.name, error)
                self._learner = new_learner(self._spec)
                self._learner.version = snapshot.version
                return error.reason
        self._put(snapshot, learned, published)
        return ""

    def pinned(self, version: int) -> None:
        """Serve this version from now on; 0: the newest again. One that is not kept is not served."""
        if version and version not in self._kept:
            logger.warning("head %s: version %d is pinned but not kept: the newest is served", self.name, version)
            version = 0
        self.pin = version

    def entries(self) -> Iterator[Entry]:
        """The records that make what was done since the last `committed` durable."""
        if self._dirty:
            state = stored(self._learner)
            yield from parts(Checkpoint(FORMAT, self.name, self._at, self._fresh, self.standing, state))
        for version in self._uncommitted:
            yield version_key(self.name, version), self._kept[version].body
        if (choice := self._to_publish()) is not None:
            yield served_key(self.name), choice.body
        for version in sorted(self._gone):
            yield version_key(self.name, version), None

    def committed(self) -> None:
        """What `entries` gave is in the topic."""
        self.served = self._to_publish() or self.served
        self._uncommitted.clear()
        self._gone.clear()
        self._dirty = self._cut = False

    def _put(self, snapshot: Snapshot, learned: int, published: int) -> None:
        before = self.standing
        self.standing = judged(before, learned, snapshot.quality, accepted(self._kept, self._spec.spec))
        if self.standing.back != before.back:
            told = f"version {self.standing.back} is served again" if self.standing.back else "the newest is served"
            logger.warning("head %s: loss against the base rate: %s", self.name, told)
        self._kept[snapshot.version] = Kept(snapshot, encode_snapshot(snapshot), published)
        self._uncommitted.append(snapshot.version)
        self._drop(published)

    def _drop(self, now: int) -> None:
        """Keep some of every age, what is served, pinned or gone back to, and the last that is good."""
        better = last_better(accepted(self._kept, self._spec.spec))
        ages = spaced({version: kept.published for version, kept in self._kept.items()}, now)
        needed = {*ages, self.pin, self.standing.back, better}
        needed |= {self.served.snapshot.version} if self.served else set()
        for version in self._kept.keys() - needed:
            del self._kept[version]
            if version in self._uncommitted:
                self._uncommitted.remove(version)
            else:
                self._gone.add(version)

    def _to_publish(self) -> Kept | None:
        """What is to be served and is not."""
        choice = self._kept.get(to_serve(self.standing, max(self._kept, default=0), self.pin))
        if choice is None or (self.served is not None and self.served.body == choice.body):
            return None
        return choice

    def _resume(self, checkpoint: Checkpoint) -> None:
        try:
            self._learner = resumed(self._spec, checkpoint.state)
        except StateError as error:  # this release looks at other features
            logger.warning("%s", error)
            return
        self._at, self._fresh, self.standing = checkpoint.at, checkpoint.fresh, checkpoint.standing
