"""Reads a sample of a site's newest records from Kafka, and has it judged."""

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config.errors import UserError
from pipeline.config.namespace import REJECTS, Namespace
from pipeline.config.policy import Policy
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader
from pipeline.kafka.counts import require_topics
from pipeline.kafka.ranges import know, read_range
from pipeline.kafka.topics import read_namespace
from pipeline.log.rejects import Reject
from pipeline.operate.control import published_policy
from pipeline.quality.checkup import EXAMINED, Checkup
from pipeline.quality.finding import Finding

_SITES_NAMED = 5


async def examine(settings: Settings, site: str, last: int) -> tuple[int, list[Finding]]:
    """How many records of the site are among the newest `last` of each source partition, and what they show.

    Raises UserError where there is none.
    """
    namespace = await read_namespace(settings)
    await require_topics(settings, namespace, (*EXAMINED, REJECTS))
    policy = await published_policy(settings) or Policy()
    checkup = Checkup(site)
    async with reader(settings) as consumer:
        places = [(topic, p) for topic in (*EXAMINED, REJECTS) for p in range(namespace.partitions)]
        begins = await _begins(consumer, namespace, places, last)
        for (topic, partition), (begin, end) in begins.items():
            tp = TopicPartition(namespace.topic(topic), partition)
            consumer.assign([tp])
            async for records in read_range(consumer, tp, begin, end):
                for record in records:
                    if topic != REJECTS:
                        checkup.add(topic, record.value, record.timestamp)
                    elif (reject := _of_the_sample(record.value, begins)) is not None:
                        checkup.add_reject(reject)
    if not checkup.records:
        known = sorted(checkup.other_sites)[:_SITES_NAMED]
        others = f"those there are: {', '.join(known)}" if known else "there is none of any site"
        raise UserError(f"no record of site {site} in the newest {last:,} of each partition: {others}")
    return checkup.records, checkup.findings(policy.site(site))


_Stretches = dict[tuple[str, int], tuple[int, int]]
"""By topic and partition, the first offset that is read, and the end."""


async def _begins(
    consumer: AIOKafkaConsumer, namespace: Namespace, places: list[tuple[str, int]], last: int
) -> _Stretches:
    full = {TopicPartition(namespace.topic(topic), partition): (topic, partition) for topic, partition in places}
    know(consumer, full)
    begins, ends = await consumer.beginning_offsets(list(full)), await consumer.end_offsets(list(full))
    return {place: (max(begins[tp], ends[tp] - last), ends[tp]) for tp, place in full.items()}


def _of_the_sample(value: bytes | None, stretches: _Stretches) -> Reject | None:
    """A reject whose record is in the sample; None for others, and for the notes of a replay."""
    try:
        reject = msgspec.json.decode(value or b"", type=Reject)
    except msgspec.MsgspecError:
        return None
    begin, end = stretches.get((reject.topic, reject.partition), (0, 0))
    return reject if begin <= reject.offset < end else None
