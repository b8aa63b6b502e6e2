"""Runs histories through framing and folding without Kafka, in as many ways as the real thing might.

A history is split into source partitions, each in the order of its records; polls take from them at random; what a
poll gives is framed as ingest does it; frames are folded as a worker does it, with commits and crashes at random.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from pipeline.config.durations import DAY, Millis
from pipeline.config.namespace import CLOCKED_SOURCES, DECISIONS, Mode, Namespace, new_namespace
from pipeline.config.policy import CartPolicy, OrderPolicy, PermissionPolicy, Policy, SitePolicy, encode_policy
from pipeline.engine.outputs import Output
from pipeline.engine.partition import PartitionEngine
from pipeline.ingest.framing import Framer
from pipeline.ingest.watermarks import Watermarks
from pipeline.log.frames import Beat, decode_frame
from pipeline.log.persons import anonymous_key, customer_key
from pipeline.log.rejects import Reject
from pipeline.state.codec import decode_customer, encode_customer, next_due_of
from pipeline.state.partition import RESERVED
from tests.oracle.cart_oracle import Input, Rules, millis

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

    def decisions(self) -> list[dict[str, Any]]:
        return [json.loads(output.value) for output in self.outputs if output.topic == DECISIONS]

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


def _clock(time: int, at: int) -> tuple[int, bytes | None, bytes, int]:
    return time, None, json.dumps({"type": "clock", "at": at}).encode(), at


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
    """Poll, frame, and write the log.

    `poll` is how many records a poll takes at most, from sources at random. With `skew`, no source is read further
    ahead of the slowest than so many milliseconds. With `resend`, a poll may begin again where an earlier one began.
    """
    framer = Framer(namespace, "test", 1024)
    watermarks = Watermarks(0)
    log: Frames = [[] for _ in range(namespace.partitions)]
    beats: dict[str, Beat] = {}
    rejects: list[Reject] = []
    control = namespace.sources.index(msgspec.convert([CONTROL, 0], type(namespace.sources[0])))

    def write(polled: dict[int, list[Any]]) -> None:
        framed = framer.frame(polled.items(), None)
        rejects.extend(framed.rejects)
        for partition, data in framed.frames:
            log[partition].append(data)
        for news in framed.beats:
            known = beats.get(news.site, Beat(news.site, 0, 0, 0))
            beats[news.site] = Beat(
                news.site, max(known.activity, news.activity), max(known.order, news.order), known.orders + news.orders
            )
        if marks := watermarks.from_clocks(framed.clocks):
            tick = framer.tick(marks, [beats[site] for site in sorted(beats)])
            beats.clear()
            for frames in log:
                frames.append(tick)

    write(
        {
            control: [
                Record(0, 0, b"namespace", msgspec.json.encode(namespace)),
                Record(1, 0, b"policy", encode_policy(policy)),
            ]
        }
    )
    read = dict.fromkeys((number for number, source in sources.items() if source), 0)
    while left := {number for number, at in read.items() if at < len(sources[number])}:
        if resend and random.random() < resend:
            back = random.choice(sorted(read))
            read[back] = random.randint(0, read[back])
            left.add(back)
        limit = None
        if skew is not None:
            limit = min(sources[n][read[n]][0] for n in left) + skew
        polled: dict[int, list[Any]] = {}
        room = random.randint(1, poll)
        for number in random.sample(sorted(left), random.randint(1, len(left)) if poll < 1000 else len(left)):
            source, start = sources[number], read[number]
            stop = min(len(source), start + room)
            if limit is not None:
                while stop > start and source[stop - 1][0] > limit:
                    stop -= 1
            if stop > start:
                polled[number] = [Record(i, t, k, v) for i, (t, k, v, _) in enumerate(source[start:stop], start)]
                read[number] = stop
                room -= stop - start
            if room <= 0:
                break
        if polled:
            write(polled)
    return log, rejects


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
                run.discarded.update(batch.discarded)
                if crash and random.random() < crash:
                    engine = opened()
        run.stores.append(store)
    return run


def test_namespace(partitions: int = 2) -> Namespace:
    return new_namespace("test", Mode.TEST, partitions)


test_namespace.__test__ = False  # type: ignore[attr-defined]


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
        if kinds == {"emitted", "cancelled"} and last["reason"] in CLOSING:
            told[trigger] = ("closed", last["episode"], last["step"], last["due_at"])
        elif kinds == {"suppressed"} and last["reason"] in CLOSING and last.get("due_at"):
            told[trigger] = ("closed", last["episode"], last["step"], last["due_at"])
        else:
            told[trigger] = found
    return told


def rows_of(log: Frames) -> int:
    return sum(len(decode_frame(data).rows) for frames in log for data in frames)


Judged = Callable[[Run], None]
CLOCKED = CLOCKED_SOURCES
