"""The engine of one partition of the log: frames in, and at a commit the changed rows and outputs of all of them.

The events of a frame are folded person by person: a customer is decoded, changed and encoded again once a frame, while
it lies in the processor's cache. Between frames customers are kept as bytes: decoded ones take seven times the memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import json, msgpack

from pipeline.config.namespace import Namespace
from pipeline.config.policy import Policy, SitePolicy, decode_policy
from pipeline.engine import flow
from pipeline.engine.admission import admission
from pipeline.engine.batch import NO_SOURCE, Batch, Output
from pipeline.engine.cache import Cache
from pipeline.engine.catalogue import Catalogue
from pipeline.engine.fold import fold, forbid, lapse, settle
from pipeline.engine.intake import NO_CONSENT
from pipeline.engine.models import scorer_of
from pipeline.engine.outputs import MAX_OUTPUT_BYTES, Origin, write
from pipeline.engine.refusals import refusal
from pipeline.engine.timers import Timers
from pipeline.heads.labelled import Labelled, example_of
from pipeline.heads.table import SPECS
from pipeline.log.frames import Frame, decode_frame
from pipeline.log.persons import site_of
from pipeline.log.rejects import RefusedError, Reject, RejectReason
from pipeline.log.rows import (
    Click,
    MessageRow,
    ModelRow,
    NamespaceRow,
    PolicyRow,
    ProductRow,
    Row,
    SourceResetRow,
)
from pipeline.next_item.touch import Touch, encode_touch
from pipeline.scoring.example import encode_example
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import SnapshotError
from pipeline.state.codec import MAX_VALUE_BYTES, decode_customer, encode_customer, next_due_of
from pipeline.state.customer import NEVER, Customer, snapshot
from pipeline.state.partition import (
    CLOCK_KEY,
    NAMESPACE_KEY,
    POLICY_KEY,
    POSITION_KEY,
    Clock,
    Position,
    SiteFlow,
    decode_clock,
    decode_position,
    encode,
    model_key,
)
from pipeline.state.recent import digest
from pipeline.state.wake import due_of
from pipeline.triggers.contract import ENGINE_VERSION
from pipeline.triggers.site_now import SiteNow, Suggest, no_suggestions
from pipeline.triggers.verdict import Verdict

_BOUNDED: Final = 48 * 1024
_EVENT: Final = 2 * 1024
_LINE: Final = 4 * 1024
"""Bytes that a customer takes at most beside the cart, and that an event and a line of it add to the cart at most: what
is far from too large need not be encoded at each change to be sure of it."""

_CLICK: Final = Click  # in compiled code a constant is at hand, a global is looked up at each use
_REPORT: Final = MessageRow
_encode_touch: Final = encode_touch

Load = Callable[[bytes], bytes | None]


class PartitionEngine:
    """Folds frames of one partition, in order. `load` reads a committed row; `wakes` are the stored `(due, person)`.

    `suggest` answers from tables beside the log: what it says is told, and is no part of what the log determines.
    """

    def __init__(
        self,
        partition: int,
        load: Load,
        wakes: Iterable[tuple[int, str]],
        cache_bytes: int,
        suggest: Suggest = no_suggestions,
    ) -> None:
        self._partition = partition
        self._load = load
        self._suggest = suggest
        self._cache = Cache(cache_bytes)
        self._timers = Timers(wakes)
        stored = load(POSITION_KEY)
        self.position = Position() if stored is None else decode_position(stored)
        stored = load(CLOCK_KEY)
        self.clock = Clock() if stored is None else decode_clock(stored)
        self._sites: dict[str, SiteNow] = {}
        self._catalogue = Catalogue(load)
        self._held: dict[str, set[str]] = {}
        self._policy, self._policy_version, self._rules = Policy(), "", 0
        if (stored := load(POLICY_KEY)) is not None:
            self._set_policy(msgpack.decode(stored, type=PolicyRow))
        self._namespace: Namespace | None = None
        if (stored := load(NAMESPACE_KEY)) is not None:
            self._set_namespace(msgpack.decode(stored, type=NamespaceRow))
        self._live = True
        self._mode = ""
        self._dirty: dict[str, bytes] = {}
        self._reserved: dict[bytes, bytes] = {}
        self._outputs: list[Output] = []
        self._rejects: list[Reject] = []
        self._discarded: Counter[tuple[int, str]] = Counter()
        self._messages: Counter[tuple[str, int]] = Counter()
        self._examples: list[tuple[str, bytes]] = []
        self._touches: list[bytes] = []
        self._events = 0
        self._models: dict[str, Scorer] = {}
        for head in SPECS:
            if (stored := load(model_key(head))) is not None:
                self._set_model(msgpack.decode(stored, type=ModelRow))

    def apply(self, offset: int, data: bytes) -> None:
        """Fold the frame at `offset`. Raises FrameError where it cannot be read; nothing has changed then."""
        frame = decode_frame(data)
        self._begin(offset, frame)
        highs = self.position.highs
        people: dict[str, list[Row]] = {}
        source, high, high_sub = NO_SOURCE, -1, 0
        for row in frame.rows:
            if row.source != source:
                if source != NO_SOURCE:
                    highs[source] = high, high_sub
                source = row.source
                high, high_sub = highs.get(source, (-1, 0))
            place, sub = row.offset, row.sub
            if place < high or (place == high and sub <= high_sub):
                self._discarded[source, "resent"] += 1
                continue
            high, high_sub = place, sub
            if person := row.person:
                rows = people.get(person)
                if rows is None:
                    people[person] = [row]
                else:
                    rows.append(row)
                continue
            self._fold_people(people)
            people.clear()
            highs[source] = high, high_sub
            self._fold_broadcast(row)
            source = NO_SOURCE  # an operator's word may have been of any: read anew where it stands
        if source != NO_SOURCE:
            highs[source] = high, high_sub
        self._fold_people(people)
        if frame.beats:
            self._beat(frame)
        if frame.marks:
            self._mark(frame)
        self._events += len(frame.rows)
        self.position.offset = offset + 1

    def take(self) -> Batch:
        """Hand over what the frames since the last call changed. The caller commits it as a whole, or starts anew."""
        rows = [*self._reserved.items(), *self._catalogue.take()]
        for person, value in self._dirty.items():
            rows.append((person.encode(), value))
            self._cache.put(person, value)
        effective = bool(rows or self._outputs or self._rejects)
        self.position.timers = len(self._timers)
        self.position.engine = ENGINE_VERSION
        rows.append((CLOCK_KEY, encode(self.clock)))
        rows.append((POSITION_KEY, encode(self.position)))
        counts = self._discarded, self._messages
        told = self._outputs, self._examples, self._touches, self._rejects
        batch = Batch(rows, *told, *counts, self._events, effective)
        self._dirty, self._reserved = {}, {}
        self._outputs, self._examples, self._touches, self._rejects = [], [], [], []
        self._discarded, self._messages, self._events = Counter(), Counter(), 0
        return batch

    @property
    def pending(self) -> bool:
        """Whether anything but the position and the clock changed since the last `take`."""
        return bool(self._dirty or self._reserved or self._catalogue.changed or self._outputs or self._rejects)

    @property
    def held_sites(self) -> list[str]:
        """Sites whose orders are silent while carts wait."""
        return sorted(site for site, people in self._held.items() if people)

    def _begin(self, offset: int, frame: Frame) -> None:
        if frame.mode != self._mode:
            self._mode, self._live = frame.mode, frame.mode == "live"
            self._sites.clear()
        self._origin = Origin(self._mode, self._partition, offset, self._policy_version)

    # -- people --------------------------------------------------------------------------------------------------

    def _value(self, person: str) -> bytes | None:
        found = self._dirty.get(person) or self._cache.get(person)
        return found or self._load(person.encode())  # kept in the cache when it is written, as it mostly is

    def _fold_people(self, people: dict[str, list[Row]]) -> None:
        """Fold the events of each person, in the order in which people first appear."""
        for person, rows in people.items():
            before = self._value(person)
            customer = Customer() if before is None else decode_customer(before)
            known = due_of(customer)
            name = site_of(person)
            site = self._sites.get(name) or self._site(name)
            value: bytes | None = None
            one = len(rows) == 1  # encoded once in any case, so while what is raised still costs the event only
            room = -1 if one else MAX_VALUE_BYTES - _BOUNDED - (0 if before is None else len(before))
            for row in rows:
                kept = customer if one else snapshot(customer)
                if type(event := row.event) is not _CLICK:
                    room -= _EVENT + _LINE * len(getattr(event, "lines", ()))
                after = self._fold_event(person, customer, row, site, room)
                if after is None:
                    customer = kept  # of a single row nothing is kept
                    continue
                value = after
                if after and not one:  # now its size is known, and mostly far from too large
                    room = MAX_VALUE_BYTES - _BOUNDED - len(after)
            if value is not None:
                self.position.rows += before is None
                self._dirty[person] = value or encode_customer(customer)
                due = due_of(customer)
                now = self.clock.now
                if due and (due < known or known <= now or due <= now):  # else one is set that is no later
                    self._timers.set(person, due)

    def _fold_event(self, person: str, customer: Customer, row: Row, site: SiteNow, room: int) -> bytes | None:
        """Fold an event into its customer. Whatever is raised costs this event only; None where it has no effect.

        Returns the customer as stored, empty where it was not worked out: only one without `room` may be too large.
        """
        event, known, touched = row.event, len(self._examples), len(self._touches)
        try:
            folded = fold(customer, person, event, site)  # type: ignore[arg-type]  # rows with a person hold these
            if isinstance(folded, str):
                self._discarded[row.source, folded] += 1
                if folded != NO_CONSENT:
                    return None
                folded = forbid(customer, event, site)  # type: ignore[arg-type]
            value = b"" if room >= 0 or type(event) is _CLICK else encode_customer(customer)
            if len(value) > MAX_VALUE_BYTES:
                raise RefusedError(RejectReason.VALUE_TOO_LARGE, f"the profile would have {len(value)} bytes")
            if folded:
                self._outputs += self._write(person, customer, folded, site, row.ts)
        except RefusedError as error:
            self._reject(row, error.reason, str(error))
            del self._examples[known:], self._touches[touched:]
            return None
        except Exception as error:  # noqa: BLE001  # the stream goes on, the event is kept in rejects
            self._reject(row, RejectReason.FOLD_ERROR, f"{type(error).__name__} in the fold of {type(event).__name__}")
            del self._examples[known:], self._touches[touched:]
            return None
        if type(event) is _REPORT:
            self._messages[event.channel, event.report] += 1
        return value

    def _write(
        self, person: str, customer: Customer, verdicts: list[Verdict], site: SiteNow, caused_at: int
    ) -> list[Output]:
        outputs = [o for v in verdicts for o in write(person, customer, v, site, self._origin, caused_at)]
        for output in outputs:
            if len(output.value) > MAX_OUTPUT_BYTES:
                raise RefusedError(RejectReason.VALUE_TOO_LARGE, f"an output would have {len(output.value)} bytes")
        return outputs

    def _reject(self, row: Row, reason: RejectReason, detail: str) -> None:
        self._discarded[row.source, reason.value] += 1
        self._rejects.append(refusal(row, reason, detail, self._namespace))

    # -- time ----------------------------------------------------------------------------------------------------

    def _mark(self, frame: Frame) -> None:
        marks = self.clock.marks
        for source, time in frame.marks:
            if time > marks.get(source, 0):
                marks[source] = time
        if self._namespace is None:
            return
        now = min((marks.get(source, 0) for source in self._namespace.clocked()), default=0)
        if now > self.clock.now:
            self.clock.now = now
            self._sites.clear()
            self._fire(now)

    def _fire(self, now: int) -> None:
        """Wake all who are due, in the order of `(due, person)`."""
        due: list[tuple[int, str, bytes]] = []
        for person in self._timers.pop_due(now):
            value = self._value(person)
            if value is None or not (at := next_due_of(value)):
                continue
            if at > now:
                self._timers.set(person, at)
            else:
                due.append((at, person, value))
        due.sort()
        for _, person, value in due:
            self._wake(person, value, now)

    def _wake(self, person: str, before: bytes, now: int) -> None:
        name = site_of(person)
        site = self._site(name)
        customer, known = decode_customer(before), len(self._examples)
        try:
            outputs = self._write(person, customer, settle(customer, person, site), site, 0)
        except Exception:  # noqa: BLE001  # one person's timer must not stop everybody's
            self._discarded[NO_SOURCE, RejectReason.TIMER_ERROR.value] += 1
            customer = decode_customer(before)
            customer.next_due, customer.session_due, outputs = NEVER, NEVER, []
            del self._examples[known:]
        value, due = encode_customer(customer), due_of(customer)
        if outputs or value != before:
            self._dirty[person] = value
            self._outputs += outputs
            if due:
                self._timers.set(person, due)
        if NEVER < due <= now:  # a step is held: all else is settled
            self._hold(name, person, lapse(customer, site))

    def _hold(self, site: str, person: str, end: int) -> None:
        """Keep a held person aside until the site's orders come back, or `end`."""
        self._held.setdefault(site, set()).add(person)
        self._timers.drop(person)
        self._timers.set(person, end)

    def _beat(self, frame: Frame) -> None:
        sites = self.clock.sites
        for news in frame.beats:
            sites[news.site] = flow.beat(sites.get(news.site, SiteFlow()), news)
            if self._held.get(news.site) and not self._site(news.site).orders_silent():
                for person in self._held.pop(news.site):
                    if (value := self._value(person)) is not None and (due := next_due_of(value)):
                        self._timers.set(person, due)

    # -- what holds for everybody --------------------------------------------------------------------------------

    def _site(self, name: str) -> SiteNow:
        found = self._sites.get(name)
        if found is None:
            policy = self._policy.site(name)
            partitions = 1 if self._namespace is None else self._namespace.partitions
            found = self._sites[name] = SiteNow(
                self.clock.now,
                self._live,
                policy,
                self._silence(name, policy),
                self._catalogue.of(name),
                admission(self.clock, name, policy.ramp.max_per_minute, partitions),
                self._note,
                name,
                self._models,
                self._learner_of(name),
                self._suggest,
                self._hand_over,
                self._rules,
            )
        return found

    def _silence(self, name: str, policy: SitePolicy) -> Callable[[], bool]:
        return lambda: flow.orders_silent(self.clock.sites.get(name), policy.order.silent_after)

    def _learner_of(self, name: str) -> Callable[[str, Labelled], None]:
        def learn(head: str, labelled: Labelled) -> None:
            example = example_of(labelled, head, name, SPECS[head].hash)
            self._examples.append((labelled.id, encode_example(example)))

        return learn

    def _hand_over(self, touch: Touch) -> None:
        self._touches.append(_encode_touch(touch))

    def _note(self, reason: str) -> None:
        self._discarded[NO_SOURCE, reason] += 1

    def _fold_broadcast(self, row: Row) -> None:
        event = row.event
        if isinstance(event, ProductRow):
            self._catalogue.put(event)
        elif isinstance(event, PolicyRow):
            self._set_policy(event)
            self._reserved[POLICY_KEY] = encode(event)
            self._sites.clear()
            self._origin = self._origin._replace(policy_version=event.version)
        elif isinstance(event, NamespaceRow):
            self._set_namespace(event)
            self._reserved[NAMESPACE_KEY] = encode(event)
        elif isinstance(event, ModelRow):
            if self._set_model(event):
                self._reserved[model_key(event.head)] = encode(event)
        elif isinstance(event, SourceResetRow):
            self.position.highs.pop(event.source, None)

    def _set_policy(self, row: PolicyRow) -> None:
        self._policy, self._policy_version = decode_policy(row.body), row.version
        self._rules = int.from_bytes(digest(row.version)[:2])
        for people in self._held.values():
            for person in people:
                self._timers.set(person, self.clock.now)
        self._held.clear()

    def _set_model(self, row: ModelRow) -> bool:
        """Score a head with this snapshot from now on; one that must not be scored with leaves the last good one."""
        try:
            self._models[row.head] = scorer_of(row)
        except SnapshotError as error:
            self._note(f"model_{error.reason}")
            return False
        return True

    def _set_namespace(self, row: NamespaceRow) -> None:
        self._namespace = json.decode(row.body, type=Namespace)
        self._sites.clear()
