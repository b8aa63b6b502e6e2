"""An engine in memory: `python -m bench.folding FILE` prints the CPU seconds that folding the work in a file takes."""

import sys
import time
from pathlib import Path

import msgspec

from pipeline.config.namespace import MODELS, Mode, new_namespace
from pipeline.engine.partition import PartitionEngine
from pipeline.log.frames import FORMAT, Frame, FrameKind, encode_frame
from pipeline.log.rows import ModelRow, NamespaceRow, Row
from pipeline.scoring.example import Example, decode_example
from pipeline.scoring.snapshot import Snapshot, encode_snapshot

CACHE_BYTES = 256 * 1024 * 1024
FRAMES_A_TRANSACTION = 4
START = 1_700_000_000_000

_cpu = time.process_time


def encode_work(frames: list[bytes], snapshots: list[Snapshot]) -> bytes:
    """Frames to fold, and the models to score with from the start."""
    return msgspec.msgpack.encode((frames, snapshots))


def fold(frames: list[bytes], snapshots: list[Snapshot]) -> tuple[float, list[Example]]:
    """Fold, with models from the start. Returns the CPU seconds, and the examples."""
    store: dict[bytes, bytes] = {}
    engine = PartitionEngine(0, store.get, [], CACHE_BYTES)
    engine.apply(0, frames[0])
    models = next(n for n, source in enumerate(new_namespace("bench", Mode.LIVE, 1).sources) if source.topic == MODELS)
    for number, snapshot in enumerate(snapshots, start=1):
        row = ModelRow(snapshot.head, snapshot.version, encode_snapshot(snapshot))
        engine.apply(number, control(models, number, row))
    examples = []
    began, first = _cpu(), len(snapshots)
    for offset, data in enumerate(frames[1:], start=first + 1):
        engine.apply(offset, data)
        if offset % (2 * FRAMES_A_TRANSACTION) == 0:
            batch = engine.take()
            store.update(batch.rows)
            examples += [value for _, value in batch.examples]
    return _cpu() - began, [decode_example(value) for value in examples]


def control(source: int, offset: int, event: NamespaceRow | ModelRow) -> bytes:
    """A frame of one record that every partition gets."""
    rows = (Row(source, offset, 0, START, "", event),)
    return encode_frame(Frame(FORMAT, FrameKind.CONTROL, "live", rows))


def main() -> None:
    """Fold, and say how long it took."""
    frames, snapshots = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=tuple[list[bytes], list[Snapshot]])
    print(fold(frames, snapshots)[0])


if __name__ == "__main__":
    main()
