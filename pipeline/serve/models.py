"""The snapshots that the profiles of a partition are scored with: the newest that its part of the changelog holds.

A profile is scored when it is written, and says with which version; it is written when the stored customer changes. So
profiles that stand in Redis have been scored with the newest snapshot of their time.
"""

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.engine.models import scorer_of
from pipeline.heads.table import SPECS
from pipeline.kafka.ranges import newest_rows
from pipeline.log.rows import ModelRow
from pipeline.scoring.snapshot import SnapshotError
from pipeline.state.partition import model_key
from pipeline.view.scores import Model, Models

logger = logging.getLogger(__name__)

_KEYS = frozenset(map(model_key, SPECS))

_decode = msgspec.msgpack.Decoder(ModelRow).decode


async def models_below(consumer: AIOKafkaConsumer, tp: TopicPartition, end: int) -> Models:
    """The newest snapshot of each head below `end`, searched backwards. Assigns `tp` to the consumer.

    Where a head has none, that reads all of the partition.
    """
    rows: dict[bytes, Any] = await newest_rows(consumer, tp, _KEYS, end)
    return newer({}, rows.values())


def newer(models: Models, records: Iterable[Any]) -> Models:
    """The snapshots as they are after some records of the changelog."""
    found = dict(models)
    for record in records:
        if record.key not in _KEYS or record.value is None:
            continue
        try:
            row = _decode(record.value)
            found[row.head] = _model_of(row)
        except (SnapshotError, msgspec.MsgspecError) as error:
            place = f"{record.topic}-{record.partition}-{record.offset}"
            logger.warning("profiles are not scored with the snapshot %s: %s", place, error)
    return found


@lru_cache(2 * len(SPECS))
def _model_of(row: ModelRow) -> Model:
    """The partitions hold the same snapshots, if not always at the same moment."""
    return Model(scorer_of(row))
