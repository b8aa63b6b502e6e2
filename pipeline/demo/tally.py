"""What the demonstration counts while it runs, and the people whose stories are worth telling. Pure."""

from collections import Counter, defaultdict
from typing import NamedTuple

import msgspec

from pipeline.explain.decisions import at_of
from pipeline.heads.intent import GAP
from pipeline.log.frames import FrameKind, decode_frame
from pipeline.log.persons import anonymous_key, customer_key, site_of
from pipeline.triggers.contract import Decision, Kind, Outcome, Reason, Timing, Trigger

_decision = msgspec.json.Decoder(Decision)
_trigger = msgspec.json.Decoder(Trigger)

Told = tuple[Kind, Outcome, Reason]

ENOUGH = 5
"""Different decisions that make a story; with more it is only longer."""
LOOKS = 4
"""Scores of one visit from which it is said that they moved."""
MOVED = 4
"""Times the lowest chance that the highest has to be; a chance that moves further is no better story."""
LEAST_CHANCE = 0.001
"""What lies below counts as this: twice of almost nothing is no move."""


class Found(NamedTuple):
    """The key of a person; `wanted` says whether the story holds what it is told for, or is only the nearest to it."""

    person: str
    wanted: bool


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
        self.timings: Counter[tuple[Kind, Timing]] = Counter()
        self.scored: Counter[Kind] = Counter()
        """Decisions with a score of a model."""
        self._learned: dict[Kind, set[str]] = defaultdict(set)
        self._visits: dict[str, list[list[float]]] = defaultdict(list)
        self._seen: dict[str, int] = {}

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
        self.scored[decision.kind] += bool(decision.scores)
        person = _person(decision)
        if person is not None:
            self._stories[person].add(told)
            self._look(person, decision)

    def trigger(self, data: bytes) -> None:
        """Count a record of a topic of triggers by what set its time; a cancellation has none."""
        trigger = _trigger.decode(data).data
        if trigger.timing is None:
            return
        self.timings[trigger.kind, trigger.timing] += 1
        if trigger.timing is Timing.LEARNED and trigger.customer_id is not None:
            self._learned[trigger.kind].add(customer_key(trigger.site_id, trigger.customer_id))

    def moved(self, site: str) -> Found | None:
        """Whose pages changed while the intent to buy moved within a visit, as far as can be, in the fewest events."""

        def rank(person: str) -> tuple[int, int, str]:
            visits = [chances for chances in self._visits.get(person, ()) if len(chances) >= LOOKS]
            times = max((int(max(visit) / max(min(visit), LEAST_CHANCE)) for visit in visits), default=0)
            return -min(times, MOVED), self._lengths[person], person

        best = min(self._emitted(site, Kind.PERSONALIZATION), key=rank, default=None)
        return None if best is None else Found(best, wanted=rank(best)[0] <= -2)

    def timed(self, site: str, kind: Kind) -> Found | None:
        """Who got a trigger of this kind: first whose was timed by a model, then whose was cancelled.

        By an order before all; then who has the most different decisions; of several the one with
        the fewest events.
        """

        def rank(person: str) -> tuple[bool, bool, bool, int, int, str]:
            told = [entry for entry in self._stories[person] if entry[0] is kind]
            cancelled = [reason for _, outcome, reason in told if outcome is Outcome.CANCELLED]
            return (
                person not in self._learned[kind],
                Reason.ORDERED not in cancelled,
                not cancelled,
                -min(len(told), ENOUGH),
                self._lengths[person],
                person,
            )

        best = min(self._emitted(site, kind), key=rank, default=None)
        return None if best is None else Found(best, wanted=best in self._learned[kind])

    def _look(self, person: str, decision: Decision) -> None:
        """Note the intent that a decision tells, with those of the same visit."""
        for score in decision.scores:
            if score.head != "intent":
                continue
            at, before = at_of(decision.at), self._seen.get(person)
            if before is None or at - before >= GAP:
                self._visits[person].append([])
            self._visits[person][-1].append(score.probability)
            self._seen[person] = at

    def _emitted(self, site: str, kind: Kind) -> list[str]:
        """The people of a site who got a trigger of this kind."""
        return [
            person
            for person, told in self._stories.items()
            if site_of(person) == site and any(one is kind and what is Outcome.EMITTED for one, what, _ in told)
        ]
