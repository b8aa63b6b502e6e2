"""The engine decides what the oracle decides, however the sources are polled, framed, committed and restarted."""

import os
from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.config.durations import DAY, Millis
from pipeline.config.policy import CartOverride, Policy
from tests.engine import worlds
from tests.engine.harness import (
    NAMESPACE,
    NEVER_SILENT,
    Frames,
    build_log,
    fold_log,
    outcomes,
    policy_of,
    sources_of,
    with_clocks,
    with_ticks,
    wrongly_due,
)
from tests.oracle.cart_oracle import Input, Rules, expect, judge

END = worlds.BASE + 30 * DAY


def log_of(
    history: list[Input],
    rules: Rules,
    random: Random,
    *,
    poll: int,
    share: float | None,
    resend: float = 0,
    silent_after: int = NEVER_SILENT,
    policy: Policy | None = None,
) -> Frames:
    sources = sources_of(NAMESPACE, history)
    skew = None
    if share is None:
        skew = worlds.GRID
        with_ticks(NAMESPACE, sources, random, worlds.GRID, (worlds.BASE, worlds.LAST), END, 3 * worlds.GRID + 2)
    else:
        with_clocks(NAMESPACE, sources, random, share, END)
    policy = policy or policy_of(rules, silent_after=Millis(silent_after))
    log, rejects = build_log(NAMESPACE, policy, sources, random, poll=poll, skew=skew, resend=resend)
    assert not rejects
    return log


seeds = st.integers(0, 2**16)

FRAMINGS: list[tuple[int, float | None]] = [(1, None), (1, 0.3), (7, 0.5), (100, 0.2), (5_000, 0.0)]
"""Size of a poll, and the share of records that a clock record precedes; None: all sources are read side by side, with
a clock record a slot, as in a live log."""


def check_framings(history: list[Input], rules: Rules, random: Random) -> None:
    expected = expect(history, rules, END)
    told = []
    for poll, share in FRAMINGS:
        log = log_of(history, rules, random, poll=poll, share=share, resend=0.1 if poll == 7 else 0)
        run = fold_log(log, random, check=True)
        assert not run.rejects
        assert judge(run.decisions(), expected) == [], (poll, share)
        assert wrongly_due(run, expected) == [], (poll, share)
        ids = Counter(decision["decision_id"] for decision in run.decisions())
        assert not [identity for identity, count in ids.items() if count > 1]
        told.append(outcomes(run))
    assert all(other == told[0] for other in told)


def check_restarts(
    history: list[Input], rules: Rules, framing: tuple[int, float | None], seed: int, silent_after: int
) -> None:
    random = Random(seed)
    log = log_of(history, rules, random, poll=framing[0], share=framing[1], silent_after=silent_after)
    told = fold_log(log, random, commit=0).outputs
    assert fold_log(log, random, commit=1).outputs == told
    assert fold_log(log, random, commit=0.5, crash=0.5, cache=100).outputs == told
    assert fold_log(log, random, commit=0.5, crash=1, lose=0.2).outputs == told


@given(worlds.histories(), worlds.rules, seeds)
def test_every_framing_decides_what_the_oracle_decides(history: list[Input], rules: Rules, seed: int) -> None:
    check_framings(history, rules, Random(seed))


SILENCES = [NEVER_SILENT, 3 * worlds.GRID]


@given(worlds.histories(), worlds.rules, st.sampled_from(FRAMINGS), seeds, st.sampled_from(SILENCES))
def test_commits_and_restarts_change_no_byte(
    history: list[Input], rules: Rules, framing: tuple[int, float | None], seed: int, silent_after: int
) -> None:
    check_restarts(history, rules, framing, seed, silent_after)


WORLDS = int(os.environ.get("WORLDS", "300"))


def test_random_worlds_are_decided_as_the_oracle_does() -> None:
    for seed in range(WORLDS):
        random = Random(seed)
        check_framings(worlds.random_history(random), worlds.random_rules(random), random)


def test_random_worlds_outlast_restarts() -> None:
    for seed in range(WORLDS // 2):
        random = Random(seed)
        history, rules = worlds.random_history(random), worlds.random_rules(random)
        check_restarts(history, rules, random.choice(FRAMINGS), seed, random.choice(SILENCES))


def test_categories_and_keep_rest_are_decided_alike_in_every_framing() -> None:
    """The oracle knows neither; what it cannot judge must at least not depend on the framing."""
    for seed in range(WORLDS // 2):
        random = Random(seed)
        history, rules = worlds.random_history(random), worlds.random_rules(random)
        for _, event, _ in history:
            for item in event.get("items", ()):
                item["item_category"] = f"category {item['item_id']}"
        bought = [{"item_id": random.choice(worlds.SKUS)} for _ in range(2)]
        for _, event, _ in history:
            if event["type"] == "purchase":
                event["items"] = bought
        keep = random.choice(["close", "keep_rest"])
        site = policy_of(rules, partial_order=keep).sites["*"]
        categories = {
            "category a": CartOverride(steps=(Millis(worlds.GRID), Millis(4 * worlds.GRID))),
            "category b": CartOverride(enabled=False),
            "category c": CartOverride(min_value=4_000, steps=(Millis(8 * worlds.GRID),)),
        }
        policy = Policy({"*": replace(site, cart=replace(site.cart, categories=categories))})
        told = []
        for poll, share in FRAMINGS:
            log = log_of(history, rules, random, poll=poll, share=share, policy=policy)
            told.append(outcomes(fold_log(log, random)))
        assert all(other == told[0] for other in told), seed
