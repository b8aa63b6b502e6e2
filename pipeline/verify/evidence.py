"""What is fixed before judging begins, in the order that makes it safe to verify a system that runs."""

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import CHANGELOG, DECISIONS, ECHO, LOG, OUTPUTS, REJECTS, Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.groups import group_offsets, ingest_group
from pipeline.kafka.ranges import high_watermarks, know, newest_rows, read_range, settled_ends
from pipeline.state.partition import POSITION_KEY, Position, decode_position
from pipeline.verify.sources import CONTROL, RESET_PREFIX, Bounds

NO_POSITION = -1


class SourcePartitionNamed(msgspec.Struct):
    """The value of a `source-reset` record."""

    topic: str
    partition: int


class Standing(NamedTuple):
    """A partition's committed position, and the changelog's offset of the row that says so; none yet: NO_POSITION."""

    position: Position
    row: int


class Evidence(NamedTuple):
    """Offsets of the topics, full names. Everything that led to `standings` and `bounds` is below `ends`."""

    standings: list[Standing]
    bounds: list[Bounds]
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]


async def gather(settings: Settings, namespace: Namespace, consumer: AIOKafkaConsumer) -> Evidence:
    """Read what ingest and workers have committed, and only then how far the topics go."""
    committed = await group_offsets(settings, ingest_group(namespace))
    standings = [await _standing(consumer, namespace, partition) for partition in range(namespace.partitions)]
    resets = await _resets(consumer, namespace)
    partitions = range(namespace.partitions)
    ours = [
        TopicPartition(namespace.topic(t), p) for t in (LOG, *OUTPUTS, REJECTS, ECHO, CHANGELOG) for p in partitions
    ]
    ends = await settled_ends(settings, consumer, ours)
    # A transaction that was half written then has a trigger below these ends, and the decision that tells of which
    # frame it is above them.
    ends |= await settled_ends(settings, consumer, [tp for tp in ours if tp.topic == namespace.topic(DECISIONS)])
    begins = await consumer.beginning_offsets(ours)
    sources = [TopicPartition(namespace.topic(s.topic), s.partition) for s in namespace.sources]
    source_ends = await high_watermarks(settings, sources)
    know(consumer, sources)
    source_begins = await consumer.beginning_offsets(sources)
    bounds = [Bounds(source_begins[tp], source_ends[tp], committed.get(tp, 0), resets.get(tp, -1)) for tp in sources]
    return Evidence(standings, bounds, begins, ends)


async def _standing(consumer: AIOKafkaConsumer, namespace: Namespace, partition: int) -> Standing:
    tp = TopicPartition(namespace.topic(CHANGELOG), partition)
    found = await newest_rows(consumer, tp, [POSITION_KEY])
    if POSITION_KEY not in found:
        return Standing(Position(), NO_POSITION)
    record = found[POSITION_KEY]
    try:
        return Standing(decode_position(record.value), record.offset)
    except msgspec.DecodeError as error:
        raise UserError(
            f"the position in {tp.topic}-{partition} cannot be read: use the release that wrote it"
        ) from error


async def _resets(consumer: AIOKafkaConsumer, namespace: Namespace) -> dict[TopicPartition, int]:
    """The newest reset of each source partition that has one: its offset in the control topic."""
    control = TopicPartition(namespace.topic(CONTROL), 0)
    consumer.assign([control])
    begin = (await consumer.beginning_offsets([control]))[control]
    end = (await consumer.end_offsets([control]))[control]
    found = {}
    async for records in read_range(consumer, control, begin, end):
        for record in records:
            if record.value and (record.key or b"").startswith(RESET_PREFIX):
                with suppress(msgspec.MsgspecError):  # ingest has put it in rejects
                    reset = msgspec.json.decode(record.value, type=SourcePartitionNamed)
                    found[TopicPartition(namespace.topic(reset.topic), reset.partition)] = record.offset
    return found
