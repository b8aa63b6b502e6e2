"""What the heads cost: the engine in memory with and without them, and the learner on the examples that come of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest.mock import patch

import msgspec

from bench.events import SKEWED, stream
from bench.report import figure, say
from pipeline.config.durations import DAY
from pipeline.config.namespace import MODELS, Mode, new_namespace
from pipeline.engine import heads
from pipeline.engine.build import COMPILED
from pipeline.engine.partition import PartitionEngine
from pipeline.ingest.framing import Framer
from pipeline.learner.kinds import learn, new_learner, stored
from pipeline.learning.heads import COUNTS, HEADS
from pipeline.log.frames import FORMAT, Frame, FrameKind, Mark, encode_frame
from pipeline.log.rows import ModelRow, NamespaceRow, Row
from pipeline.scoring.example import Example, decode_example
from pipeline.scoring.snapshot import Snapshot, encode_snapshot
from pipeline.simulator.happening import ORDERS
from pipeline.simulator.parameters import Habits, SimulatedShop
from pipeline.simulator.shop import simulate

HOUR = 3_600_000
CACHE_BYTES = 256 * 1024 * 1024
FRAME_ROWS = 2_400
FRAMES_A_TRANSACTION = 4
REPEATS = 3
START = 1_700_000_000_000
CONTROL = "pipeline.control"
SHOP = SimulatedShop(seed=31, sessions=60_000, duration_ms=730 * DAY, habits=Habits(known_visits=0.9))
ORDERS_A_FRAME = 20
"""About as many as come in a day: the clock passes each."""

_cpu = time.process_time


class Record(NamedTuple):
    """A record as a consumer returns it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


def measure(events: int) -> None:
    """Print what the heads add to the engine, CPU us an event, and what the learner does of their examples."""
    frames = _frames(events)
    bare, without, scored = [], [], []
    examples: list[Example] = []
    _fold(frames, [])
    for _ in range(REPEATS):
        if not COMPILED:
            with _no_heads():
                bare.append(_fold(frames, [])[0])
        seconds, examples = _fold(frames, [])
        without.append(seconds)
    snapshots = _learn([*examples, *_fold(_years_of_orders(), [])[1]])
    scored = [_fold(frames, snapshots)[0] for _ in range(REPEATS)]
    per = 1e6 / events
    figure("heads.scores", (min(scored) - min(without)) * per, "us/event")
    if not bare:
        say("heads: out of what is compiled they cannot be taken; `make interpreted` to see what all of them cost")
        return
    figure("heads.engine_without", min(bare) * per, "us/event")
    figure("heads.features", (min(without) - min(bare)) * per, "us/event")
    figure("heads.all", (min(scored) - min(bare)) * per, "us/event")


def _learn(examples: list[Example]) -> list[Snapshot]:
    """Learn the examples of each head, over and over where they are few. Returns what was learned."""
    snapshots = []
    for name, head in {**HEADS, **COUNTS}.items():
        own = [example for example in examples if example.head == name]
        if not own:
            say(f"heads: neither stream has examples of {name}")
            continue
        learner, count = new_learner(head), 0
        began = _cpu()
        while count < 20_000:
            for example in own:
                learn(learner, example)
                count += 1
                if count % 200 == 0:
                    learner.snapshot(example.at)
        figure(f"learner.{name}.examples", len(own), "")
        figure(f"learner.{name}.rate", count / (_cpu() - began), "examples/s of one core")
        snapshot = learner.snapshot(START)
        figure(f"learner.{name}.snapshot", len(encode_snapshot(snapshot)), "bytes")
        figure(f"learner.{name}.state", len(stored(learner)), "bytes")
        snapshots.append(msgspec.structs.replace(snapshot, quality=type(snapshot.quality)()))
    return snapshots


def _frames(events: int) -> list[bytes]:
    """The skewed stream, framed as ingest does it, with a watermark after each frame."""
    namespace = new_namespace("bench", Mode.LIVE, 1)
    ids = {source.topic: number for number, source in enumerate(namespace.sources)}
    framer = Framer(namespace, "bench", FRAME_ROWS)
    frames = [_control(ids[CONTROL], 0, NamespaceRow(msgspec.json.encode(namespace)))]
    waiting: dict[int, list[Record]] = {}
    offsets = dict.fromkeys(ids.values(), 0)
    for number, sent in enumerate(stream(events, SKEWED, START, START + HOUR), start=1):
        source = ids[sent.topic]
        waiting.setdefault(source, []).append(Record(offsets[source], sent.at, sent.key, sent.value))
        offsets[source] += 1
        if number % FRAME_ROWS == 0:
            frames += [data for _, data in framer.frame(waiting.items(), sent.at).frames]
            frames.append(framer.tick([Mark(clocked, sent.at - 1_000) for clocked in namespace.clocked()], []))
            waiting = {}
    return frames


def _years_of_orders() -> list[bytes]:
    """What reorder and count learn from ends days to a year after an order: the orders of a shop over two years."""
    namespace = new_namespace("bench", Mode.LIVE, 1)
    ids = {source.topic: number for number, source in enumerate(namespace.sources)}
    framer = Framer(namespace, "bench", FRAME_ROWS)
    frames = [_control(ids[CONTROL], 0, NamespaceRow(msgspec.json.encode(namespace)))]
    orders = [one for one in simulate(SHOP, lambda _: None) if one.topic == ORDERS]
    for first in range(0, len(orders), ORDERS_A_FRAME):
        some = orders[first : first + ORDERS_A_FRAME]
        records = [
            Record(first + place, one.at_ms, one.key.encode(), msgspec.json.encode(one.event))
            for place, one in enumerate(some)
        ]
        frames += [data for _, data in framer.frame([(ids[ORDERS], records)], some[-1].at_ms).frames]
        frames.append(framer.tick([Mark(clocked, some[-1].at_ms - 1_000) for clocked in namespace.clocked()], []))
    return frames


def _fold(frames: list[bytes], snapshots: list[Snapshot]) -> tuple[float, list[Example]]:
    """Fold, with models from the start. Returns the CPU seconds, and the examples."""
    store: dict[bytes, bytes] = {}
    engine = PartitionEngine(0, store.get, [], CACHE_BYTES)
    engine.apply(0, frames[0])
    models = next(n for n, source in enumerate(new_namespace("bench", Mode.LIVE, 1).sources) if source.topic == MODELS)
    for number, snapshot in enumerate(snapshots, start=1):
        row = ModelRow(snapshot.head, snapshot.version, encode_snapshot(snapshot))
        engine.apply(number, _control(models, number, row))
    examples = []
    began, first = _cpu(), len(snapshots)
    for offset, data in enumerate(frames[1:], start=first + 1):
        engine.apply(offset, data)
        if offset % (2 * FRAMES_A_TRANSACTION) == 0:
            batch = engine.take()
            store.update(batch.rows)
            examples += [value for _, value in batch.examples]
    return _cpu() - began, [decode_example(value) for value in examples]


@contextmanager
def _no_heads() -> Iterator[None]:
    """An engine that learns and scores nothing, to compare with. Compiled code calls its own all the same."""
    with patch.object(heads, "take", lambda *_: None):
        yield


def _control(source: int, offset: int, event: NamespaceRow | ModelRow) -> bytes:
    rows = (Row(source, offset, 0, START, "", event),)
    return encode_frame(Frame(FORMAT, FrameKind.CONTROL, "live", rows))
