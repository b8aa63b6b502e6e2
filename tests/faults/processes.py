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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition

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
from pipeline.config.policy import (
    ANY_SITE,
    CartPolicy,
    OrderPolicy,
    PersonalizationPolicy,
    Policy,
    SitePolicy,
    WinBackPolicy,
)
from pipeline.config.settings import Settings
from pipeline.ingest.control import policy_record
from pipeline.kafka.clients import connection, reader
from pipeline.kafka.ranges import read_range, settled_ends
from pipeline.kafka.topics import CONTROL, apply, read_namespace
from pipeline.local.ports import free_port
from pipeline.log.frames import decode_frame
from pipeline.log.rejects import Reject
from pipeline.replay.history import History
from pipeline.replay.pace import RealTime
from pipeline.replay.publish import SETTLE, publish
from pipeline.serve.valkey import ValkeyProcess, start_valkey
from pipeline.simulator.happening import Happening
from tests.faults.histories import inputs
from tests.faults.standing import Standing, Watcher
from tests.faults.view import told_of_triggers, versions, versions_in_redis
from tests.oracle.cart_oracle import Rules, expect, judge

ROOT = Path(__file__).parents[2]
SESSION = 6.0
"""Seconds: the shortest session timeout that a broker allows by default."""
STEPS = (30 * MINUTE, 4 * HOUR, 24 * HOUR)
USABLE = Millis(60 * DAY)
"""How long triggers may be used: those of a history's last weeks still are, and Redis has them; the others are not."""
LONGEST = 600.0
"""Seconds until a stage that still moves must have come to rest, on a machine that does much else."""
SOME = 10
"""Fewer triggers of a kind than this tell nothing."""


