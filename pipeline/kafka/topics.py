"""The topics of a namespace: what they should be (pure), making them, checking them, and the `namespace` record."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAuthorizationFailedError, for_code

from pipeline.config import namespace as names
from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode, Namespace, new_namespace, source_partitions, with_all_sources
from pipeline.config.settings import Settings, TopicSettings
from pipeline.kafka.acls import Process
from pipeline.kafka.clients import ANSWER_TIMEOUT_MS, admin_client, connection, kafka_errors, reader, user
from pipeline.kafka.permissions import is_hidden

CONTROL = "pipeline.control"
NAMESPACE_KEY = b"namespace"
HOUR_MS = 3_600_000
CHANGELOG_DELETE_RETENTION_MS = 24 * HOUR_MS
"""How long a deletion can be read from the changelog: a local copy older than half of it may have missed one."""
TOUCHES_RETENTION_MS = 24 * HOUR_MS
"""At most, in every mode: touches are no evidence of anything, and are in the tables within seconds."""
SOURCE_MESSAGE_BYTES = 12 * 1024 * 1024
"""Larger than any event we take, so that one that is too large reaches ingest and is refused in `rejects`, with why."""
MESSAGE_BYTES = 2 * 1024 * 1024

_ALREADY_EXISTS = 36


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be. `name` is the full Kafka name."""

    name: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


@dataclass(frozen=True)
class Applied:
    """What `apply` found and did."""

    namespace: Namespace
    created: tuple[str, ...]
    existing: tuple[str, ...]


def plan(namespace: Namespace, topics: TopicSettings) -> list[TopicSpec]:
    """Every topic of the namespace, sources first."""
    retention = int(topics.retention) if namespace.mode is Mode.LIVE else -1
    touches_retention = min(int(topics.retention), TOUCHES_RETENTION_MS)
    deleted = {"cleanup.policy": "delete", "retention.ms": str(retention)}
    compacted = {"cleanup.policy": "compact"}
    rolling = compacted | {"segment.bytes": str(64 * 1024 * 1024), "max.compaction.lag.ms": str(24 * HOUR_MS)}
    changelog = rolling | {"delete.retention.ms": str(CHANGELOG_DELETE_RETENTION_MS)}
    common = {
        "message.timestamp.type": "CreateTime",
        "unclean.leader.election.enable": "false",
        "min.insync.replicas": str(min(2, topics.replication_factor)),
    }

    def spec(name: str, configs: dict[str, str], max_bytes: int) -> TopicSpec:
        return TopicSpec(
            namespace.topic(name),
            source_partitions(name, namespace.partitions),
            topics.replication_factor,
            common | configs | {"max.message.bytes": str(max_bytes)},
        )

    return [
        *(
            spec(source, _source_configs(source, deleted, compacted, rolling), SOURCE_MESSAGE_BYTES)
            for source in names.SOURCES
        ),
        spec(names.LOG, deleted, MESSAGE_BYTES),
        spec(names.CHANGELOG, changelog, MESSAGE_BYTES),
        spec(names.EXAMPLES, deleted, MESSAGE_BYTES),
        spec(names.TOUCHES, deleted | {"retention.ms": str(touches_retention)}, MESSAGE_BYTES),
        spec(names.ITEMS, rolling, MESSAGE_BYTES),
        *(spec(output, deleted, MESSAGE_BYTES) for output in names.OUTPUTS),
        spec(names.REJECTS, deleted, MESSAGE_BYTES),
        spec(names.ECHO, deleted, MESSAGE_BYTES),
    ]


def _source_configs(
    source: str, stream: dict[str, str], compacted: dict[str, str], rolling: dict[str, str]
) -> dict[str, str]:
    """History is kept for ever: an import looks there for what has been imported before. Models change all the time."""
    if source == names.HISTORY:
        return stream | {"retention.ms": "-1"}
    if source == names.MODELS:
        return rolling
    return compacted if source in names.BROADCAST_SOURCES else stream


