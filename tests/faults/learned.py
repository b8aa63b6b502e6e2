"""What was learned on a stage, and what was scored with it: a look of our own at examples, snapshots and triggers."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pipeline.config.namespace import EXAMPLES, LOG
from pipeline.engine.models import scorer_of
from pipeline.kafka.clients import reader
from pipeline.kafka.topics import read_namespace
from pipeline.learner.kinds import resumed
from pipeline.learner.shelf import Shelf, read_shelf
from pipeline.learning.heads import COUNTS, HEADS
from pipeline.log.frames import FrameKind, decode_frame
from pipeline.log.rows import ModelRow
from pipeline.scoring.example import decode_example
from pipeline.scoring.snapshot import SnapshotError
from tests.faults.processes import Process, Stage


class Version(NamedTuple):
    """A snapshot of a head."""

    head: str
    version: int


def snapshots(stage: Stage) -> set[Version]:
    """Those that are in every partition of the log and may be scored with."""
    found: dict[int, set[Version]] = {partition: set() for partition in range(stage.settings.topics.partitions)}
    for record in stage.records(LOG):
        frame = decode_frame(record.value)
        if frame.kind == FrameKind.MODEL:
            rows = [row.event for row in frame.rows]
            found[record.partition] |= {Version(row.head, row.version) for row in rows if _is_fit(row)}
    return set.intersection(*found.values())


def wait_for_snapshots(stage: Stage, heads: set[str], patience: float = 120) -> None:
    """Wait until a snapshot of each of these heads is in the log and may be scored with."""
    until = time.monotonic() + patience
    while missing := heads - {one.head for one in snapshots(stage)}:
        assert time.monotonic() < until, f"no snapshot of {missing} to score with: learned {trained(stage)}"
        stage.tend()
        time.sleep(0.5)


def end_learning(stage: Stage, learner: Process, patience: float = 60) -> None:
    """Wait until each example is learned, once, and stop the learner: no further snapshot comes into the log."""
    until = time.monotonic() + patience
    while (learned := trained(stage)) != (there := examples(stage)):
        assert time.monotonic() < until, f"learned {learned} of {there}"
        stage.tend()
        time.sleep(0.5)
    assert learner.stop() == 0


def examples(stage: Stage) -> Counter[str]:
    """How many there are to learn from, by head."""
    return Counter(decode_example(record.value).head for record in stage.records(EXAMPLES))


def told_of(stage: Stage) -> Counter[str]:
    """Of how many examples it is known what was said when they began, by head."""
    known = [decode_example(record.value) for record in stage.records(EXAMPLES)]
    return Counter(example.head for example in known if example.served is not None)


def trained(stage: Stage) -> Counter[str]:
    """How many the learner has committed as learned, by head."""
    kept = asyncio.run(_shelf(stage))
    specs = {**HEADS, **COUNTS}
    states = {head: kept.checkpoint(head) for head in specs}
    return Counter({head: resumed(specs[head], state.state).trained for head, state in states.items() if state})


def scored(triggers: Iterable[Mapping[str, Any]]) -> Counter[Version]:
    """How many triggers tell a score, by the snapshot that it came of."""
    return Counter(
        Version(score["head"], score["version"]) for one in triggers for score in one["data"].get("scores", ())
    )


def _is_fit(row: ModelRow) -> bool:
    try:
        scorer_of(row)
    except SnapshotError:  # by its loss, mostly
        return False
    return True


async def _shelf(stage: Stage) -> Shelf:
    async with reader(stage.settings) as consumer:
        return (await read_shelf(consumer, await read_namespace(stage.settings)))[0]
