"""What no history may break: events of the past and the future, told twice, at one moment; leaping clocks; any policy.

What exactly is decided is for the oracles to say. Here it is said what holds however badly a shop tells it.
"""

import json
import os
from collections import Counter, defaultdict
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.config.durations import DAY, HOUR, MINUTE, Millis
from pipeline.config.namespace import DECISIONS
from pipeline.config.policy import (
    CartOverride,
    OrderPolicy,
    PermissionPolicy,
    PersonalizationPolicy,
    RampPolicy,
    SitePolicy,
    WinBackPolicy,
)
from pipeline.events.customer import Basis, Purpose
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ClickKind,
    ConsentRow,
    IdentifyRow,
    MessageRow,
    OrderNews,
    OrderRow,
    Report,
)
from pipeline.state.codec import decode_customer, encode_customer
from pipeline.state.partition import RESERVED
from tests.engine.learned import LearningShop, constant, row
from tests.engine.shop import T0, at, cart, click, identity, line, order, product, report, site_policy, word
from tests.oracle.cart_oracle import Record, permitted

WORLDS = int(os.environ.get("WORLDS", "300"))
PEOPLE = ("s|c|p0", "s|c|p1", "s|a|v")
CHANNELS = ("email", "sms", "app_push", "web_push")
MINUTES_OFF = (0, 0, 0, 1, 5, -5, -30, 30, 60, 1_440, -1_440, -400 * 1_440)
LEAPS = (1, 5, 30, 31, 60, 1_440, 1_440 * 30, 1_440 * 365)
STEPS = ((30, 240, 1_440), (5,), (60, 61, 62), (1_440, 2_880), (20, 40, 60, 80, 100))
UNASKED = dict.fromkeys((Purpose.COLLECT, Purpose.PROFILE, Purpose.ONSITE_PERSONALIZATION), Basis.LEGITIMATE_INTEREST)


def random_policy(random: Random) -> SitePolicy:
    pick = random.choice
    categories = {
        "k0": CartOverride(steps=(Millis(10 * MINUTE),)),
        "k1": CartOverride(enabled=False),
        "k2": CartOverride(steps=(Millis(300 * MINUTE), Millis(400 * MINUTE)), min_value=1_500),
    }
    live = datetime.fromtimestamp((T0 + random.randint(-10, 400) * DAY) / 1_000, UTC)
    return replace(
        site_policy(
            steps=pick(STEPS),
            rates=pick([{"USD": 0.5}, {"USD": 2.0, "PLN": 0.25}]),
            order=OrderPolicy(
                silent_after=Millis(pick([3_650 * DAY, 30 * MINUTE])),
                partial_order=pick(["close", "keep_rest"]),
                delivery_reported=random.random() < 0.3,
            ),
            categories=pick([{}, {}, categories]),
            min_value=pick([0, 0, 2_000]),
            timing=pick(["learned", "fixed"]),
            explore=pick([0.0, 0.3]),
            offline_lag=Millis(pick([0, 0, 12 * HOUR])),
            enabled=random.random() < 0.9,
            expires_after=Millis(pick([72 * HOUR, HOUR, MINUTE])),
        ),
        currency=pick(["EUR", "EUR", "PLN"]),
        timezone=pick(["UTC", "Europe/Warsaw", "Pacific/Apia"]),
        permission=PermissionPolicy(without_record=UNASKED),
        win_back=WinBackPolicy(
            prior_gap=Millis(pick([7, 60]) * DAY),
            never_carted_after=Millis(pick([3, 90]) * DAY),
            dormant_after=Millis(pick([20, 300]) * DAY),
            expires_after=Millis(pick([1, 14]) * DAY),
            timing=pick(["learned", "fixed"]),
            enabled=random.random() < 0.9,
        ),
        personalization=PersonalizationPolicy(throttle=Millis(pick([5_000, 0, HOUR]))),
        ramp=RampPolicy(max_per_minute=pick([1, 6_000, 6_000])),
        go_live_at=live if random.random() < 0.2 else None,
    )


class Told(Counter[tuple[str, str]]):
    """How often a trigger was emitted and the like, by trigger and outcome; `standing` are those that may go out."""

    def __init__(self) -> None:
        super().__init__()
        self.standing: dict[str, dict[str, Any]] = {}

    def take(self, decision: dict[str, Any], expires: int) -> None:
        trigger, outcome = decision["trigger_id"], decision["outcome"]
        self[trigger, outcome] += 1
        if outcome == "emitted":
            assert not self[trigger, "cancelled"] + self[trigger, "suppressed"] + self[trigger, "expired"], decision
            self.standing[trigger] = {**decision, "expires": expires}
        elif outcome == "cancelled":
            assert trigger in self.standing, decision
        elif outcome in ("suppressed", "expired"):
            assert not self[trigger, "emitted"], decision
        assert self[trigger, outcome] == 1, decision


