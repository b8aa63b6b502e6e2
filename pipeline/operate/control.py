"""Records of the control topic that an operator writes: the policy, and the reset of a source."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import Namespace, SourcePartition
from pipeline.config.policy import Policy, decode_policy
from pipeline.config.settings import Settings
from pipeline.ingest.control import POLICY_KEY, RESET_PREFIX, SourceReset, policy_record
from pipeline.kafka.clients import ANSWER_TIMEOUT_MS, connection, kafka_errors, reader
from pipeline.kafka.groups import group_offsets, ingest_group, refuse_members, set_group_offsets
from pipeline.kafka.ranges import know, read_range
from pipeline.kafka.topics import CONTROL, read_namespace


async def published_policy(settings: Settings) -> Policy | None:
    """The newest policy of the namespace; None where none was published, and the defaults rule.

    Raises UserError where it is of another release.
    """
    namespace = await read_namespace(settings)
    value = (await _newest(settings, namespace)).get(POLICY_KEY)
    try:
        return None if value is None else decode_policy(value)
    except msgspec.MsgspecError as error:
        raise UserError(
            f"the policy of namespace {namespace.name} is not one that this release reads ({error}): publish it anew"
        ) from error


class Published(NamedTuple):
    """Whether a policy was written, and the one `before` it: None for none, and for one of another release."""

    written: bool
    before: Policy | None


async def publish_policy(settings: Settings, policy: Policy) -> Published:
    """Put a policy in force. Writes nothing where it is in force already."""
    namespace = await read_namespace(settings)
    key, value = policy_record(policy)
    known = (await _newest(settings, namespace)).get(key)
    if known != value:
        await _write(settings, namespace, key, value)
    try:
        before = None if known is None else decode_policy(known)
    except msgspec.MsgspecError:  # what is there may be mended by this very policy
        before = None
    return Published(known != value, before)


async def reset_source(settings: Settings, topic: str, partition: int) -> int:
    """Have a source partition that was made anew read from its beginning. Returns the offset of that.

    `topic` may have the namespace's prefix. Raises UserError where ingest runs, or where the partition is as it was:
    then what is in the log already would be read, and counted, again.
    """
    namespace = await read_namespace(settings)
    source = SourcePartition(topic.removeprefix(f"{namespace.name}."), partition)
    if source not in namespace.sources:
        known = ", ".join(sorted({s.topic for s in namespace.sources}))
        raise UserError(f"{topic}-{partition} is no source of namespace {namespace.name}: those are {known}")
    tp = TopicPartition(namespace.topic(source.topic), partition)
    committed = (await group_offsets(settings, ingest_group(namespace))).get(tp)
    async with reader(settings) as consumer:
        know(consumer, [tp])
        begin, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
    if committed is None or begin <= committed <= end:
        raise UserError(
            f"{source.topic}-{partition} holds {begin} to {end} and was read to {committed or begin}: nothing is wrong "
            "with it, and read again it would count twice"
        )
    await refuse_members(settings, ingest_group(namespace))
    key = RESET_PREFIX + f"{source.topic}-{partition}".encode()
    await _write(settings, namespace, key, msgspec.json.encode(SourceReset(source.topic, partition)))
    await set_group_offsets(settings, ingest_group(namespace), {tp: begin})
    return int(begin)


async def _newest(settings: Settings, namespace: Namespace) -> Mapping[bytes, bytes]:
    control = TopicPartition(namespace.topic(CONTROL), 0)
    found: dict[bytes, bytes] = {}
    async with reader(settings) as consumer:
        consumer.assign([control])
        begin = (await consumer.beginning_offsets([control]))[control]
        end = (await consumer.end_offsets([control]))[control]
        async for records in read_range(consumer, control, begin, end):
            found |= {record.key: record.value for record in records if record.key and record.value}
    return found


async def _write(settings: Settings, namespace: Namespace, key: bytes, value: bytes) -> None:
    producer = AIOKafkaProducer(
        **connection(settings.kafka), request_timeout_ms=ANSWER_TIMEOUT_MS, acks="all", enable_idempotence=True
    )
    with kafka_errors(settings):
        try:
            await producer.start()
            await producer.send_and_wait(namespace.topic(CONTROL), value, key=key, partition=0)
        finally:
            await producer.stop()
