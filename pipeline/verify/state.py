"""The rows of the changelog at the position beside those of the fold: the state itself, byte for byte."""

from collections.abc import Iterator
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from xxhash import xxh3_64_hexdigest, xxh3_128_digest

from pipeline.kafka.ranges import read_range
from pipeline.state.partition import POSITION_KEY, RESERVED, Position, decode_position
from pipeline.verify.evidence import Standing
from pipeline.verify.report import Finding, Part
from pipeline.verify.store import Store

Rows = Iterator[tuple[bytes, bytes]]


async def compare_state(
    fold: Store,
    consumer: AIOKafkaConsumer,
    tp: TopicPartition,
    begin: int,
    standing: Standing,
    folder: Path,
    part: Part,
) -> None:
    """Compare all rows. One that was written again since the position is not judged: compaction may have taken it."""
    consumer.assign([tp])
    there = Store(folder)
    try:
        async for records in read_range(consumer, tp, begin, standing.row + 1):
            there.put((r.key, None if r.value is None else xxh3_128_digest(r.value)) for r in records)
        there.flush()
        end = (await consumer.end_offsets([tp]))[tp]
        newer = {r.key async for records in read_range(consumer, tp, standing.row + 1, end) for r in records}
        for key, mine, theirs in _joined(fold.rows(), there.rows()):
            if key == POSITION_KEY:
                _compare_positions(mine, standing, part, tp)
            elif key in newer:
                part.not_judged += 1
            elif mine is not None and theirs is not None and xxh3_128_digest(mine) == theirs:
                part.equal += 1
            else:
                kind = Finding.MISSING if theirs is None else Finding.UNEXPECTED if mine is None else Finding.DIFFERENT
                part.differ(kind, f"{_name(key)} in partition {tp.partition}")
    finally:
        there.close()


def _compare_positions(mine: bytes | None, standing: Standing, part: Part, tp: TopicPartition) -> None:
    """Of a position the number of timers depends on restarts, so bytes are not compared."""
    position = Position() if mine is None else decode_position(mine)
    theirs = standing.position
    if (position.offset, position.highs, position.rows) == (theirs.offset, theirs.highs, theirs.rows):
        part.equal += 1
    else:
        part.differ(Finding.DIFFERENT, f"the position of partition {tp.partition}")


def _joined(left: Rows, right: Rows) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """Both sides by key, in order; None where one has no such row."""
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a[0] < b[0]):
            assert a is not None
            yield a[0], a[1], None
            a = next(left, None)
        elif a is None or b[0] < a[0]:
            yield b[0], None, b[1]
            b = next(right, None)
        else:
            yield a[0], a[1], b[1]
            a, b = next(left, None), next(right, None)


def _name(key: bytes) -> str:
    """A row by its name, a person's by a hash: reports name nobody."""
    if key.startswith(RESERVED):
        return f"the row {key[1:].decode(errors='replace')}"
    return f"the row of a person (hash {xxh3_64_hexdigest(key)})"