class Hostile:
    """A shop and what is known of what it was told."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.shop = LearningShop(random_policy(random), live=random.random() < 0.5, granted=False)
        self.minute = 0
        self.told = Told()
        self.sent: list[tuple[Any, str]] = []
        self.ordered: dict[str, int] = {}
        self.bought: set[str] = set()
        self.times: dict[str, int] = {}
        self.words: dict[str, list[Record]] = defaultdict(list)
        self.policy_at = 0
        self.before = 0
        self.active: set[str] = set()
        self.waiting: set[str] = set()
        self.unlooked: set[str] = set()
        self.policies = 1
        for head in ("cart", "reorder", "intent", "count"):
            if random.random() < 0.6:
                self.shop.broadcast(row(constant(head, random.choice([-6, -2, 0, 3]))))
        for person in PEOPLE:
            if random.random() < 0.8:
                self.tell(word(-60, True), person)

    def event(self, minute: int, person: str) -> Any:
        random, pick = self.random, self.random.choice
        bought = line(
            pick("abcd"), pick([0, 1, 1, 2]), pick([-1, 0, 500, 2_500]), pick(["", "k0", "k1", "k2"]), "brand"
        )
        currency = pick(["EUR", "USD", "EUR", "USD", "PLN"])
        match random.choices(["click", "cart", "order", "word", "report", "login"], [35, 30, 13, 12, 5, 5])[0]:
            case "click":
                kind = int(pick(list(ClickKind)))
                return click(minute, kind=kind, lines=(bought,), subject="k0", channel=pick(["web", "app"]))
            case "cart":
                lines = [replace(bought, sku=pick("abcd")) for _ in range(random.randint(0, 3))]
                op = pick([CartOp.ADD, CartOp.ADD, *CartOp])
                return cart(minute, op, *lines, version=random.randint(0, 2), currency=currency)
            case "order":
                name = f"o{random.randint(0, 30)}-{person}"
                news = pick([OrderNews.PURCHASE, OrderNews.PURCHASE, OrderNews.PURCHASE, *OrderNews])
                when = self.ordered.setdefault(name, at(minute)) if news == OrderNews.PURCHASE else at(minute)
                return replace(
                    order(minute, *pick([("a",), ("a", "b"), ()])),
                    at=when,
                    order_id=name,
                    news=int(news),
                    revision=random.randint(0, 3),
                    value=pick([0, 1, 10**6]),
                    currency=currency,
                    offline=random.random() < 0.3,
                    renewal=random.random() < 0.15,
                )
            case "word":
                purpose = pick(["marketing_message"] * 5 + ["profile", "onsite_personalization", "collect"])
                basis = pick(["consent", "consent", "soft_opt_in", "legitimate_interest"])
                return word(minute, random.random() < 0.65, pick(["", "", *CHANNELS]), basis, purpose=purpose)
            case "report":
                return report(minute, pick(list(Report)), pick(CHANNELS))
        return IdentifyRow(identity(None), at(minute), "login")

    def happen(self) -> None:
        """One thing more: something that somebody does, or did, or said before; time; or something for all."""
        random, shop = self.random, self.shop
        match random.choices(["event", "clock", "policy", "product", "reopen"], [70, 20, 3, 3, 4])[0]:
            case "event" if self.sent and random.random() < 0.08:
                self.tell(*random.choice(self.sent[-5:]))
            case "event":
                off = random.choice([*MINUTES_OFF, random.randint(-3_000, 3_000)])
                person = random.choice(PEOPLE)
                self.tell(self.event(self.minute + off, person), person)
            case "clock":
                self.leap(random.choice(LEAPS))
            case "policy":
                shop.set_policy(random_policy(random))
                self.policy_at = shop.engine.clock.now
                self.policies += 1
                self.unlooked = set(PEOPLE)
            case "product":
                shop.broadcast(product(random.choice("abcd"), stock=random.choice([0, 5])))
            case "reopen":
                shop.reopen()
        self.look()

    def leap(self, minutes: int) -> None:
        self.minute += minutes
        if self.random.random() < 0.4:
            self.shop.beat(activity=self.minute, order=self.random.choice([0, self.minute]), orders=1)
        self.shop.clock(self.minute)
        self.look()
        self.before = self.shop.engine.clock.now
        self.active.clear()

    def tell(self, event: Any, person: str) -> None:
        if (event, person) not in self.sent:
            event = replace(event, id=f"e{len(self.sent)}")  # what is drawn by its hash does not hang on other tests
        self.sent.append((event, person))
        self.times[event.id] = event.at
        revised = isinstance(event, OrderRow) and event.order_id in self.bought
        if isinstance(event, OrderRow) and event.news == OrderNews.PURCHASE:
            self.bought.add(event.order_id)
        if isinstance(event, ConsentRow) and event.purpose == "marketing_message":
            accepted = event.granted and event.basis in ("consent", "soft_opt_in")
            self.words[person].append(Record(event.at, event.channel or None, accepted))
        elif isinstance(event, MessageRow) and event.report in (Report.UNSUBSCRIBED, Report.COMPLAINED):
            self.words[person].append(Record(event.at, event.channel or None, granted=False))
        self.words[person].sort(key=lambda one: one.at)
        self.active.add(person)
        before = self.shop.discarded.total()
        self.shop.tell(event, person=person)
        self.look()
        if self.shop.discarded.total() == before and isinstance(event, Click | CartRow):
            self.unlooked.discard(person)
        if self.shop.discarded.total() == before and not revised:
            self.must_be_cancelled(event, person)

    def look(self) -> None:
        """What came out since the last look."""
        shop = self.shop
        assert not shop.discarded["timer_error"]
        assert {reject.reason for reject in shop.rejects} <= {"unknown_currency"}
        bodies = [json.loads(output.value) for output in shop.outputs]
        expires = {body["data"]["trigger_id"]: _millis(body["data"]["expires_at"]) for body in bodies if "data" in body}
        for output, body in zip(shop.outputs, bodies, strict=True):
            if output.topic == DECISIONS:
                trigger, person = body["trigger_id"], output.key.decode()
                self.told.take(body, expires.get(trigger, 0))
                self.in_time(body, person)
                # Steps that a new policy adds are judged of a time of which the words may be forgotten.
                newly = _millis(body.get("due_at", body["at"])) > self.policy_at
                if body["outcome"] == "emitted" and body["kind"] != "personalization" and newly:
                    assert not self.taken_back(self.told.standing[trigger], person, _judged(body)), body
                elif body["outcome"] == "cancelled":
                    sent = self.told.standing.pop(trigger)
                    withdrawn = body["reason"] == "withdrawn" and body["kind"] != "personalization"
                    assert not withdrawn or self.taken_back(sent, person, _millis(sent["due_at"])), (sent, body)
        shop.outputs.clear()

    def in_time(self, decision: dict[str, Any], person: str) -> None:
        """What had come due was decided at the tick before, unless something has happened since, or it waited."""
        if decision["outcome"] in ("held", "deferred"):
            self.waiting.add(person)
        newly = person in self.unlooked if decision["kind"] == "cart_abandoned" else self.policies > 1
        excused = newly or person in self.active or person in self.waiting or "due_at" not in decision
        assert excused or _millis(decision["due_at"]) > self.before, decision

    def taken_back(self, sent: dict[str, Any], person: str, judged: int) -> bool:
        """Whether what went out was not permitted at `judged`, or has not been since, as far as is known."""
        words = self.words[person]
        times = [judged, *(one.at for one in words if judged < one.at < sent["expires"])]
        return not all(permitted(time, words, sent["channel"]) for time in times)

    def must_be_cancelled(self, event: Any, person: str) -> None:
        """Nothing stands that an order or a withdrawal takes back, once it has been read."""
        clock = self.shop.engine.clock.now
        who = person.rpartition("|")[2]
        for one in self.told.standing.values():
            if who not in (one.get("customer_id"), one.get("anonymous_id")) or max(clock, event.at) >= one["expires"]:
                continue
            if isinstance(event, OrderRow) and event.news == OrderNews.PURCHASE:
                assert one["kind"] != "win_back", (one, event)
                assert one["kind"] != "cart_abandoned" or self.times[one["episode"]] > event.at, (one, event)
            elif isinstance(event, ConsentRow | MessageRow) and one["kind"] != "personalization":
                assert not self.taken_back(one, person, _judged(one)), (one, event)


def _judged(sent: dict[str, Any]) -> int:
    """As of when something that went out was judged, or later: a win-back may have waited since it was due."""
    return _millis(sent["due_at" if sent["kind"] == "cart_abandoned" else "at"])


def _millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


@pytest.mark.parametrize("part", range(2))
def test_whatever_a_shop_tells_nothing_is_said_twice_or_against_the_customers_word(part: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(part, WORLDS, 2):
        hostile = Hostile(Random(seed))
        for _ in range(60):
            hostile.happen()
        for _ in range(3):
            hostile.leap(400 * 1_440)
        for _, outcome in hostile.told:
            seen[outcome] += 1
        for key, value in hostile.shop.store.items():
            if not key.startswith(RESERVED):
                assert encode_customer(decode_customer(value)) == value
    assert min(seen[outcome] for outcome in ("emitted", "cancelled", "suppressed", "expired", "held", "deferred")) > 0
