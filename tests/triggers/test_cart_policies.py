"""Carts that wait while the policy changes: what comes due sooner by the new one is looked at in time."""

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pipeline.config.durations import DAY
from pipeline.config.policy import Policy, encode_policy
from pipeline.engine.outputs import rfc3339
from pipeline.log.rows import CartOp
from pipeline.state.cart import Cart
from tests.engine import worlds
from tests.engine.harness import CONTROL, NAMESPACE, LogWriter, Record, fold_log, policy_of, sources_of, wrongly_due
from tests.engine.shop import Shop, add, at, cart, clear, click, order, remove, site_policy, word
from tests.oracle.cart_oracle import Input, Rules, expect, judge

WORLDS = int(os.environ.get("WORLDS", "300"))
END = worlds.BASE + 30 * DAY


# -- one sentence a test


UNLEARNED = word(-50, False, purpose="profile")
"""Who objects to a profile: for the labels of the models the clock would look at a cart every now and then anyway."""


@pytest.mark.parametrize(
    "event",
    [click(100), add(100, "c"), remove(100, "c"), cart(100, CartOp.CHECKOUT)],
    ids=["click", "add", "remove", "checkout"],
)
def test_a_change_that_waits_is_looked_at_by_the_shorter_step_of_a_new_policy(event: Any) -> None:
    shop = Shop(site_policy(steps=(110,)), live=True)
    shop.tell(UNLEARNED, add(0), add(1, "b"))
    shop.set_policy(site_policy(steps=(30,)))
    shop.tell(event)
    shop.clock(31)
    assert [(said.outcome, said.minute) for said in shop.said()] == [("emitted", 31)]


def test_a_step_that_a_new_policy_adds_is_said_though_all_had_been_decided() -> None:
    shop = Shop(site_policy(steps=(30,)), live=True)
    shop.tell(add(0))
    shop.clock(30)
    shop.set_policy(site_policy(steps=(30, 60)))
    shop.tell(click(31))
    shop.clock(91)
    assert [(said.step, said.minute) for said in shop.said()] == [(1, 30), (2, 91)]


def test_a_policy_that_is_taken_back_leaves_carts_as_they_were() -> None:
    shop = Shop(site_policy(steps=(60,)), live=True)
    shop.tell(add(0))
    for steps in ((30,), (600,), (60,)):
        shop.set_policy(site_policy(steps=steps))
        shop.tell(click(1))
    shop.clock(31)
    assert shop.said() == []
    shop.clock(61)
    assert [(said.outcome, said.minute) for said in shop.said()] == [("emitted", 61)]


def test_a_cart_that_was_stored_before_policies_were_noted_is_read_and_looked_at_anew() -> None:
    shop = Shop(live=True)
    shop.tell(add(0), add(1, "b"))
    stored = shop.customer().cart
    assert stored is not None
    earlier = msgspec.to_builtins(stored)[:-1]
    assert msgspec.convert(earlier, Cart) == replace(stored, rules=0)
    shop.tell(click(2))
    assert shop.customer().cart == stored


# -- worlds


def changing(random: Random) -> Iterator[tuple[str, Any]]:
    """What happens: events up to six slots ahead of the clock or two behind it, ticks, and new policies.

    After a new policy everybody does something, as it counts from then on.
    """
    slot = 0
    for _ in range(60):
        kind = random.choices(["event", "tick", "policy"], [8, 3, 1])[0]
        if kind == "tick":
            slot += random.choice([1, 1, 1, 2, 9])
            yield "tick", slot
        elif kind == "policy":
            steps = random.choice([(3,), (3, 6), (2, 5, 12), (6, 9), (12,), (3, 4, 5, 6)])
            yield "policy", tuple(step * 10 for step in steps)
            yield "event", _event(random, slot + random.randint(-2, 6))
        else:
            yield "event", _event(random, slot + random.randint(-2, 6))
    yield "tick", slot + 400


def _event(random: Random, slot: int) -> Any:
    minute = slot * 10 + random.choice([0, 0, 0, 1])
    return random.choice([add, add, add, click, click, click, remove, clear, order])(minute)


def test_nothing_is_said_later_than_the_clock_passes_it_whatever_policies_come() -> None:
    """Of a person who has done something since the last policy came."""
    late, said = [], 0
    for seed in range(WORLDS):
        shop, now, before, heard = Shop(site_policy(steps=(60,)), live=True), 0, 0, 0
        shop.tell(UNLEARNED)
        for kind, what in changing(Random(seed)):
            if kind == "policy":
                shop.set_policy(site_policy(steps=what))
            elif kind == "event":
                shop.tell(what)
                heard = now  # what was due before this was read cannot be said sooner
            else:
                before, now = now, what
                shop.clock(now * 10)
            for decision in shop.decisions():
                if "due_at" in decision and decision["outcome"] != "cancelled":
                    said += 1
                    if decision["due_at"] <= rfc3339(at(before * 10)) and before > heard:
                        late.append((seed, decision["due_at"], decision["at"]))
            shop.outputs.clear()
    assert late == []
    assert said > 2 * WORLDS


def test_what_waits_while_the_policy_changes_is_decided_as_the_oracle_does_by_the_new_one() -> None:
    """All is read under one policy, while no time passes; then another comes, everybody does something, time passes."""
    for seed in range(WORLDS // 2):
        random = Random(seed)
        old, new = worlds.random_rules(random), worlds.random_rules(random)
        history = worlds.random_history(random)
        time = max(time for *_, time in history) + worlds.GRID
        after: list[Input] = [
            ("shop.clicks", {"event_id": f"new-{who}", "site_id": worlds.SITE, "type": "page_view", **person}, time)
            for who, person in (("c1", {"customer_id": "c1"}), ("c2", {"customer_id": "c2"}))
        ]
        after = [(topic, {**event, "occurred_at": time}, time) for topic, event, time in after]
        expected = expect([*history, *after], new, END)
        run = fold_log(_log_of(history, after, old, new, random), random, check=True)
        assert not run.rejects
        assert judge(run.decisions(), expected) == [], seed
        assert wrongly_due(run, expected) == [], seed


def _log_of(history: list[Input], after: list[Input], old: Rules, new: Rules, random: Random) -> list[list[bytes]]:
    writer = LogWriter(NAMESPACE, policy_of(old))
    read = sources_of(NAMESPACE, history)
    _write(writer, read, dict.fromkeys(read, 0), random.choice([1, 5, 1_000]))
    control = next(number for number, source in enumerate(NAMESPACE.sources) if source.topic == CONTROL)
    writer.write({control: [Record(2, 0, b"policy", encode_policy(Policy({"*": policy_of(new).sites["*"]})))]})
    offsets = {number: len(source) for number, source in read.items()}
    rest = sources_of(NAMESPACE, after)
    last = max(time for *_, time in after)
    for number in NAMESPACE.clocked():
        for clock in (*range(worlds.BASE, last, worlds.GRID), END):
            told = msgspec.json.encode({"type": "clock", "at": clock})
            rest[number].append((max(clock, last), None, told, clock))
    _write(writer, rest, offsets, 1)
    return writer.log


def _write(writer: LogWriter, sources: dict[int, Any], offsets: dict[int, int], poll: int) -> None:
    """Read the sources side by side, so many records of each at a time."""
    for start in range(0, max(map(len, sources.values())), poll):
        writer.write(
            {
                number: [
                    Record(offsets[number] + i, t, k, v)
                    for i, (t, k, v, _) in enumerate(source[start : start + poll], start)
                ]
                for number, source in sources.items()
                if source[start : start + poll]
            }
        )
