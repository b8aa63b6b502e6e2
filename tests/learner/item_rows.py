"""What the items topic holds: a look of our own at the tables of the next item."""

from collections import Counter

from aiokafka import TopicPartition

from pipeline.config.namespace import ITEMS
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader
from pipeline.kafka.ranges import read_range
from pipeline.next_item.position import POSITION_KEY
from pipeline.next_item.rows import RowKind, decode_item, decode_key


async def rows(settings: Settings) -> dict[bytes, bytes]:
    """What the topic holds, as compaction would leave it."""
    items = TopicPartition(f"{settings.namespace.name}.{ITEMS}", 0)
    found: dict[bytes, bytes] = {}
    async with reader(settings) as consumer:
        consumer.assign([items])
        end = (await consumer.end_offsets([items]))[items]
        async for polled in read_range(consumer, items, 0, end):
            found |= {record.key: record.value for record in polled}
    return {key: value for key, value in found.items() if key != POSITION_KEY and value is not None}


async def touched(settings: Settings) -> Counter[str]:
    """How often each product was touched, as the tables have it."""
    of = {decode_key(key): value for key, value in (await rows(settings)).items()}
    return Counter({key.name: decode_item(value).touches for key, value in of.items() if key.kind is RowKind.ITEM})
