"""What the demonstration counts while it runs, and the customer whose story is worth telling. Pure."""

from collections import Counter, defaultdict

import msgspec

from pipeline.log.frames import FrameKind, decode_frame
from pipeline.log.persons import customer_key
from pipeline.triggers.contract import Decision, Outcome

_decision = msgspec.json.Decoder(Decision)

ENOUGH = 5
"""Different outcomes and reasons that make a story; with more it is only longer."""


class Tally:
    """Counts of the log and of the decisions, as they come."""

    def __init__(self) -> None:
        self.events = 0
        self.clock = 0
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        """By kind, outcome and reason."""
        self._stories: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._lengths: Counter[str] = Counter()

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
        self.outcomes[decision.kind.value, decision.outcome.value, decision.reason.value] += 1
        if decision.customer_id is not None:
            self._stories[decision.site_id, decision.customer_id] |= {decision.outcome.value, decision.reason.value}

    def count(self, outcome: Outcome) -> int:
        """Decisions of an outcome."""
        return sum(number for (_, name, _), number in self.outcomes.items() if name == outcome.value)

    def story(self) -> tuple[str, str] | None:
        """`(site, customer_id)` of the customer whose story is worth telling, None for nobody.

        A trigger that was emitted and then cancelled comes before all else, then the most different outcomes and
        reasons; of several such customers the one with the fewest events.
        """

        def rank(person: tuple[str, str]) -> tuple[bool, bool, int, int, tuple[str, str]]:
            seen = self._stories[person]
            cancelled = Outcome.CANCELLED.value in seen
            emitted = Outcome.EMITTED.value in seen
            return not cancelled, not emitted, -min(len(seen), ENOUGH), self._lengths[customer_key(*person)], person

        return min(self._stories, key=rank, default=None)
