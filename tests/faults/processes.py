"""A stage for faults: a namespace on a real broker, and the real processes on it, killed, paused and started anew."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from pipeline.config.durations import DAY, HOUR, MINUTE, Millis
from pipeline.config.namespace import (
    CHANGELOG,
    CLOCKED_SOURCES,
    DECISIONS,
    LOG,
    REJECTS,
    TRIGGER_KINDS,
    Mode,
    trigger_topic,
)
from pipeline.config.policy import ANY_SITE, CartPolicy, OrderPolicy, Policy, SitePolicy
from pipeline.config.settings import Settings
from pipeline.ingest.control import policy_record
from pipeline.kafka.clients import connection, reader
from pipeline.kafka.topics import CONTROL, apply, read_namespace
from pipeline.local.ports import free_port
from pipeline.log.frames import decode_frame
from pipeline.log.rejects import Reject
from pipeline.replay.history import History, Span, simulated
from pipeline.replay.pace import RealTime
from pipeline.replay.publish import publish
from pipeline.serve.valkey import ValkeyProcess, start_valkey
from pipeline.simulator.happening import CATALOG, Happening
from pipeline.simulator.parameters import Habits, SimulatedShop
from pipeline.state.partition import CLOCK_KEY, POSITION_KEY, decode_clock, decode_position
from tests.oracle.cart_oracle import Input, Rules, expect, judge

ROOT = Path(__file__).parents[2]
SESSION = 6.0
"""Seconds: the shortest session timeout that a broker allows by default."""
STEPS = (30 * MINUTE, 4 * HOUR, 24 * HOUR)
SETTLE = 4 * DAY
_ENCODE = msgspec.json.Encoder().encode


def patient(steps: tuple[int, ...] = STEPS, silent_after: int = 10_000 * DAY) -> Policy:
    """A policy that the oracle knows all of: orders never count as silent."""
    site = SitePolicy(
        cart=CartPolicy(steps=tuple(map(Millis, steps))), order=OrderPolicy(silent_after=Millis(silent_after))
    )
    return Policy({ANY_SITE: site})


def a_shop(sessions: int, seed: int = 1, **changes: Any) -> History:
    """A day of a simulated shop as the oracle knows it: nobody forbids collecting, nothing is ever out of stock."""
    habits = Habits(known_visits=0.8, grants_email=0.95, withdraws=0.01, allows_profile=1)
    shop = SimulatedShop(
        **{"seed": seed, "sessions": sessions, "customers": sessions, "duration_ms": DAY, "habits": habits} | changes
    )
    history = simulated(shop)

    def tell() -> Iterator[Happening]:
        for happening in history.tell():
            if happening.topic == CATALOG:
                event = msgspec.structs.replace(happening.event, stock=9)
                yield happening._replace(event=event)
            else:
                yield happening

    return history._replace(tell=tell)


def part(history: History, first: int, last: int) -> History:
    """The happenings of a history whose times are in `[first, last)`."""
    times = [h.at_ms for h in history.tell() if first <= h.at_ms < last]

    def tell() -> Iterator[Happening]:
        return (h for h in history.tell() if first <= h.at_ms < last)

    return History(history.name, Span(len(times), times[0], times[-1]), tell)


def slices(history: History, count: int) -> list[History]:
    """The history in `count` parts of about as many moments; none parts happenings of one time."""
    times = sorted({h.at_ms for h in history.tell()})
    cuts = [times[len(times) * i // count] for i in range(1, count)]
    bounds = [times[0], *cuts, times[-1] + 1]
    return [part(history, a, b) for a, b in pairwise(bounds) if a < b]


def inputs(happenings: Iterable[Happening]) -> list[Input]:
    """Happenings as the oracle takes them."""
    return [(h.topic, json.loads(_ENCODE(h.event)), h.at_ms) for h in happenings]


class Process:
    """A process of the pipeline, started as a user would; its standard error goes to a file."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self.log = log
        self.exits: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        assert not self.running()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=dict(self._environment), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """As a power cut: SIGKILL, also of a paused one."""
        self.signal(signal.SIGKILL)
        self._ended(10)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def stop(self, patience: float = 20) -> int:
        """SIGTERM, and the exit code. One that does not end is killed and fails the test."""
        self.signal(signal.SIGTERM)
        try:
            return self._ended(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {patience} s of SIGTERM") from None

    def _ended(self, patience: float) -> int:
        assert self.process is not None
        code = self.process.wait(patience)
        self.process = None
        return code

    def exited(self) -> int | None:
        """Exit code of a process that ended by itself since the last look."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self.exits.append(code)
        self.process = None
        return code

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Standing(NamedTuple):
    """Where the partitions of the log stand, by number."""

    positions: dict[int, int]
    clocks: dict[int, int]
    ends: dict[int, int]

    def at_end(self, clock: int) -> bool:
        return all(
            self.positions.get(p) == end and self.clocks.get(p, 0) >= clock and end > 0 for p, end in self.ends.items()
        )


@dataclass
class Feed:
    """A history on its way into the namespace, in a thread of its own."""

    thread: threading.Thread
    errors: list[BaseException] = field(default_factory=list)

    def flowing(self) -> bool:
        return self.thread.is_alive()

    def join(self, timeout: float = 120) -> None:
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the feed did not end"
        if self.errors:
            raise self.errors[0]


class Stage:
    """A namespace, its processes, and what they wrote. Ends all of them when it is left."""

    def __init__(
        self, settings: Settings, folder: Path, policy: Policy, mode: Mode = Mode.TEST, **environment: str
    ) -> None:
        self.settings = settings
        self.name = settings.namespace.name
        self.policy = policy
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.processes: list[Process] = []
        self.redis: ValkeyProcess | None = None
        self.published: list[Happening] = []
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "PIPELINE_"))} | {
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
            "PIPELINE_NAMESPACE_NAME": self.name,
            "PIPELINE_TOPICS_PARTITIONS": str(settings.topics.partitions),
            "PIPELINE_WORKER_SESSION_TIMEOUT": "6s",
            "PIPELINE_WORKER_STALL_TIMEOUT": "30s",
            **environment,
        }
        asyncio.run(apply(settings, mode))
        self.say_policy(policy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            if process.running():
                process.kill()
            tail = "\n".join(process.text().splitlines()[-40:])
            print(f"--- {process.name}, exits {process.exits}\n{tail}")  # noqa: T201  # shown where the test has failed
        if self.redis is not None:
            self.redis.stop()

    # -- processes -----------------------------------------------------------------------------------------------

    def start(self, name: str, what: str, module: str = "pipeline", **environment: str) -> Process:
        """Start `python -m pipeline <what>`, or another module of the tests in its place."""
        command = [sys.executable, "-m", module, *([what] if module == "pipeline" else [])]
        own = {"PIPELINE_WORKER_DATA_DIR": str(self.folder / name)} | environment
        process = Process(name, command, self._environment | own, self.folder / f"{name}.log")
        self.processes.append(process)
        return process.start()

    def worker(self, name: str = "worker", module: str = "pipeline", **environment: str) -> Process:
        return self.start(name, "worker", module, **environment)

    def ingest(self, name: str = "ingest", module: str = "pipeline", **environment: str) -> Process:
        return self.start(name, "ingest", module, **environment)

    def serve(self, name: str = "serve", **environment: str) -> Process:
        """Start `pipeline serve`; all of a stage share one Valkey."""
        if self.redis is None:
            self.restart_redis()
        return self.start(name, "serve", **environment)

    def restart_redis(self) -> None:
        """Start a Valkey that holds nothing, on the port of the one before, which is killed."""
        port = free_port() if self.redis is None else self.redis.port
        if self.redis is not None:
            self.redis.kill()
        self.redis = start_valkey(port)
        self._environment["REDIS_URL"] = self.redis.url

    def tend(self) -> None:
        """What a supervisor does: start again what ended by itself."""
        for process in self.processes:
            if process.exited() is not None:
                process.start()

    # -- what goes in --------------------------------------------------------------------------------------------

    def say_policy(self, policy: Policy) -> None:
        self.policy = policy
        key, value = policy_record(policy)
        self.send([(CONTROL, 0, key, value, None)])

    def send(self, records: Iterable[tuple[str, int, bytes | None, bytes | None, int | None]]) -> None:
        """Write records `(topic, partition, key, value, time)` as they are."""

        async def write() -> None:
            producer = AIOKafkaProducer(
                **connection(self.settings.kafka), max_request_size=12 * 1024 * 1024, max_batch_size=12 * 1024 * 1024
            )
            await producer.start()
            try:
                for topic, partition, key, value, time_ms in records:
                    batch = producer.create_batch()  # unlike `send`, it takes a record without key and value
                    assert batch.append(key=key, value=value, timestamp=time_ms)
                    await producer.send_batch(batch, f"{self.name}.{topic}", partition=partition)
                await producer.flush()
            finally:
                await producer.stop()

        asyncio.run(write())

    def publish(self, history: History, settle_ms: int = 0, speed: float | None = None) -> None:
        """Write a history, with clock records up to `settle_ms` after its last event."""
        pace = RealTime(speed) if speed else None
        asyncio.run(publish(self.settings, history, settle_ms=settle_ms, pace=pace))
        self.published += history.tell()

    def feed(self, history: History, seconds: float, settle_ms: int = SETTLE) -> Feed:
        """Write a history over so many seconds, from a thread."""
        span = history.span
        speed = (span.last_ms - span.first_ms) / 1000 / seconds

        def run() -> None:
            try:
                self.publish(history, settle_ms, speed)
            except BaseException as error:  # noqa: BLE001  # `join` raises it
                feed.errors.append(error)

        feed = Feed(threading.Thread(target=run, daemon=True))
        feed.thread.start()
        return feed

    # -- what came out -------------------------------------------------------------------------------------------

    def records(self, topic: str, isolation: str = "read_committed") -> list[ConsumerRecord]:
        """All records of a topic of the namespace, partition by partition."""
        return asyncio.run(self._records(f"{self.name}.{topic}", isolation))

    async def _records(self, topic: str, isolation: str) -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(
            **connection(self.settings.kafka), isolation_level=isolation, auto_offset_reset="earliest"
        )
        await consumer.start()
        found: list[ConsumerRecord] = []
        try:
            places = [TopicPartition(topic, p) for p in range(self.settings.topics.partitions)]
            ends = await consumer.end_offsets(places)
            for place in places:
                consumer.assign([place])
                await consumer.seek_to_beginning(place)
                while await consumer.position(place) < ends[place]:
                    for batch in (await consumer.getmany(timeout_ms=300)).values():
                        found += [record for record in batch if record.offset < ends[place]]
        finally:
            await consumer.stop()
        return found

    def decisions(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.records(DECISIONS)]

    def triggers(self) -> list[dict[str, Any]]:
        """Of all kinds."""
        topics = [trigger_topic(kind) for kind in TRIGGER_KINDS]
        return [json.loads(record.value) for topic in topics for record in self.records(topic)]

    def rejects(self) -> list[Reject]:
        """What was refused; without the notes of what was replayed."""
        records = [record.value for record in self.records(REJECTS)]
        return [msgspec.json.decode(value, type=Reject) for value in records if b'"reason"' in value]

    def standing(self) -> Standing:
        """Positions and clocks as committed, and the log's ends."""

        async def look() -> Standing:
            async with _Watcher(self) as watcher:
                return await watcher.look()

        return asyncio.run(look())

    def settle(self, clock: int, timeout: float = 60, tending: bool = True) -> float:
        """Wait until each partition stands at the log's end, with its clock at `clock`. Returns the seconds."""
        return self.wait(lambda standing: standing.at_end(clock), timeout, tending)

    def wait(self, until: Callable[[Standing], bool], timeout: float = 60, tending: bool = True) -> float:
        started = time.monotonic()

        async def watch() -> float:
            async with _Watcher(self) as watcher:
                while True:
                    standing = await watcher.look()
                    seconds = time.monotonic() - started
                    if until(standing):
                        return seconds
                    assert seconds < timeout, f"after {timeout} s {standing}, {self.shown()}"
                    if tending:
                        self.tend()
                    await asyncio.sleep(0.25)

        return asyncio.run(watch())

    def publish_and_ingest(self, history: History, patience: float = 10) -> None:
        """Write a history, and wait until ingest has written it to the log: until the log comes to rest."""
        before = last = self.standing().ends
        self.publish(history)
        until = time.monotonic() + patience
        while (now := self.standing().ends) == before or now != last:
            assert time.monotonic() < until, f"from {before} to {now}"
            last = now
            time.sleep(1)

    def shown(self) -> str:
        return ", ".join(f"{p.name} {'runs' if p.running() else 'is down'} {p.exits}" for p in self.processes)

    def unread(self) -> list[str]:
        """Places of source records, clock records apart, that are neither in the log nor in rejects."""
        namespace = asyncio.run(read_namespace(self.settings))
        there = {(reject.topic, reject.partition, reject.offset) for reject in self.rejects()}
        for record in self.records(LOG):
            for row in decode_frame(record.value).rows:
                there.add((*msgspec.structs.astuple(namespace.sources[row.source]), row.offset))
        return [
            f"{topic}-{record.partition}-{record.offset}"
            for topic in CLOCKED_SOURCES
            for record in self.records(topic)
            if b'"clock"' not in (record.value or b"")[:20] and (topic, record.partition, record.offset) not in there
        ]

    # -- the judgement -------------------------------------------------------------------------------------------

    def rules(self) -> Rules:
        cart = self.policy.site(ANY_SITE).cart
        return Rules(tuple(map(int, cart.steps)), cart.min_value, int(cart.expires_after), int(cart.offline_lag))

    def judge(self, clock: int, some: int = 10, verify: bool = True) -> list[dict[str, Any]]:
        """Everything decided once, and carts as the oracle says; verify agrees, and so does Redis where it is served.

        Returns the decisions.
        """
        decisions, triggers = self.decisions(), self.triggers()
        twice = doubled(d["decision_id"] for d in decisions) + doubled(t["id"] for t in triggers)
        assert not twice, f"written twice: {twice}"
        unread = self.unread()
        assert not unread, f"{len(unread)} source records are not in the log: {unread[:10]}"
        expected = expect(inputs(self.published), self.rules(), clock)
        differences = judge([d for d in decisions if d["kind"] == "cart_abandoned"], expected)
        assert not differences, "\n".join([f"{len(differences)} of {len(expected)} differ", *differences[:10]])
        outcomes = Counter(d["outcome"] for d in decisions)
        assert outcomes["emitted"] + outcomes["cancelled"] == len(triggers)
        assert outcomes["emitted"] >= some, f"too few to tell: {outcomes}"
        if verify:
            self.verify()
        if self.redis is not None:
            self.check_view()
        return decisions

    def check_view(self) -> None:
        """`pipeline serve --check` finds nothing: Redis is what the changelog and the trigger topics say."""
        done = self.run("serve", "--check")
        assert done.returncode == 0, done.stdout + done.stderr

    def verify(self) -> None:
        """`pipeline verify` finds nothing."""
        done = self.run("verify")
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *args: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        command = [sys.executable, "-m", "pipeline", *args]
        return subprocess.run(
            command, env=self._environment | environment, cwd=ROOT, capture_output=True, text=True, timeout=90
        )


def doubled(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


class _Watcher:
    """Follows the changelog of a namespace."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._context = reader(stage.settings)
        self._positions: dict[int, int] = {}
        self._clocks: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        self._consumer = await self._context.__aenter__()
        name, count = self._stage.name, self._stage.settings.topics.partitions
        self._changelog = [TopicPartition(f"{name}.{CHANGELOG}", p) for p in range(count)]
        self._log = [TopicPartition(f"{name}.{LOG}", p) for p in range(count)]
        self._consumer.assign(self._changelog)
        await self._consumer.seek_to_beginning(*self._changelog)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._context.__aexit__(*error)

    async def look(self) -> Standing:
        ends = await self._consumer.end_offsets(self._log + self._changelog)
        while True:
            for place, batch in (await self._consumer.getmany(timeout_ms=50)).items():
                for record in batch:
                    if record.key == POSITION_KEY:
                        self._positions[place.partition] = decode_position(record.value).offset
                    elif record.key == CLOCK_KEY:
                        self._clocks[place.partition] = decode_clock(record.value).now
            if all([await self._consumer.position(place) >= ends[place] for place in self._changelog]):
                return Standing(
                    dict(self._positions), dict(self._clocks), {place.partition: ends[place] for place in self._log}
                )
