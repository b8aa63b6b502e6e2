"""An engine in memory: `python -m bench.folding FILE` prints the CPU seconds that folding the work in a file takes."""

import gc
import sys
import time
from pathlib import Path

import msgspec

from bench.framing import Log, model
from pipeline.engine.partition import PartitionEngine
from pipeline.log.rows import ModelRow
from pipeline.scoring.example import Example, decode_example
from pipeline.scoring.snapshot import Snapshot, encode_snapshot
from pipeline.worker.run import GC_THRESHOLD

CACHE_BYTES = 256 * 1024 * 1024
FRAMES_A_TRANSACTION = 4
"""Of a partition, every other a watermark: about as many as a worker with a backlog takes."""

_cpu = time.process_time


def encode_work(log: Log, snapshots: list[Snapshot]) -> bytes:
    """Frames to fold, and the models to score with from the start."""
    return msgspec.msgpack.encode((log, snapshots))


def fold(log: Log, snapshots: list[Snapshot]) -> tuple[float, list[Example]]:
    """Fold, with models from the start. Returns the CPU seconds, and the examples."""
    stores: list[dict[bytes, bytes]] = [{} for _ in log]
    engines = [PartitionEngine(p, store.get, [], CACHE_BYTES // len(log)) for p, store in enumerate(stores)]
    for engine, frames in zip(engines, log, strict=True):
        engine.apply(0, frames[0])
        for number, snapshot in enumerate(snapshots, start=1):
            engine.apply(number, model(number, ModelRow(snapshot.head, snapshot.version, encode_snapshot(snapshot))))
    examples: list[bytes] = []
    began, known = _cpu(), len(snapshots)
    for number in range(1, max(map(len, log))):
        for engine, frames, store in zip(engines, log, stores, strict=True):
            if number < len(frames):
                engine.apply(known + number, frames[number])
            if number % FRAMES_A_TRANSACTION == 0:
                batch = engine.take()
                store.update(batch.rows)
                examples += [value for _, value in batch.examples]
    return _cpu() - began, [decode_example(value) for value in examples]


def main() -> None:
    """Fold, and say how long it took; garbage is looked for as often as in a worker."""
    gc.set_threshold(*GC_THRESHOLD)
    log, snapshots = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=tuple[Log, list[Snapshot]])
    print(fold(log, snapshots)[0])


if __name__ == "__main__":
    main()
