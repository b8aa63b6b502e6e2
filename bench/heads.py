"""What the heads cost: the engine in memory with and without them, and the learner on the examples that come of it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench.events import SKEWED, stream
from bench.folding import encode_work, fold
from bench.framing import START, Log, Published, frame
from bench.report import figure, say
from pipeline.config.durations import DAY
from pipeline.engine.build import COMPILED
from pipeline.learner.kinds import learn, new_learner, stored
from pipeline.learning.heads import COUNTS, HEADS
from pipeline.scoring.example import Example
from pipeline.scoring.snapshot import Snapshot, encode_snapshot
from pipeline.simulator.happening import ORDERS
from pipeline.simulator.parameters import Habits, SimulatedShop
from pipeline.simulator.shop import simulate

HOUR = 3_600_000
POLLED = 9_600
"""Records that ingest takes from a backlog at a time; they become a frame of each partition."""
REPEATS = 3
ROOT = Path(__file__).resolve().parents[1]
TELLS = "heads.take(customer, known, person, event, site)"
"""Where an engine tells the heads of an event."""
SHOP = SimulatedShop(seed=31, sessions=60_000, duration_ms=730 * DAY, habits=Habits(known_visits=0.9))
ORDERS_A_FRAME = 20
"""About as many as come in a day: the clock passes each."""

_cpu = time.process_time


def measure(events: int) -> None:
    """Print what the heads add to the engine, CPU us an event, and what the learner does of their examples."""
    log = _backlog(events)
    _, examples = fold(log, [])
    snapshots = _learn([*examples, *fold(_years_of_orders(), [])[1]])
    bare, without, scored = [], [], []
    with tempfile.TemporaryDirectory(prefix="bench-heads-") as folder:
        plain, learned = Path(folder, "plain"), Path(folder, "learned")
        plain.write_bytes(encode_work(log, []))
        learned.write_bytes(encode_work(log, snapshots))
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


def _backlog(events: int) -> Log:
    """The skewed stream, framed as ingest frames a backlog."""
    found = [
        Published(one.topic, one.key.decode(), one.value, one.at) for one in stream(events, SKEWED, START, START + HOUR)
    ]
    return frame([found[first : first + POLLED] for first in range(0, events, POLLED)])


def _years_of_orders() -> Log:
    """What reorder and count learn from ends days to a year after an order: the orders of a shop over two years."""
    orders = [
        Published(one.topic, one.key, msgspec.json.encode(one.event), one.at_ms)
        for one in simulate(SHOP, lambda _: None)
        if one.topic == ORDERS
    ]
    return frame([orders[first : first + ORDERS_A_FRAME] for first in range(0, len(orders), ORDERS_A_FRAME)])
