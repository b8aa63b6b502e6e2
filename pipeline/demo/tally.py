"""What the demonstration counts while it runs, and the people whose stories are worth telling. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection

import msgspec

from pipeline.log.frames import FrameKind, decode_frame
from pipeline.log.persons import anonymous_key, customer_key, site_of
from pipeline.triggers.contract import Decision, Kind, Outcome, Reason

_decision = msgspec.json.Decoder(Decision)

Told = tuple[Kind, Outcome, Reason]

ENOUGH = 5
"""Different decisions that make a story; with more it is only longer."""


def _person(decision: Decision) -> str | None:
    if decision.customer_id is not None:
        return customer_key(decision.site_id, decision.customer_id)
    return None if decision.anonymous_id is None else anonymous_key(decision.site_id, decision.anonymous_id)


class Tally:
    """Counts of the log and of the decisions, as they come."""

    def __init__(self) -> None:
        self.events = 0
        self.clock = 0
        self.outcomes: Counter[Told] = Counter()
        self._stories: dict[str, set[Told]] = defaultdict(set)
        self._lengths: Counter[str] = Counter()
        self._scored: dict[str, Counter[str]] = defaultdict(Counter)

    def frame(self, partition: int, data: bytes) -> None:
        """Count a record of the log. Products stand in every partition and count once."""
        frame = decode_frame(data)
        if frame.kind == FrameKind.PRODUCT and partition == 0:
            self.events += len(frame.rows)
        if frame.kind == FrameKind.EVENTS:
            self.events += len(frame.rows)
            self._lengths.update(row.person for row in frame.rows)
        for _, time in frame.marks:
            self.clock = max(self.clock, time)

    def decision(self, data: bytes) -> None:
        """Count a decision."""
        decision = _decision.decode(data)
        told = decision.kind, decision.outcome, decision.reason
        self.outcomes[told] += 1
        person = _person(decision)
        if person is not None:
            self._stories[person].add(told)
            self._scored[person].update(score.head for score in decision.scores)

    def story(self, site: str, kinds: Collection[Kind]) -> str | None:
        """Key of the person of a site whose story of these kinds is worth telling, None for nobody.

        First who got a trigger of the most kinds, then of whom the most heads said something at least twice, so that a
        score is seen to move; then whose trigger was cancelled, by an order before all, then who has the most different
        decisions; of several such people the one with the fewest events.
        """

        def rank(person: str) -> tuple[int, int, int, bool, int, int, str]:
            told = [entry for entry in self._stories[person] if entry[0] in kinds]
            emitted = {kind for kind, outcome, _ in told if outcome is Outcome.EMITTED}
            cancelled = [reason for _, outcome, reason in told if outcome is Outcome.CANCELLED]
            return (
                -len(emitted),
                -sum(times > 1 for times in self._scored[person].values()),
                -bool(cancelled),
                Reason.ORDERED not in cancelled,
                -min(len(told), ENOUGH),
                self._lengths[person],
                person,
            )

        return min((person for person in self._stories if site_of(person) == site), key=rank, default=None)
