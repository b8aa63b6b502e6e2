"""Ingest and engine over a backlog that is there before they start, one after the other."""

import time
from functools import partial

from bench import kafka
from bench.events import HOUR, Crowd, stream
from bench.place import PARTITIONS, Place
from bench.processes import Others, Progress, rate
from bench.report import figure, say
from pipeline.config.namespace import CHANGELOG, LOG, Mode, Namespace
from pipeline.log.frames import FrameKind, decode_frame
from pipeline.state.partition import POSITION_KEY, decode_position


async def measure(place: Place, label: str, crowd: Crowd, count: int) -> Namespace:
    """Print events/s and CPU µs/event of both hops. Returns the namespace, with its changelog."""
    namespace = await place.create(Mode.LIVE)
    settings, now = place.settings, time.time_ns() // 1_000_000
    started = time.monotonic()
    size = await kafka.load(settings, stream(count, crowd, now - HOUR, now), namespace.name + ".", PARTITIONS)
    say(f"{label}: {count:,} events of {size} bytes written in {time.monotonic() - started:.1f} s")
    other: dict[str, float] = {}
    with place.ingest() as ingest:
        others = Others()
        await ingest.until(partial(kafka.ingested, settings, namespace))
        other["ingest"] = others.cores()
    frames: dict[int, list[tuple[int, int, int]]] = {p: [] for p in range(PARTITIONS)}
    async for record in kafka.read(settings, namespace.topic(LOG), PARTITIONS):
        frame = decode_frame(record.value)
        rows = len(frame.rows) if frame.kind == FrameKind.EVENTS else 0
        frames[record.partition].append((record.timestamp, record.offset, rows))
    arrived = sorted((at, rows) for log in frames.values() for at, _, rows in log if rows)
    _print(f"ingest.{label}", *rate(_summed(arrived), ingest.samples), other["ingest"])
    say(f"{label}: {len(arrived):,} frames, {sum(rows for _, rows in arrived):,} rows")
    with place.worker() as worker:
        others = Others()
        await worker.until(partial(kafka.folded, settings, namespace))
        other["worker"] = others.cores()
    done: list[tuple[float, int]] = []
    at_offset, rows_of_log, transactions, changed = [0] * PARTITIONS, 0, 0, 0
    async for record in kafka.read(settings, namespace.topic(CHANGELOG), PARTITIONS):
        changed += record.key[:1] != b"\0"
        if record.key == POSITION_KEY:
            position, known = decode_position(record.value).offset, at_offset[record.partition]
            rows_of_log = sum(rows for _, offset, rows in frames[record.partition] if known <= offset < position)
            at_offset[record.partition] = position
            done.append((record.timestamp, rows_of_log))
            transactions += 1
    _print(f"engine.{label}", *rate(_summed(sorted(done)), worker.samples), other["worker"])
    decisions = await kafka.end(settings, namespace.topic("decisions"), PARTITIONS)
    say(f"{label}: {transactions:,} transactions, {changed:,} rows, {decisions:,} decisions")
    return namespace


def _print(name: str, events: float, cpu: float, others: float) -> None:
    figure(f"{name}.rate", events, "events/s")
    figure(f"{name}.cpu", cpu, "us/event")
    figure(f"{name}.other_cores", others, "cores")


def _summed(steps: list[tuple[float, int]]) -> Progress:
    total, progress = 0, []
    for at, number in steps:
        total += number
        progress.append((at, total))
    return progress