def patient(
    steps: tuple[int, ...] = STEPS,
    silent_after: int = 10_000 * DAY,
    cart_timing: Literal["learned", "fixed"] = "fixed",
) -> Policy:
    """A policy that the oracle knows all of: orders never count as silent, and no model times a cart."""
    site = SitePolicy(
        cart=CartPolicy(steps=tuple(map(Millis, steps)), expires_after=USABLE, timing=cart_timing),
        win_back=WinBackPolicy(expires_after=USABLE),
        personalization=PersonalizationPolicy(expires_after=USABLE),
        order=OrderPolicy(silent_after=Millis(silent_after)),
    )
    return Policy({ANY_SITE: site})


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
        self.unproved = False
        """Whether a worker has run, and nobody has looked at what it wrote."""
        self.told: Counter[str] = Counter()
        """What Redis told of triggers: how many are active, by kind, and how many are cancelled."""
        outer = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "PIPELINE_", "REDIS_"))}
        self._environment = outer | {
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
        command = [sys.executable, "-m", module, what]
        own = {"PIPELINE_WORKER_DATA_DIR": str(self.folder / name)} | environment
        process = Process(name, command, self._environment | own, self.folder / f"{name}.log")
        self.processes.append(process)
        return process.start()

    def worker(self, name: str = "worker", module: str = "pipeline", **environment: str) -> Process:
        self.unproved = True
        return self.start(name, "worker", module, **environment)

    def ingest(self, name: str = "ingest", module: str = "pipeline", **environment: str) -> Process:
        return self.start(name, "ingest", module, **environment)

    def serve(self, name: str = "serve", **environment: str) -> Process:
        """Start `pipeline serve`; all of a stage share one Valkey."""
        if self.redis is None:
            self.restart_redis()
        return self.start(name, "serve", **environment)

    def learner(self, name: str = "learner", module: str = "pipeline", **environment: str) -> Process:
        return self.start(name, "learner", module, **environment)

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

    def records(self, topic: str) -> list[ConsumerRecord]:
        """All records of a topic of the namespace, partition by partition; those committed a moment ago included."""
        return asyncio.run(self._records(f"{self.name}.{topic}"))

    async def _records(self, topic: str) -> list[ConsumerRecord]:
        found: list[ConsumerRecord] = []
        async with reader(self.settings) as consumer:
            places = [TopicPartition(topic, p) for p in range(self.settings.topics.partitions)]
            ends = await settled_ends(self.settings, consumer, places)
            for place in places:
                consumer.assign([place])
                begin = (await consumer.beginning_offsets([place]))[place]
                async for batch in read_range(consumer, place, begin, ends[place]):
                    found += batch
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
            async with Watcher(self.settings) as watcher:
                return await watcher.look()

        return asyncio.run(look())

    def settle(self, clock: int, patience: float = 60, tending: bool = True) -> float:
        """Wait until each partition stands at the log's end, with its clock at `clock`. Returns the seconds."""
        return self.wait(lambda standing: standing.at_end(clock), patience, tending)

    def wait(self, until: Callable[[Standing], bool], patience: float = 60, tending: bool = True) -> float:
        """Wait until something holds; fails where nothing has moved for `patience` seconds, or after LONGEST.

        Returns the seconds.
        """
        started = moved = time.monotonic()
        last: Standing | None = None

        async def watch() -> float:
            nonlocal moved, last
            async with Watcher(self.settings) as watcher:
                while True:
                    standing, now = await watcher.look(), time.monotonic()
                    if until(standing):
                        return now - started
                    if standing != last:
                        last, moved = standing, now
                    said = f"{standing}, {self.shown()}"
                    assert now - moved < patience, f"nothing has moved for {patience} s: {said}"
                    assert now - started < LONGEST, f"after {LONGEST} s {said}"
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

    def judge(
        self, clock: int, kinds: Iterable[str] = TRIGGER_KINDS, module: str = "pipeline", **environment: str
    ) -> list[dict[str, Any]]:
        """Carts are as the oracle says, triggers of these kinds came, some to be used still, and all of `prove`.

        For a stage that was given histories, up to the time `clock`. Another module of the tests may verify in the
        place of `pipeline`. Returns the decisions.
        """
        decisions = self.judge_without_times(kinds, module, **environment)
        expected = expect(inputs(self.published), self.rules(), clock)
        differences = judge([d for d in decisions if d["kind"] == "cart_abandoned"], expected)
        assert not differences, "\n".join([f"{len(differences)} of {len(expected)} differ", *differences[:10]])
        return decisions

    def judge_without_times(
        self, kinds: Iterable[str] = TRIGGER_KINDS, module: str = "pipeline", **environment: str
    ) -> list[dict[str, Any]]:
        """All of `judge` but the oracle, which does not know when a model says that a cart is due."""
        decisions = self.prove(module, **environment)
        emitted = Counter(d["kind"] for d in decisions if d["outcome"] == "emitted")
        assert min(emitted[kind] for kind in kinds) >= SOME, f"too few to tell: {emitted}"
        assert all(self.told[kind] for kind in kinds), f"Redis has too little to compare: {self.told}"
        return decisions

    def prove(self, module: str = "pipeline", **environment: str) -> list[dict[str, Any]]:
        """What must hold whatever came in: nothing is lost, nothing doubled, and `verify` and Redis agree.

        Returns the decisions.
        """
        decisions, triggers = self.decisions(), self.triggers()
        twice = doubled(d["decision_id"] for d in decisions) + doubled(t["id"] for t in triggers)
        assert not twice, f"written twice: {twice}"
        unread = self.unread()
        assert not unread, f"{len(unread)} source records are not in the log: {unread[:10]}"
        outcomes = Counter(d["outcome"] for d in decisions)
        assert outcomes["emitted"] + outcomes["cancelled"] == len(triggers)
        self._agrees("verify", module=module, **environment)
        self.told = self._view_agrees(triggers)
        self.unproved = False
        return decisions

    def _view_agrees(self, triggers: Iterable[Mapping[str, Any]]) -> Counter[str]:
        """Redis is what the changelog and the trigger topics say. Returns what it tells of triggers.

        `serve --check` waits until Redis has all. It shares code with serve, so there is a look of our own as well.
        """
        assert self.redis is not None, "nobody serves this stage"
        self._agrees("serve", "--check")
        wanted, found = versions(self.records(CHANGELOG)), versions_in_redis(self.redis.url, self.name)
        assert found == wanted, (
            f"{len(found)} profiles in Redis, {len(wanted)} people in the changelog, or other versions"
        )
        return told_of_triggers(self.redis.url, triggers)

    def _agrees(self, *command: str, module: str = "pipeline", **environment: str) -> None:
        """A command that compares finds no difference."""
        done = self.run(*command, module=module, **environment)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *args: str, module: str = "pipeline", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        command = [sys.executable, "-m", module, *args]
        return subprocess.run(
            command, env=self._environment | environment, cwd=ROOT, capture_output=True, text=True, timeout=90
        )


def doubled(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