async def apply(settings: Settings, mode: Mode) -> Applied:
    """Create what is missing of the namespace in the settings; what exists is left as it is.

    A namespace that an earlier release made gets the topics that have come since, and its record their sources.

    Raises UserError, before anything is made, where what exists has another mode or other partition counts.
    """
    wanted = new_namespace(settings.namespace.name, mode, settings.topics.partitions)
    specs = plan(wanted, settings.topics)
    async with admin_client(settings) as admin:
        found = await _describe(admin)
        recorded = None
        if wanted.topic(CONTROL) in found:
            async with reader(settings) as consumer:
                recorded = await _last_record(consumer, wanted.name)
        _refuse_other_record(wanted, recorded)
        _refuse_other_partitions(specs, found)
        missing = [spec for spec in specs if spec.name not in found]
        if recorded is not None and wanted.topic(names.CHANGELOG) not in found:
            recorded = msgspec.structs.replace(recorded, epoch=recorded.epoch + 1)
            await _write_record(settings, recorded)  # first: a new changelog must never go by the old epoch
        if missing:
            await _create(settings, admin, missing)
            await _wait_for_leaders(admin, missing)
            _refuse_other_partitions(specs, await _describe(admin))  # another `apply` may have come first
    complete = wanted if recorded is None else with_all_sources(recorded)
    if complete != recorded:
        await _write_record(settings, complete)
    return Applied(
        complete,
        tuple(spec.name for spec in missing),
        tuple(spec.name for spec in specs if spec.name in found),
    )


async def check(settings: Settings) -> list[str]:
    """Compare the topics with the plan and say what differs, one line each; empty where all is well.

    Source topics may be the shop's own: of them only existence and partition count are judged.
    """
    namespace = await read_namespace(settings)
    async with admin_client(settings) as admin:
        specs, found = plan(namespace, settings.topics), await _describe(admin)
        ours = [spec for spec in specs[len(names.SOURCES) :] if spec.name in found]
        configs = await _configs(admin, ours)
    differences = [f"topic {spec.name} does not exist" for spec in specs if spec.name not in found]
    differences += [
        f"topic {spec.name} has {len(found[spec.name])} partitions, not {spec.partitions}"
        for spec in specs
        if spec.name in found and len(found[spec.name]) != spec.partitions
    ]
    for spec in ours:
        if (copies := min(map(len, found[spec.name].values()))) < spec.replication_factor:
            differences.append(f"topic {spec.name} has {copies} copies, not {spec.replication_factor}")
        for key, value in spec.configs.items():
            if configs[spec.name].get(key) != value:
                differences.append(f"topic {spec.name} has {key}={configs[spec.name].get(key)}, not {value}")
    return differences


async def read_namespace(settings: Settings) -> Namespace:
    """The `namespace` record of the namespace in the settings. Raises UserError where it does not exist."""
    name = settings.namespace.name
    control = f"{name}.{CONTROL}"
    async with reader(settings) as consumer:
        record = await _last_record(consumer, name) if control in await consumer.topics() else None
    if record is None and await is_hidden(settings, control):
        raise UserError(
            f"{user(settings.kafka)} may not read topic {control}: `pipeline topics acls --namespace {name}` prints "
            "what each process needs"
        )
    if record is None:
        raise UserError(
            f"namespace {name} does not exist: run `pipeline topics apply --namespace {name} --mode live`, or for a "
            "history with `--mode replay`"
        )
    return record


def _refuse_other_record(wanted: Namespace, recorded: Namespace | None) -> None:
    if recorded is None:
        return
    if recorded.mode is not wanted.mode:
        raise UserError(
            f"namespace {wanted.name} is a {recorded.mode} namespace, not {wanted.mode}: a mode is fixed for good, "
            f"say --mode {recorded.mode} or take another --namespace"
        )
    if recorded.partitions != wanted.partitions:
        raise _other_partitions(f"namespace {wanted.name}", recorded.partitions, wanted.partitions)


