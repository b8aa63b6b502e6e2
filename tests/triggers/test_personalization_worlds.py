"""Random visits: what is shown is what the oracle shows, however the log is framed, committed and restarted."""

import json
import os
from datetime import datetime
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.config.durations import DAY, MINUTE, SECOND, Millis
from pipeline.config.namespace import DECISIONS
from pipeline.config.policy import TastePolicy
from pipeline.events.customer import Purpose
from pipeline.log import consent
from pipeline.log.frames import Mark
from pipeline.log.rows import CartOp, CartRow, Click, ClickKind, IdentifyRow, OrderRow, ProductRow
from pipeline.triggers.contract import Kind
from tests.engine.shop import ANN, T0, Shop, cart, click, line, order, product, site_policy, word
from tests.oracle.personalization_oracle import Entry, Rules, Spoken, expect

WORLDS = int(os.environ.get("WORLDS", "200"))
ANON = "s|a|v"
POLICY = replace(site_policy(), taste=TastePolicy(half_life=Millis(DAY)))
SKUS = [line(sku, 1, 1_000, f"category {sku in 'ab'}", f"brand {sku in 'bc'}") for sku in "abcde"]
GAPS = (1, 700, 2_000, 4_999, 5_000, 5_001, 20_000, 90_000)
SAYS = [consent.pack(said) for said in (("granted", "granted"),) * 4 + (("granted", "denied"), ("denied", "denied"))]
KINDS = [ClickKind.VIEW_ITEM] * 5 + [
    ClickKind.PAGE_VIEW,
    ClickKind.VIEW_CATEGORY,
    ClickKind.SEARCH,
    ClickKind.SEARCH,
    ClickKind.LIKE,
    ClickKind.EXIT_INTENT,
]


def doing(random: Random, minute: float, says: int) -> Any:
    """Something that a person may do."""
    what = random.random()
    if what < 0.62:
        kind = random.choice(KINDS)
        lines = (random.choice(SKUS),) if kind in (ClickKind.VIEW_ITEM, ClickKind.LIKE) else ()
        subject = random.choice(SKUS).category if kind == ClickKind.VIEW_CATEGORY else ""
        return click(minute, kind=int(kind), lines=lines, subject=subject, consent=says)
    if what < 0.82:
        op = random.choice([CartOp.ADD] * 3 + [CartOp.REMOVE, CartOp.CLEAR, CartOp.SNAPSHOT, CartOp.CHECKOUT])
        lines = () if op in (CartOp.CLEAR, CartOp.CHECKOUT) else tuple(random.sample(SKUS, random.randint(1, 2)))
        return cart(minute, op, *lines, consent=says, version=random.randint(0, 2))
    if what < 0.88:
        return replace(order(minute), lines=tuple(random.sample(SKUS, random.randint(0, 2))))
    if what < 0.95:
        return replace(word(minute, random.random() < 0.6), purpose=Purpose.ONSITE_PERSONALIZATION.value)
    if what < 0.97:
        return IdentifyRow(f"login-{random.random()}", T0 + round(minute * MINUTE), "login")
    return product(random.choice("abcde"), stock=random.choice([0, 0, 3]), restricted=random.random() < 0.2)


def lag(random: Random, event: Any, anonymous: bool) -> int:
    """How much later than it happened an event is read.

    Nothing of an anonymous visitor is late: what a page repeats of consent is not noted, so a late refusal counts more.
    """
    if anonymous:
        return 0
    if isinstance(event, CartRow | OrderRow):
        return random.choice((0, 0, 2_500))
    return random.choice((0, 0, 0, 3_000, 8_000, 40 * MINUTE if isinstance(event, Click) else 0))


