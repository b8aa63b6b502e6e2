"""What is looked at after what, learned live: it is suggested, whoever is killed, and the proof holds all the same."""

import asyncio
import time
import urllib.request
from collections import Counter
from collections.abc import Callable

from pipeline.config.namespace import LOG, TOUCHES
from pipeline.engine.partition import PartitionEngine
from pipeline.local.ports import free_port
from pipeline.next_item.touch import decode_touches, encode_touches
from pipeline.replay.publish import SETTLE
from tests.faults.histories import a_shop, slices
from tests.faults.processes import Stage
from tests.learner.item_rows import touched


def handed_over(stage: Stage) -> Counter[str]:
    """How often each product was touched, as the worker has said."""
    return Counter(touch.item for record in stage.records(TOUCHES) for touch in decode_touches(record.value))


def as_the_log_says(stage: Stage) -> Counter[str]:
    """The same by a fold of our own."""
    found: Counter[str] = Counter()
    for partition in range(stage.settings.topics.partitions):
        rows: dict[bytes, bytes] = {}
        engine = PartitionEngine(partition, rows.get, [], 1_000_000)
        for record in stage.records(LOG):
            if record.partition == partition:
                engine.apply(record.offset, record.value)
                batch = engine.take()
                rows.update(batch.rows)
                found.update(touch.item for touch in decode_touches(encode_touches(batch.touches)))
    return found


def learned(stage: Stage) -> Counter[str]:
    return asyncio.run(touched(stage.settings))


def until(stage: Stage, what: str, met: Callable[[], bool], patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline, f"after {patience:.0f} s still not so: {what}"
        stage.tend()
        time.sleep(0.3)


def shelf_rows(port: int) -> float:
    """Rows that a worker can suggest from; 0 while it does not say."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            rows = answer.read().decode().splitlines()
    except OSError:
        return 0.0
    found = [float(row.split()[1]) for row in rows if row.startswith("pipeline_next_item_shelf_rows ")]
    return found[0] if found else 0.0


def test_what_was_learned_is_suggested_through_kills_and_the_proof_holds(stage_of) -> None:
    stage: Stage = stage_of()
    first, second = slices(a_shop(500, seed=4), 2)
    port = free_port()
    learner, _ = stage.learner(), stage.ingest()
    worker = stage.worker(PIPELINE_METRICS_WORKER_PORT=str(port))
    stage.serve()
    stage.publish(first)
    until(stage, "something is learned", lambda: learned(stage).total() > 0)
    learner.kill()
    worker.kill()
    before = learned(stage)
    learner.start()
    worker.start()
    until(stage, "the worker has rows", lambda: shelf_rows(port) > 0)
    stage.publish(second, settle_ms=SETTLE)
    stage.settle(second.span.last_ms + SETTLE)
    until(stage, "each touch is learned, once", lambda: learned(stage) == handed_over(stage))
    assert handed_over(stage) == as_the_log_says(stage)
    assert learned(stage).total() > before.total() > 0
    told = [one for trigger in stage.triggers() for one in trigger["data"].get("suggestions", ())]
    assert {"own", "together"} <= {one["why"] for one in told}, Counter(one["why"] for one in told)
    stage.prove()
