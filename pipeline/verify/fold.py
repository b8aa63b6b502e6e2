"""One partition judged: the log folded anew, frame by frame, beside what stands in the output topics."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from pipeline.config.errors import UserError
from pipeline.config.namespace import DECISIONS, LOG, OUTPUTS, REJECTS, Namespace
from pipeline.engine.partition import PartitionEngine
from pipeline.kafka.ranges import read_range
from pipeline.log.frames import FrameError
from pipeline.log.rejects import encode, reject_key
from pipeline.triggers.contract import ENGINE_VERSION
from pipeline.verify import allowed
from pipeline.verify.align import Aligner, Identity, Record
from pipeline.verify.allowed import Allowed
from pipeline.verify.evidence import Evidence
from pipeline.verify.report import Report
from pipeline.verify.sources import Sources
from pipeline.verify.store import Store
from pipeline.verify.suggested import Suggestions

JUDGED = (DECISIONS, *(topic for topic in OUTPUTS if topic != DECISIONS), REJECTS)
"""Decisions first: they say which triggers belong to frames that were not folded."""

ENGINE = "engine "
"""How an engine signs a reject, before its version."""


class _Decision(Struct):
    decision_id: str
    engine_version: str
    log_offset: int


class _TriggerData(Struct):
    engine_version: str


class _Trigger(Struct):
    id: str
    data: _TriggerData


class _Reject(Struct):
    refused_by: str = ""


class Resume(Struct):
    """Where the next run goes on: the log by the store's own position, the outputs by these offsets."""

    outputs: dict[str, int] = {}


class PartitionJudge:
    """Folds one partition of the log up to its committed position. Everything large is in `store`."""

    def __init__(
        self, namespace: Namespace, partition: int, evidence: Evidence, store: Store, cache_bytes: int, report: Report
    ) -> None:
        self._namespace = namespace
        self._partition = partition
        self._evidence = evidence
        self._store = store
        self._report = report
        self._allowed = Allowed(report.part(allowed.PART))
        self._engine = PartitionEngine(partition, store.get, store.wakes(), cache_bytes, self._allowed.suggest)
        self._target = evidence.standings[partition].position.offset
        self._beyond: set[str] = set()
        self.foreign = False
        """Whether outputs of another version of the engine were met."""

    async def judge(self, consumers: Mapping[str, AIOKafkaConsumer], sources: Sources, resume: Resume) -> Resume:
        """Fold and compare, and note which source records the log holds. `consumers` has one for each topic."""
        log = self._place(LOG)
        start = self._engine.position.offset
        self._refuse_gap(log, start)
        whole = all(self._evidence.begins[self._place(topic)] <= resume.outputs.get(topic, 0) for topic in JUDGED)
        suggestions = Suggestions(self._report, self._target, whole=whole)
        topics = {topic: self._topic(topic, consumers[topic], resume, suggestions) for topic in JUDGED}
        aligners = {topic: self._aligner(topic, topics[topic].more, resume) for topic in JUDGED}
        consumers[LOG].assign([log])
        control = self._engine.position.highs.get(sources.control_source(), (-1, 0))[0]
        expected: dict[str, list[Record]] = {topic: [] for topic in JUDGED}
        following = start
        async for records in read_range(consumers[LOG], log, start, self._evidence.ends[log]):
            for record in records:
                if record.offset != following:
                    raise UserError(
                        f"{log.topic}-{log.partition} goes on at {record.offset} after {following - 1}: retention cut "
                        "it meanwhile, try again"
                    )
                following += 1
                try:
                    control = sources.frame(self._partition, record.value, control)
                    if record.offset < self._target:
                        while self._allowed.reached <= record.offset and await topics[DECISIONS].ahead():
                            pass
                        self._fold(record.offset, record.value, expected)
                except (FrameError, msgspec.MsgspecError) as error:
                    raise UserError(f"frame {record.offset} of {log.topic}-{log.partition}: {error}") from error
            for topic, outputs in expected.items():
                if outputs:
                    await aligners[topic].expect(outputs)
                    outputs.clear()
        self._store.flush()
        done = Resume({topic: await self._finish(topic, aligners[topic]) for topic in JUDGED})
        suggestions.finish()
        return done

    def _fold(self, offset: int, data: bytes, expected: dict[str, list[Record]]) -> None:
        engine, report = self._engine, self._report
        self._allowed.begin(offset)
        engine.apply(offset, data)
        batch = engine.take()
        self._allowed.judge(batch.outputs)
        self._store.put(batch.rows)
        report.events += batch.events
        report.frames += 1
        for output in batch.outputs:
            expected[output.topic].append(Record(offset, output.key, output.value, tuple(output.headers)))
        for reject in batch.rejects:
            key = reject_key(reject.topic, reject.partition, reject.offset)
            expected[REJECTS].append(Record(offset, key, encode(reject), ()))

    async def _finish(self, topic: str, aligner: Aligner) -> int:
        await aligner.finish()
        first = await aligner.rest(self._is_beyond(topic))
        self.foreign |= aligner.met_foreign
        return self._evidence.ends[self._place(topic)] if first is None else first

    def _is_beyond(self, topic: str) -> Any:
        def decision(identity: Identity) -> bool:
            if identity.log_offset is None or identity.log_offset < self._target:
                return False
            self._beyond.add(identity.id)
            return True

        if topic == DECISIONS:
            return decision
        if topic == REJECTS:
            return lambda _: True  # a reject does not name its frame
        return lambda identity: identity.id in self._beyond

    def _topic(self, topic: str, consumer: AIOKafkaConsumer, resume: Resume, suggestions: Suggestions) -> "_Topic":
        tp = self._place(topic)
        consumer.assign([tp])
        start = max(self._evidence.begins[tp], resume.outputs.get(topic, 0))
        batches = read_range(consumer, tp, start, self._evidence.ends[tp])

        async def more() -> list[Record]:
            async for records in batches:
                read = [Record(r.offset, r.key, r.value, tuple(r.headers)) for r in records]
                if topic == DECISIONS:
                    self._allowed.read(read)
                read = [suggestions.taken_out(topic, record) for record in read]
                if topic == REJECTS:
                    read = [record for record in read if identify_reject(record).version]
                if read:
                    return read
            return []

        return _Topic(more)

    def _aligner(self, topic: str, more: Callable[[], Awaitable[list[Record]]], resume: Resume) -> Aligner:
        part = self._report.part(topic if topic != REJECTS else "rejects of the engine")
        started = self._evidence.begins[self._place(topic)] <= resume.outputs.get(topic, 0)
        return Aligner(part, more, _IDENTIFY[topic], ENGINE_VERSION, self._store, started=started)

    def _refuse_gap(self, log: TopicPartition, start: int) -> None:
        begin, end = self._evidence.begins[log], self._evidence.ends[log]
        name = f"{log.topic}-{log.partition}"
        if start > end:
            raise UserError(
                f"{name} ends at {end} but the kept fold stands at {start}: the log was made anew, keep the fold in "
                "another folder"
            )
        if start < begin:
            raise UserError(
                f"{name} begins at {begin}, retention has cut what came before, and no kept fold reaches it: run "
                "`pipeline verify --keep DIR` more often than topics.retention"
            )

    def _place(self, topic: str) -> TopicPartition:
        return TopicPartition(self._namespace.topic(topic), self._partition)


