"""The judgement of a namespace, partition by partition, on disk; the system may go on meanwhile."""

import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import CHANGELOG, ECHO, ECHO_SOURCE, LOG, REJECTS, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader
from pipeline.kafka.counts import require_topics
from pipeline.kafka.ranges import read_range
from pipeline.kafka.topics import read_namespace
from pipeline.verify.evidence import NO_POSITION, Evidence, gather
from pipeline.verify.fold import JUDGED, PartitionJudge, Resume
from pipeline.verify.keep import Index, Workplace
from pipeline.verify.report import Report
from pipeline.verify.sources import Sources
from pipeline.verify.state import compare_state
from pipeline.verify.store import Store

SOURCES_PART = "sources in the log"
STATE_PART = "state"


async def verify(
    settings: Settings, keep: Path | None = None, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Judge the namespace in the settings; `keep` is a folder from which the next run goes on.

    Raises UserError where Kafka or a topic is missing, where retention has cut what is needed, or `keep` is of another
    namespace or layout.
    """
    started = time.monotonic()
    namespace = await read_namespace(settings)
    sources_read = dict.fromkeys(source.topic for source in namespace.sources)
    await require_topics(settings, namespace, (*sources_read, LOG, CHANGELOG, *JUDGED, ECHO))
    report = Report()
    with tempfile.TemporaryDirectory(prefix="pipeline-verify-") as scratch:
        place = Workplace(namespace, keep, Path(scratch))
        report.earlier = place.index.differences
        async with _readers(settings) as consumers:
            evidence = await gather(settings, namespace, consumers[LOG])
            sources = Sources(namespace, evidence.bounds, place.index.sources, place.scratch / "sources")
            resumes = []
            for partition in range(namespace.partitions):
                progress(f"partition {partition} of {namespace.partitions}")
                resumes.append(
                    await _partition(settings, namespace, partition, evidence, sources, consumers, place, report)
                )
            progress("the sources")
            await _name_others(namespace, evidence, consumers, sources)
            await sources.judge(consumers[LOG], report.part(SOURCES_PART))
        place.done(Index(namespace.epoch, resumes, sources.keep(), report.earlier + report.differences))
    report.seconds = time.monotonic() - started
    return report


async def _partition(
    settings: Settings,
    namespace: Namespace,
    partition: int,
    evidence: Evidence,
    sources: Sources,
    consumers: dict[str, AIOKafkaConsumer],
    place: Workplace,
    report: Report,
) -> Resume:
    standing = evidence.standings[partition]
    try:
        store = Store(place.store(partition))
    except Exception as error:  # rocksdict raises bare ones
        raise UserError(f"{place.store(partition)} cannot be opened: {error}") from error
    try:
        judge = PartitionJudge(namespace, partition, evidence, store, settings.worker.cache_bytes, report)
        known = place.index.partitions
        resume = await judge.judge(consumers, sources, known[partition] if known else Resume())
        if standing.row != NO_POSITION:
            part, tp = report.part(STATE_PART), TopicPartition(namespace.topic(CHANGELOG), partition)
            if judge.foreign:
                part.not_judged += standing.position.rows
            else:
                folder = place.scratch / f"changelog-{partition}"
                await compare_state(store, consumers[CHANGELOG], tp, evidence.begins[tp], standing, folder, part)
        return resume
    finally:
        store.close()


async def _name_others(
    namespace: Namespace, evidence: Evidence, consumers: dict[str, AIOKafkaConsumer], sources: Sources
) -> None:
    """Note what ingest refused or echoed."""
    for topic in (REJECTS, ECHO):
        consumer = consumers[REJECTS]
        for partition in range(namespace.partitions):
            tp = TopicPartition(namespace.topic(topic), partition)
            consumer.assign([tp])
            async for records in read_range(consumer, tp, evidence.begins[tp], evidence.ends[tp]):
                for record in records:
                    name = record.key if topic == REJECTS else dict(record.headers).get(ECHO_SOURCE)
                    sources.named((name or b"").decode(errors="replace"))


@asynccontextmanager
async def _readers(settings: Settings) -> AsyncIterator[dict[str, AIOKafkaConsumer]]:
    """A consumer for each topic that is read beside others: in one, a topic read to its end holds up the rest."""
    async with AsyncExitStack() as stack:
        yield {topic: await stack.enter_async_context(reader(settings)) for topic in (LOG, CHANGELOG, *JUDGED)}