def world(random: Random, anonymous: bool) -> list[Entry]:
    """Some visits, half-lives apart: rows as they are read, and now and then the clock, behind no unread cart."""
    read: list[tuple[int, int, Any]] = []
    says = 0
    if random.random() < 0.8:
        read.append((T0 - 1, 0, replace(word(-1, True), purpose=Purpose.ONSITE_PERSONALIZATION.value)))
    for level in sorted(random.sample(range(6), random.randint(1, 3))):
        at = T0 + level * DAY
        for _ in range(random.randint(1, 14)):
            at += random.choice(GAPS)
            if at > T0 + level * DAY + 9 * MINUTE:
                break
            says = random.choice(SAYS) if anonymous and (not says or random.random() < 0.2) else says
            event = doing(random, (at - T0) / MINUTE, says)
            event = event if isinstance(event, ProductRow) else replace(event, at=at)
            read.append((at + lag(random, event, anonymous), len(read), event))
            if random.random() < 0.05:
                read.append((read[-1][0] + 1, len(read), event))
    read.sort(key=lambda entry: entry[:2])
    log: list[Entry] = []
    clock, every = 0, random.choice((1_000, 5_000, 30_000, DAY))
    for place, (now, _, event) in enumerate(read):
        bound = min([now, *(e.at for _, _, e in read[place:] if isinstance(e, CartRow | OrderRow))]) - 1
        if bound - clock >= every and random.random() < 0.9:
            clock = bound
            log.append(clock)
        log.append(event)
    return [*log, (read[-1][0] if read else T0) + random.choice((5_000, 10 * SECOND, 2 * DAY))]


def fold(log: list[Entry], random: Random, person: str, *, rows: int, restarts: float) -> Shop:
    """Fold a log in frames of at most so many rows."""
    shop = Shop(POLICY, granted=False, kind=Kind.PERSONALIZATION)
    frame: list[Any] = []
    for entry in log:
        if isinstance(entry, int):
            marks = tuple(Mark(source, entry) for source in shop.namespace.clocked())
            shop.frame(*frame, marks=marks)
            frame = []
        else:
            if len(frame) >= random.randint(1, rows):
                shop.frame(*frame)
                frame = []
            frame.append(shop.row(entry, "" if isinstance(entry, ProductRow) else person))
        if random.random() < restarts and not frame:
            shop.reopen()
    assert not shop.rejects
    assert not shop.discarded["timer_error"]
    return shop


def spoken(shop: Shop) -> list[Spoken]:
    """What was decided, in order."""
    emitted = {t["data"]["episode"]: t["data"] for t in shop.triggers() if t["type"].endswith("emitted.v1")}
    found = []
    for decision in shop.decisions():
        at = round(datetime.fromisoformat(decision["at"]).timestamp() * 1000)
        one = Spoken(decision["episode"], decision["outcome"], decision["reason"], at)
        if one.outcome == "emitted":
            data = emitted[one.episode]
            moment = data["moment"]
            one = one._replace(
                action=data["action"],
                stage=moment["stage"],
                cart=moment["cart"],
                category=moment.get("category", ""),
                brand=moment.get("brand", ""),
                items=tuple(item["item_id"] for item in data.get("items", ())),
            )
        found.append(one)
    return found


def bytes_of(shop: Shop) -> list[tuple[str, dict[str, Any]]]:
    """All outputs but for the offset of the frame that made them."""
    found = []
    for output in shop.outputs:
        said = json.loads(output.value)
        if output.topic == DECISIONS:
            del said["log_offset"]
        found.append((output.topic, said))
    return found


@pytest.mark.parametrize("anonymous", [False, True], ids=["customer", "visitor"])
def test_random_visits_are_shown_what_the_oracle_shows(anonymous: bool) -> None:
    person, said = ANON if anonymous else ANN, 0
    for seed in range(WORLDS):
        log = world(Random(seed), anonymous)
        expected = expect(log, Rules(half_life=DAY), anonymous=anonymous)
        one = fold(log, Random(seed), person, rows=1, restarts=0)
        assert spoken(one) == expected, seed
        other = fold(log, Random(seed), person, rows=20, restarts=0.3)
        assert bytes_of(other) == bytes_of(one), seed
        said += len(expected)
    assert said > WORLDS