def _refuse_other_partitions(specs: list[TopicSpec], found: Mapping[str, Mapping[int, list[int]]]) -> None:
    for spec in specs:
        if spec.name in found and len(found[spec.name]) != spec.partitions:
            raise _other_partitions(f"topic {spec.name}", len(found[spec.name]), spec.partitions)


def _other_partitions(what: str, has: int, wanted: int) -> UserError:
    return UserError(
        f"{what} has {has} partitions, not {wanted}: partitions are fixed for good, "
        f"set topics.partitions = {has} or take another --namespace"
    )


async def _describe(admin: AIOKafkaAdminClient) -> dict[str, dict[int, list[int]]]:
    """Replicas by partition, by topic; all topics, because asking for one by name may create it."""
    return {
        topic["topic"]: {p["partition"]: p["replicas"] for p in topic["partitions"]}
        for topic in await admin.describe_topics()
    }


async def _create(settings: Settings, admin: AIOKafkaAdminClient, specs: list[TopicSpec]) -> None:
    new = [
        NewTopic(spec.name, spec.partitions, spec.replication_factor, topic_configs=dict(spec.configs))
        for spec in specs
    ]
    answer = await admin.create_topics(new)
    for name, code, why, *_ in answer.topic_errors:
        if code == TopicAuthorizationFailedError.errno:
            raise UserError(
                f"{user(settings.kafka)} may not create topic {name}: `pipeline topics acls {Process.ADMIN}` prints "
                "the commands that grant it"
            )
        if code not in (0, _ALREADY_EXISTS):
            raise UserError(f"topic {name} cannot be created: {(why or for_code(code).__name__).rstrip('.')}")


async def _wait_for_leaders(admin: AIOKafkaAdminClient, specs: list[TopicSpec]) -> None:
    wanted = {spec.name for spec in specs}
    async with asyncio.timeout(ANSWER_TIMEOUT_MS / 1000):
        while True:
            topics: list[dict[str, Any]] = await admin.describe_topics()
            led = {t["topic"] for t in topics if t["partitions"] and all(p["leader"] >= 0 for p in t["partitions"])}
            if wanted <= led:
                return
            await asyncio.sleep(0.02)


async def _configs(admin: AIOKafkaAdminClient, specs: list[TopicSpec]) -> dict[str, dict[str, str]]:
    if not specs:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, spec.name, dict(spec.configs)) for spec in specs]
    found = {}
    for answer in await admin.describe_configs(asked):
        for code, why, _kind, name, entries in answer.resources:
            if code:
                raise UserError(f"the configuration of topic {name} cannot be read: {why or for_code(code).__name__}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


async def _last_record(consumer: AIOKafkaConsumer, name: str) -> Namespace | None:
    control = TopicPartition(f"{name}.{CONTROL}", 0)
    consumer.assign([control])
    end = (await consumer.end_offsets([control]))[control]
    last = None
    await consumer.seek_to_beginning(control)
    while await consumer.position(control) < end:
        batches = await consumer.getmany(control, timeout_ms=200)
        for record in batches.get(control, []):
            if record.key == NAMESPACE_KEY:
                last = record.value
    return None if last is None else _decode(name, last)


def _decode(name: str, value: bytes) -> Namespace:
    try:
        record = msgspec.json.decode(value, type=Namespace)
    except msgspec.DecodeError as error:
        raise UserError(
            f"the record of namespace {name} cannot be read ({error}): use the release that wrote it"
        ) from error
    if record.format != names.FORMAT:
        raise UserError(
            f"the record of namespace {name} has format {record.format}, this release reads {names.FORMAT}: "
            "use the release that wrote it"
        )
    return record


async def _write_record(settings: Settings, namespace: Namespace) -> None:
    producer = AIOKafkaProducer(
        **connection(settings.kafka), request_timeout_ms=ANSWER_TIMEOUT_MS, acks="all", enable_idempotence=True
    )
    with kafka_errors(settings):
        try:
            await producer.start()
            await producer.send_and_wait(
                namespace.topic(CONTROL), msgspec.json.encode(namespace), key=NAMESPACE_KEY, partition=0
            )
        finally:
            await producer.stop()