class _Topic:
    """An output that can be read on ahead of its comparison; `read` gives the next records, nothing at the end."""

    def __init__(self, read: Callable[[], Awaitable[list[Record]]]) -> None:
        self._read = read
        self._waiting: deque[list[Record]] = deque()

    async def ahead(self) -> bool:
        """Read on, and keep it for the comparison. False where there is no more."""
        if records := await self._read():
            self._waiting.append(records)
        return bool(records)

    async def more(self) -> list[Record]:
        """The next records to compare."""
        return self._waiting.popleft() if self._waiting else await self._read()


def identify_decision(record: Record) -> Identity:
    """Read a decision's identity."""
    try:
        found = _decision(record.value)
    except msgspec.MsgspecError:
        return _UNREADABLE
    return Identity(found.decision_id, found.engine_version, found.log_offset)


def identify_trigger(record: Record) -> Identity:
    """Read a trigger's identity."""
    try:
        found = _trigger(record.value)
    except msgspec.MsgspecError:
        return _UNREADABLE
    return Identity(found.id, found.data.engine_version)


def identify_reject(record: Record) -> Identity:
    """Read a reject's identity. The version is empty where no engine refused it."""
    try:
        found = _reject(record.value)
    except msgspec.MsgspecError:
        return _UNREADABLE
    version = found.refused_by.removeprefix(ENGINE) if found.refused_by.startswith(ENGINE) else ""
    return Identity((record.key or b"").decode(errors="replace"), version)


_UNREADABLE = Identity("", ENGINE_VERSION)
_decision = msgspec.json.Decoder(_Decision).decode
_trigger = msgspec.json.Decoder(_Trigger).decode
_reject = msgspec.json.Decoder(_Reject).decode
_IDENTIFY = {DECISIONS: identify_decision, REJECTS: identify_reject} | {
    topic: identify_trigger for topic in JUDGED if topic not in (DECISIONS, REJECTS)
}
