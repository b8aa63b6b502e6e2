"""Whole shops, simulated and from public logs: the engine decides what the oracle decides, and values stay small."""

import json
from functools import cache
from pathlib import Path
from random import Random
from statistics import median, quantiles

import msgspec
import pytest

from pipeline.config.durations import DAY, HOUR, MINUTE
from pipeline.replay.datasets import read_dataset
from pipeline.replay.history import History, simulated
from pipeline.simulator import SimulatedShop
from tests.engine.harness import (
    NAMESPACE,
    Run,
    build_log,
    fold_log,
    outcomes,
    policy_of,
    sources_of,
    with_ticks,
    wrongly_due,
)
from tests.oracle.cart_oracle import Expected, Input, Rules, expect, judge

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RULES = Rules(steps=(30 * MINUTE, 4 * HOUR, 24 * HOUR))

SHOPS = {
    "simulated": (None, "EUR"),
    "rees46": ("rees46_2019_oct_head.csv.gz", "USD"),
    "taobao": ("taobao_dev.csv.gz", "USD"),
}

MEDIAN_BYTES = {"simulated": 500, "rees46": 500, "taobao": 650}
"""Of a customer. 500 is what is typical; Taobao's people come back on most of its nine days, look at more, and
so more of them are shown something on site."""

FRAMINGS = [(100, 20 * MINUTE), (5_000, 2 * HOUR)]
"""Size of a poll, and time between clock records."""


@cache
def told(shop: str) -> tuple[list[Input], int, dict[str, Expected]]:
    file, _ = SHOPS[shop]
    history: History
    if file is None:
        history = simulated(SimulatedShop(seed=7, customers=120, sessions=1_200, duration_ms=5 * DAY))
    elif not (DATA / file).exists():
        pytest.skip(f"{file} is not on this machine")
    else:
        history = read_dataset(DATA / file, limit=12_000)
    inputs = [
        (happening.topic, json.loads(msgspec.json.encode(happening.event)), happening.at_ms)
        for happening in history.tell()
        if happening.topic != "shop.catalog"
    ]
    end = history.span.last_ms + 10 * DAY
    return inputs, end, expect(inputs, RULES, end)


@cache
def run_of(shop: str, poll: int, every: int) -> Run:
    inputs, end, _ = told(shop)
    begin = inputs[0][2]
    random = Random(poll)
    sources = sources_of(NAMESPACE, inputs)
    with_ticks(NAMESPACE, sources, random, every, (begin, end), end)
    log, rejects = build_log(NAMESPACE, policy_of(RULES, SHOPS[shop][1]), sources, random, poll=poll, skew=HOUR)
    assert not rejects
    return fold_log(log, random, commit=0.02, crash=0.1, cache=20_000)


@pytest.mark.parametrize(("poll", "every"), FRAMINGS)
@pytest.mark.parametrize("shop", SHOPS)
def test_a_shop_is_decided_as_the_oracle_does(shop: str, poll: int, every: int) -> None:
    run = run_of(shop, poll, every)
    assert judge(run.decisions(), told(shop)[2]) == []
    assert wrongly_due(run, told(shop)[2]) == []
    assert not run.rejects


@pytest.mark.parametrize("shop", SHOPS)
def test_framing_changes_nothing_for_a_shop(shop: str) -> None:
    assert outcomes(run_of(shop, *FRAMINGS[0])) == outcomes(run_of(shop, *FRAMINGS[1]))


@pytest.mark.parametrize("shop", SHOPS)
def test_values_are_small(shop: str) -> None:
    sizes = sorted(len(value) for value in run_of(shop, *FRAMINGS[1]).people().values())
    cuts = quantiles(sizes, n=100)
    print(  # noqa: T201  # for whoever runs this with -s
        f"{shop}: {len(sizes)} people, median {median(sizes):.0f} B, mean {sum(sizes) / len(sizes):.0f} B, "
        f"p90 {cuts[89]:.0f} B, p99 {cuts[98]:.0f} B, largest {sizes[-1]} B"
    )
    assert median(sizes) <= MEDIAN_BYTES[shop]
    assert sizes[-1] <= 8_000
