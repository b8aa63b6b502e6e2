"""Win-backs of random lives are decided as the oracle does, however the log is framed and the time is told."""

import json
import os
from collections import Counter
from random import Random
from typing import Any

from pipeline.config.durations import DAY, HOUR, Millis
from pipeline.config.policy import OrderPolicy, Policy, RampPolicy, SitePolicy, WinBackPolicy
from pipeline.engine.outputs import rfc3339
from pipeline.log.rejects import Reject
from pipeline.triggers.contract import Kind
from tests.engine.harness import (
    NAMESPACE,
    NEVER_SILENT,
    Frames,
    Run,
    build_log,
    fold_log,
    sources_of,
    with_clocks,
    with_ticks,
)
from tests.oracle.cart_oracle import Input
from tests.oracle.win_back_oracle import Expected, Rules, expect, judge

WORLDS = int(os.environ.get("WORLDS", "300")) // 10
BASE = 1_700_000_000_000
SPAN = 900
END = BASE + 2_000 * DAY
PEOPLE = ("c1", "c2", "v")
CHANNELS = [None, None, "email", "email", "sms", "voice"]

FRAMINGS: list[tuple[int, float | None]] = [(1, None), (1, 0.3), (7, 0.5), (100, 0.1), (5_000, 0.0)]
"""Size of a poll, and the share of records that a clock record precedes; None: the sources are read side by side, with
a clock record every two days."""


def random_rules(random: Random) -> Rules:
    return Rules(
        prior=random.choice([60, 60, 5, 40, 300]) * DAY,
        categories=random.choice([{}, {"pet": 21 * DAY}]),
        never_carted_after=random.choice([90, 30]) * DAY,
        dormant_after=random.choice([300, 300, 100, 40]) * DAY,
        expires_after=random.choice([14, 14, 3, 60]) * DAY,
        delivery_reported=random.random() < 0.3,
        live_from=random.choice([0, 0, BASE + random.randint(0, SPAN) * DAY]),
        spread=random.choice([14, 14, 90]) * DAY,
    )


def policy_of(rules: Rules, **ramp: Any) -> Policy:
    site = SitePolicy(
        go_live_at=rfc3339(rules.live_from) if rules.live_from else None,  # type: ignore[arg-type]
        win_back=WinBackPolicy(
            prior_gap=Millis(rules.prior),
            categories={name: Millis(gap) for name, gap in rules.categories.items()},
            never_carted_after=Millis(rules.never_carted_after),
            dormant_after=Millis(rules.dormant_after),
            expires_after=Millis(rules.expires_after),
        ),
        ramp=RampPolicy(spread=Millis(rules.spread), **ramp),
        order=OrderPolicy(silent_after=NEVER_SILENT, delivery_reported=rules.delivery_reported),
    )
    return Policy({"*": site})


