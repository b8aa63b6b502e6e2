"""Runs histories through framing and folding without Kafka, in as many ways as the real thing might.

A history is split into source partitions, each in the order of its records; polls take from them at random; what a
poll gives is framed as ingest does it; frames are folded as a worker does it, with commits and crashes at random.
"""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from pipeline.config.durations import DAY, Millis
from pipeline.config.namespace import DECISIONS, Mode, Namespace, new_namespace
from pipeline.config.policy import CartPolicy, OrderPolicy, PermissionPolicy, Policy, SitePolicy, encode_policy
from pipeline.engine.batch import Output
from pipeline.engine.outputs import rfc3339
from pipeline.engine.partition import PartitionEngine
from pipeline.ingest.framing import Framer
from pipeline.ingest.watermarks import Watermarks
from pipeline.log.frames import Beat, join
from pipeline.log.persons import anonymous_key, customer_key
from pipeline.log.rejects import Reject
from pipeline.state.codec import decode_customer, encode_customer, next_due_of
from pipeline.state.partition import RESERVED
from pipeline.triggers.contract import Kind
from tests.oracle.cart_oracle import Expected, Input, Rules, millis

NEVER_SILENT = Millis(3650 * DAY)
CLOSING = ("ordered", "emptied", "withdrawn")
CONTROL = "pipeline.control"


class Record(NamedTuple):
    """A record as a Kafka consumer returns it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


Source = list[tuple[int, bytes | None, bytes, int]]
"""Records to be: time, key, value, and the time up to which their events reach back."""

Frames = list[list[bytes]]
"""The log: frames by partition, in order."""


class Run(NamedTuple):
    """What folding a log gave. Outputs are in the order of each partition, one partition after the other."""

    outputs: list[Output]
    rejects: list[Reject]
    discarded: Counter[str]
    stores: list[dict[bytes, bytes]]

    def decisions(self, kind: Kind = Kind.CART_ABANDONED) -> list[dict[str, Any]]:
        return [json.loads(o.value) for o in self.outputs if o.topic == DECISIONS and o.kind is kind]

    def people(self) -> dict[str, bytes]:
        return {
            key.decode(): value for store in self.stores for key, value in store.items() if not key.startswith(RESERVED)
        }


def policy_of(rules: Rules, currency: str = "EUR", **order: Any) -> Policy:
    """The policy that says what the oracle's rules say."""
    cart = CartPolicy(
        steps=tuple(Millis(step) for step in rules.steps),
        min_value=rules.min_value,
        expires_after=Millis(rules.expires_after),
        offline_lag=Millis(rules.offline_lag),
    )
    order_policy = OrderPolicy(**{"silent_after": NEVER_SILENT} | order)
    return Policy({"*": SitePolicy(currency=currency, cart=cart, order=order_policy, permission=PermissionPolicy())})


def person_of(event: Mapping[str, Any]) -> str:
    if event.get("customer_id") is not None:
        return customer_key(event["site_id"], event["customer_id"])
    return anonymous_key(event["site_id"], event["anonymous_id"])


def sources_of(namespace: Namespace, history: Iterable[Input]) -> dict[int, Source]:
    """Part a history by source partition. It is in the order in which the records are written."""
    ids = {(source.topic, source.partition): number for number, source in enumerate(namespace.sources)}
    sources: dict[int, Source] = {number: [] for number in ids.values()}
    for topic, event, time in history:
        key = (event["item_id"] if topic == "shop.catalog" else person_of(event)).encode()
        number = ids[topic, crc32(key) % namespace.partitions]
        sources[number].append((time, key, json.dumps(event).encode(), min(millis(event["occurred_at"]), time)))
    return sources


def with_clocks(namespace: Namespace, sources: dict[int, Source], random: Random, share: float, end: int) -> None:
    """Put clock records into each clocked source at random places, none later than what follows; the last at `end`."""
    for number in namespace.clocked():
        source, told, reach, clock = sources[number], [], end, 0
        reaches = []
        for *_, back in reversed(source):
            reach = min(reach, back)
            reaches.append(reach)
        for (time, key, value, back), reach in zip(source, reversed(reaches), strict=True):
            if reach - 1 > clock and random.random() < share:
                clock = random.choice((reach - 1, random.randint(clock + 1, reach - 1)))
                told.append(_clock(time, clock))
            told.append((time, key, value, back))
        told.append(_clock(end, end))
        sources[number] = told


def with_ticks(
    namespace: Namespace,
    sources: dict[int, Source],
    random: Random,
    every: int,
    span: tuple[int, int],
    end: int,
    lag: int = 0,
) -> None:
    """Put a clock record into each clocked source every so often in `span`, as a replay does, and the last at `end`.

    `lag` is how late an event may be written. Now and then one is left out.
    """
    for number in namespace.clocked():
        ticks = [_clock(at, at - lag) for at in range(*span, every) if random.random() < 0.9]
        sources[number] = [*heapq.merge(sources[number], ticks, key=lambda record: record[0]), _clock(end, end)]


def _clock(time: int, at: int) -> tuple[int, bytes | None, bytes, int]:
    return time, None, json.dumps({"type": "clock", "at": at}).encode(), at


