"""Folds a simulated shop with models and says what came of it, for an engine that is compiled and one that is not.

`python -m tests.engine.both_ways` prints one JSON object: how the engine ran, what it did, and a digest of every byte.
"""

import json
from collections import Counter
from hashlib import sha256
from random import Random

import msgspec

from pipeline.config.durations import DAY, MINUTE
from pipeline.engine.build import COMPILED
from pipeline.heads.table import SPECS
from pipeline.replay.history import simulated
from pipeline.scoring.features import Spec
from pipeline.scoring.snapshot import Snapshot
from pipeline.simulator import SimulatedShop
from tests.engine.harness import build_log, policy_of, sources_of, with_ticks
from tests.engine.learned import LearningShop, constant, row
from tests.engine.shop import CONTROL
from tests.oracle.cart_oracle import Rules

SHOP = SimulatedShop(seed=11, customers=150, sessions=2_500, duration_ms=6 * DAY)
RULES = Rules(steps=(30 * MINUTE, 240 * MINUTE))
FRAMES_A_COMMIT = 5


def fold() -> dict[str, object]:
    """Fold the shop. The models are random: what matters is that every column of them is added."""
    random = Random(5)
    history = simulated(SHOP)
    inputs = [(h.topic, json.loads(msgspec.json.encode(h.event)), h.at_ms) for h in history.tell()]
    begin, end = inputs[0][2], history.span.last_ms + 40 * DAY
    shop = LearningShop()
    sources = sources_of(shop.namespace, inputs)
    with_ticks(shop.namespace, sources, random, 20 * MINUTE, (begin, end), end)
    log, _ = build_log(shop.namespace, policy_of(RULES), sources, random, poll=50, skew=60 * MINUTE)
    shop.offsets[CONTROL] = 1_000_000  # the log has records of its own from there
    for head, spec in SPECS.items():
        shop.broadcast(row(_random_snapshot(head, spec, random)))
    for number, frame in enumerate(log[0]):
        shop.engine.apply(shop.offset, frame)
        shop.offset += 1
        if number % FRAMES_A_COMMIT == 0:
            shop.commit()
    shop.commit()
    whole = sha256()
    for output in shop.outputs:
        whole.update(output.key + output.value + repr(output.headers).encode())
    for key in sorted(shop.store):
        whole.update(key + shop.store[key])
    for example in shop.examples:
        whole.update(repr(example).encode())
    said = Counter(f"{output.kind}.{output.outcome}" for output in shop.outputs)
    scores = sum(b'"scores"' in output.value for output in shop.outputs)
    return {
        "compiled": COMPILED,
        "said": dict(sorted(said.items())),
        "with_scores": scores,
        "examples": Counter(example.head for example in shop.examples),
        "rejects": len(shop.rejects),
        "digest": whole.hexdigest(),
    }


def _random_snapshot(head: str, spec: Spec, random: Random) -> Snapshot:
    flat = constant(head, -1.0)
    return msgspec.structs.replace(
        flat,
        weights=[random.gauss(0, 0.3) for _ in spec.numbers],
        means=[random.uniform(0, 2) for _ in spec.numbers],
        scales=[random.uniform(0.5, 2) for _ in spec.numbers],
        cells=[random.gauss(0, 0.3) for _ in spec.cells],
        calibration=(0.9, -0.1),
    )


if __name__ == "__main__":
    print(json.dumps(fold()))  # noqa: T201