class Lives:
    """Writes a history: what happens to a person, in the order of the records."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.told: list[Input] = []
        self.words: set[tuple[str, int]] = set()
        self.bought: list[int] = []

    def tell(self, who: str, topic: str, at: int, what: str, /, **fields: Any) -> None:
        late = self.random.choice([0, 0, 0, 0, 6, 20]) * HOUR if topic != "shop.orders" else 0
        event = {
            "event_id": f"e-{len(self.told)}",
            "site_id": "s",
            "occurred_at": at,
            "type": what,
            "anonymous_id" if who == "v" else "customer_id": who,
            **{name: value for name, value in fields.items() if value is not None},
        }
        self.told.append((topic, event, at + late))

    def some_time(self) -> int:
        """A moment; now and then the very first of a day."""
        at = BASE + self.random.randint(0, SPAN * 24) * HOUR + self.random.randint(0, HOUR - 1)
        return at // DAY * DAY if self.random.random() < 0.1 else at

    def some_word(self) -> int:
        """A moment; or one at which an order is likely to be missed."""
        if self.bought and self.random.random() < 0.6:
            return self.random.choice(self.bought) + self.random.randint(14, 140) * DAY
        return self.some_time()

    def visits(self, who: str) -> None:
        random = self.random
        for _ in range(random.choice([0, 1, 2, 4, 8, 20])):
            at = self.some_time()
            for _ in range(random.choice([1, 1, 1, 2])):
                self.tell(who, "shop.clicks", at, "page_view")
                at += random.choice([1, 20, 30, 70]) * HOUR
        for _ in range(random.choice([0, 0, 0, 1, 2])):
            kind = random.choice(["add_to_cart", "cart_snapshot", "remove_from_cart", "update_cart"])
            items = [{"item_id": "a", "quantity": random.choice([0, 1, 2])}] if random.random() < 0.8 else []
            if items or kind == "cart_snapshot":
                self.tell(who, "shop.carts", self.some_time(), kind, items=items)
        if random.random() < 0.2:
            self.tell(who, "shop.customers", self.some_time(), "identify")

    def orders(self, who: str) -> None:
        random = self.random
        self.bought = []
        bought = self.some_time() - random.choice([0, 300, 600]) * DAY
        for i in range(random.choice([0, 1, 1, 2, 3, 5, 7])):
            bought = max(
                BASE,
                bought + random.choice([-2, 0, 3, 10, 30, 60, 90, 95, 100, 110, 200]) * DAY + random.randint(0, DAY),
            )
            at, order = bought, f"o{i}-{who}"
            self.bought.append(at)
            items = [
                {"item_id": "a", "price": random.choice([100, 900]), "item_category": random.choice(["pet", "toy"])}
                for _ in range(random.choice([0, 1, 2]))
            ]
            self.tell(
                who,
                "shop.orders",
                at,
                "purchase",
                order_id=order,
                value=1_000,
                currency="EUR",
                channel=random.choice(["online", "online", "offline"]),
                kind=random.choice(["one_off"] * 4 + ["renewal"]),
                items=items,
            )
            for _ in range(random.choice([0, 0, 0, 1, 2, 3])):
                kind = random.choice(
                    ["order_shipped", "order_delivered", "return_opened", "order_refunded", "order_cancelled"]
                )
                at += random.choice([1, 3, 10, 20, 70]) * DAY + random.randint(1, DAY)
                money = {"value": 300, "currency": "EUR"} if kind == "order_refunded" else {}
                self.tell(who, "shop.orders", at, kind, order_id=order, **money)

    def say(self, who: str) -> None:
        random = self.random
        words = [(BASE - DAY, "granted", None)] if random.random() < 0.7 else []
        words += [
            (self.some_word(), random.choice(["granted", "granted", "denied"]), random.choice(CHANNELS))
            for _ in range(random.choice([0, 0, 1, 2, 4]))
        ]
        for at, status, channel in words:
            while (who, at) in self.words:
                at += 1
            self.words.add((who, at))
            self.tell(
                who,
                "shop.customers",
                at,
                "consent_update",
                purpose="marketing_message",
                status=status,
                basis=random.choice(["consent", "consent", "soft_opt_in", "legitimate_interest"]),
                channel=channel,
            )
        for _ in range(random.choice([0, 0, 1, 3])):
            self.tell(who, "shop.messages", self.some_time(), "message_clicked", channel=random.choice(CHANNELS))


def random_history(random: Random) -> list[Input]:
    lives = Lives(random)
    for who in PEOPLE:
        lives.visits(who)
        lives.orders(who)
        lives.say(who)
    return sorted(lives.told, key=lambda told: told[2])


def log_of(history: list[Input], policy: Policy, random: Random, poll: int, share: float | None) -> Frames:
    sources = sources_of(NAMESPACE, history)
    if share is None:
        with_ticks(NAMESPACE, sources, random, 2 * DAY, (BASE - 2 * DAY, BASE + (SPAN + 500) * DAY), END, 2 * DAY)
    else:
        with_clocks(NAMESPACE, sources, random, share, END)
    rejects: list[Reject]
    log, rejects = build_log(
        NAMESPACE, policy, sources, random, poll=poll, skew=DAY if share is None else None, resend=0.1 * (poll == 7)
    )
    assert not rejects
    return log


def win_backs(run: Run) -> list[dict[str, Any]]:
    return run.decisions(Kind.WIN_BACK)


def told_otherwise(run: Run, expected: dict[str, Expected]) -> list[str]:
    """Messages that went out for another due time, channel or cause than the oracle says."""
    found = []
    for output in run.outputs:
        if output.topic == "triggers.win_back" and output.outcome == "emitted":
            data = json.loads(output.value)["data"]
            want = expected[data["trigger_id"]]
            said = (data["due_at"], data["channel"], data["cause"], data["episode"].rpartition(":")[2])
            if said != (rfc3339(want.due_ms), want.channel, want.cause, data["variant"]):
                found.append(f"{data['episode']}: {said}, not {want}")
    return found


def test_every_framing_of_random_lives_decides_what_the_oracle_decides() -> None:
    for seed in range(WORLDS):
        random = Random(seed)
        history, rules = random_history(random), random_rules(random)
        expected = expect(history, rules, END)
        for poll, share in FRAMINGS:
            run = fold_log(log_of(history, policy_of(rules), random, poll, share), random, check=True)
            assert not run.rejects
            assert not run.discarded["timer_error"]
            assert judge(win_backs(run), expected) == [], (seed, poll, share)
            assert told_otherwise(run, expected) == [], (seed, poll, share)
            assert not [count for count in Counter(d["decision_id"] for d in win_backs(run)).values() if count > 1]


def test_random_lives_hold_all_that_may_become_of_a_win_back() -> None:
    seen: set[str] = set()
    for seed in range(300):
        random = Random(seed)
        expected = expect(random_history(random), random_rules(random), END).values()
        seen |= {f"{one.episode.rpartition(':')[2]} {one.verdict}" for one in expected}
        seen |= {f"deferred {one.deferred}" for one in expected} | {one.cause for one in expected}
    variants, blocked = ("cadence", "second_order", "dormant"), ("no_permission", "subscriber")
    assert {f"{variant} emitted" for variant in (*variants, "never_carted")} <= seen
    assert {f"{variant} blocked:{reason}" for variant in variants for reason in blocked} <= seen
    assert {f"{variant} closed:{reason}" for variant in variants for reason in ("ordered", "withdrawn")} <= seen
    assert {"cadence blocked:channel_sunset", "dormant blocked:channel_sunset"} <= seen
    assert {"deferred undelivered", "deferred return_open", "cadence blocked:ordered", "cadence expired"} <= seen
    assert {"forgot", "offer_misfit", "accident"} <= seen


def test_commits_and_restarts_change_no_byte() -> None:
    for seed in range(WORLDS // 2):
        random = Random(10_000 + seed)
        history, rules = random_history(random), random_rules(random)
        policy = policy_of(rules, max_per_minute=random.choice([1, 2, 6_000]))
        log = log_of(history, policy, random, *random.choice(FRAMINGS))
        told = fold_log(log, random, commit=0).outputs
        assert fold_log(log, random, commit=1, check=True).outputs == told
        assert fold_log(log, random, commit=0.5, crash=0.5, cache=100).outputs == told
        assert fold_log(log, random, commit=0.5, crash=1, lose=0.2).outputs == told