class LogWriter:
    """Frames polls and writes the log, as ingest does."""

    def __init__(self, namespace: Namespace, policy: Policy) -> None:
        self.log: Frames = [[] for _ in range(namespace.partitions)]
        self.rejects: list[Reject] = []
        self._framer = Framer(namespace, "test", 1024)
        self._watermarks = Watermarks(0)
        self._beats: dict[str, Beat] = {}
        control = next(number for number, source in enumerate(namespace.sources) if source.topic == CONTROL)
        self.write(
            {
                control: [
                    Record(0, 0, b"namespace", msgspec.json.encode(namespace)),
                    Record(1, 0, b"policy", encode_policy(policy)),
                ]
            }
        )

    def write(self, polled: dict[int, list[Any]]) -> None:
        framed = self._framer.frame(polled.items(), None)
        self.rejects.extend(framed.rejects)
        for partition, data in framed.frames:
            self.log[partition].append(data)
        for news in framed.beats:
            known = self._beats.get(news.site)
            self._beats[news.site] = news if known is None else join(known, news)
        if marks := self._watermarks.from_clocks(framed.clocks):
            tick = self._framer.tick(marks, [self._beats[site] for site in sorted(self._beats)])
            self._beats.clear()
            for frames in self.log:
                frames.append(tick)


def polls(
    sources: dict[int, Source], random: Random, poll: int, skew: int | None = None, resend: float = 0.0
) -> Iterator[dict[int, list[Any]]]:
    """Poll the sources at random until all is read, at most `poll` records at a time.

    With `skew`, no source is read further ahead of the slowest than so many milliseconds. With `resend`, a source may
    be read again from some earlier record on.
    """
    read = {number: 0 for number, source in sources.items() if source}
    while left := sorted(number for number, at in read.items() if at < len(sources[number])):
        if random.random() < resend:
            back = random.choice(sorted(read))
            read[back] = random.randint(0, read[back])
        limit = None if skew is None else min(sources[n][read[n]][0] for n in left) + skew
        polled: dict[int, list[Any]] = {}
        room = random.randint(1, poll)
        for number in random.sample(left, len(left)):
            source, start = sources[number], read[number]
            stop = min(len(source), start + room)
            while limit is not None and stop > start and source[stop - 1][0] > limit:
                stop -= 1
            if stop > start:
                polled[number] = [Record(i, t, k, v) for i, (t, k, v, _) in enumerate(source[start:stop], start)]
                read[number], room = stop, room - (stop - start)
            if room <= 0 or (poll < 1_000 and random.random() < 0.5):
                break
        if polled:
            yield polled


def build_log(
    namespace: Namespace,
    policy: Policy,
    sources: dict[int, Source],
    random: Random,
    *,
    poll: int,
    skew: int | None = None,
    resend: float = 0.0,
) -> tuple[Frames, list[Reject]]:
    """Poll, frame, and write the log."""
    writer = LogWriter(namespace, policy)
    for polled in polls(sources, random, poll, skew, resend):
        writer.write(polled)
    return writer.log, writer.rejects


def fold_log(
    log: Frames,
    random: Random,
    *,
    commit: float = 0.2,
    crash: float = 0.0,
    lose: float = 0.0,
    cache: int = 1_000_000,
    check: bool = False,
) -> Run:
    """Fold a log. `crash`: chance that the engine is opened anew after a commit; `lose`: before it, so that the
    frames since the last commit are folded again. `check`: every value must come back from its bytes as it was."""
    run = Run([], [], Counter(), [])
    for partition, frames in enumerate(log):
        store: dict[bytes, bytes] = {}

        def opened(store: dict[bytes, bytes] = store, partition: int = partition) -> PartitionEngine:
            wakes = [
                (due, key.decode())
                for key, value in store.items()
                if not key.startswith(RESERVED) and (due := next_due_of(value))
            ]
            random.shuffle(wakes)
            return PartitionEngine(partition, store.get, wakes, cache)

        engine = opened()
        lost = 0
        offset = 0
        while offset < len(frames):
            engine.apply(offset, frames[offset])
            offset += 1
            if lose and lost < 50 and random.random() < lose:
                lost += 1
                engine = opened()
                offset = engine.position.offset
                continue
            if offset == len(frames) or random.random() < commit:
                batch = engine.take()
                for key, value in batch.rows:
                    store[key] = value
                    if check and not key.startswith(RESERVED):
                        assert encode_customer(decode_customer(value)) == value
                run.outputs.extend(batch.outputs)
                run.rejects.extend(batch.rejects)
                for (_, reason), number in batch.discarded.items():
                    run.discarded[reason] += number
                if crash and random.random() < crash:
                    engine = opened()
        run.stores.append(store)
    return run


NAMESPACE = new_namespace("test", Mode.TEST, 2)


def wrongly_due(run: Run, expected: Mapping[str, Expected]) -> list[str]:
    """Decisions whose step came due at another time than the oracle says."""
    return [
        f"{decision['episode']} step {decision['step']}: due {decision['due_at']}, not {rfc3339(want.due_ms)}"
        for decision in run.decisions()
        if decision.get("due_at")
        and (want := expected.get(decision["trigger_id"])) is not None
        and not want.verdict.startswith("never")
        and decision["due_at"] != rfc3339(want.due_ms)
    ]


def outcomes(run: Run) -> dict[str, Any]:
    """What became of each trigger, told alike for all framings.

    Whether a closing was known when a step came due changes its form: emitted and cancelled, or suppressed.
    """
    got: dict[str, list[dict[str, Any]]] = {}
    for decision in run.decisions():
        del decision["log_offset"]
        if decision["outcome"] != "held":
            got.setdefault(decision["trigger_id"], []).append(decision)
    told: dict[str, Any] = {}
    for trigger, found in got.items():
        kinds = {decision["outcome"] for decision in found}
        last = found[-1]
        closed = kinds == {"emitted", "cancelled"} or (kinds == {"suppressed"} and last.get("due_at"))
        if closed and last["reason"] in CLOSING:
            told[trigger] = ("closed", last["episode"], last["step"], last["due_at"])
        else:
            told[trigger] = found
    return told
