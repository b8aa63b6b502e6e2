"""What the heads cost: the engine in memory with and without them, and the learner on the examples that come of it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.events import SKEWED, stream
from bench.folding import START, control, encode_work, fold
from bench.report import figure, say
from pipeline.config.durations import DAY
from pipeline.config.namespace import Mode, new_namespace
from pipeline.engine.build import COMPILED
from pipeline.ingest.framing import Framer
from pipeline.learner.kinds import learn, new_learner, stored
from pipeline.learning.heads import COUNTS, HEADS
from pipeline.log.frames import Mark
from pipeline.log.rows import NamespaceRow
from pipeline.scoring.example import Example
from pipeline.scoring.snapshot import Snapshot, encode_snapshot
from pipeline.simulator.happening import ORDERS
from pipeline.simulator.parameters import Habits, SimulatedShop
from pipeline.simulator.shop import simulate

HOUR = 3_600_000
FRAME_ROWS = 2_400
REPEATS = 3
ROOT = Path(__file__).resolve().parents[1]
TELLS = "heads.take(customer, known, person, event, site)"
"""Where an engine tells the heads of an event."""
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
    _, examples = fold(frames, [])
    snapshots = _learn([*examples, *fold(_years_of_orders(), [])[1]])
    bare, without, scored = [], [], []
    with tempfile.TemporaryDirectory(prefix="bench-heads-") as folder:
        plain, learned = Path(folder, "plain"), Path(folder, "learned")
        plain.write_bytes(encode_work(frames, []))
        learned.write_bytes(encode_work(frames, snapshots))
        headless = _without_heads(Path(folder, "headless"))
        for _ in range(REPEATS):
            bare.append(_folded(headless, plain))
            without.append(_folded(ROOT, plain))
            scored.append(_folded(ROOT, learned))
    per = 1e6 / events
    figure("heads.engine_without", min(bare) * per, "us/event")
    figure("heads.features", (min(without) - min(bare)) * per, "us/event")
    figure("heads.scores", (min(scored) - min(without)) * per, "us/event")
    figure("heads.all", (min(scored) - min(bare)) * per, "us/event")


def _without_heads(copy: Path) -> Path:
    """A copy of the package whose engine tells the heads nothing, compiled where this one is."""
    for part in ("pipeline", "bench"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for part in ("pyproject.toml", "mypyc.ini", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, copy)
    fold_of = copy / "pipeline" / "engine" / "fold.py"
    source = fold_of.read_text()
    if source.count(TELLS) != 1:
        raise RuntimeError(f"{fold_of.name} does not say {TELLS!r} once: the heads are told elsewhere")
    fold_of.write_text(source.replace(TELLS, "pass"))
    if COMPILED:
        say("heads: compiling an engine without them")
        wheel = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
        environment = os.environ | {"HATCH_BUILD_HOOK_ENABLE_MYPYC": "true"}
        subprocess.run(wheel, cwd=copy, env=environment, check=True, capture_output=True)
    return copy


def _folded(root: Path, work: Path) -> float:
    """CPU seconds of folding some work in a process of its own, with the package below `root`."""
    command = [sys.executable, "-m", "bench.folding", str(work)]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


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
    frames = [control(ids[CONTROL], 0, NamespaceRow(msgspec.json.encode(namespace)))]
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
    frames = [control(ids[CONTROL], 0, NamespaceRow(msgspec.json.encode(namespace)))]
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
