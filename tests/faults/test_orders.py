"""Orders that are late, unread or silent: no trigger may go to whom has bought.

Of carts alone, for nobody permits personalization here, and in minutes nobody has to be won back.
"""

import time
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import msgspec

from pipeline.config.durations import HOUR, MINUTE, SECOND
from pipeline.config.namespace import Mode
from pipeline.events.cart import AddToCart
from pipeline.events.click import PageView
from pipeline.events.customer import ConsentUpdate, Purpose
from pipeline.events.envelope import Event, Item
from pipeline.events.order import Purchase
from pipeline.replay.history import History, Span
from pipeline.simulator.happening import CARTS, CLICKS, CUSTOMERS, ORDERS, Happening
from pipeline.triggers.contract import Kind
from tests.faults.processes import Stage, patient

SHORT = (2 * SECOND, 4 * SECOND, 6 * SECOND)
SITE = "shop"


def happening(topic: str, kind: type[Event], who: str, at_ms: int, **fields: Any) -> Happening:
    event = kind(event_id=f"{topic}-{who}-{at_ms}", site_id=SITE, occurred_at=at_ms, customer_id=who, **fields)
    return Happening(at_ms, topic, f"{SITE}|c|{who}", event)


def grant(who: str, at_ms: int) -> Happening:
    return happening(CUSTOMERS, ConsentUpdate, who, at_ms, purpose=Purpose.MARKETING_MESSAGE, status="granted")


def cart(who: str, at_ms: int) -> Happening:
    items = [Item(item_id="a", price=2_000)]
    return happening(CARTS, AddToCart, who, at_ms, items=items, currency="EUR")


def order(who: str, at_ms: int) -> Happening:
    return happening(ORDERS, Purchase, who, at_ms, order_id=f"order-{who}", value=2_000, currency="EUR")


def now() -> int:
    return time.time_ns() // 1_000_000


def publish(stage: Stage, happenings: list[Happening]) -> None:
    partitions = stage.settings.topics.partitions
    stage.send(
        (h.topic, crc32(h.key.encode()) % partitions, h.key.encode(), msgspec.json.encode(h.event), h.at_ms)
        for h in happenings
    )
    stage.published += happenings


def outcomes(stage: Stage) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for decision in stage.decisions():
        if decision["kind"] == Kind.CART_ABANDONED:
            found.setdefault(decision["customer_id"], []).append((decision["step"], decision["outcome"]))
    return found


def until_emitted(stage: Stage, people: set[str], step: int, patience: float) -> float:
    """Wait until each of them has been sent a step; the seconds it took."""
    started = time.monotonic()
    while True:
        got = outcomes(stage)
        if all((step, "emitted") in got.get(who, []) for who in people):
            return time.monotonic() - started
        assert time.monotonic() - started < patience, got
        time.sleep(0.3)


def test_live_carts_orders_and_an_outage_of_the_orders(stage_of) -> None:
    stage: Stage = stage_of(patient(SHORT), Mode.LIVE, PIPELINE_INGEST_WATERMARK_SLACK="200ms")
    stage.worker()
    serve = stage.serve()
    blind = stage.ingest("blind", "tests.faults.unordered_ingest")
    buyers, leavers = {f"buyer-{i}" for i in range(5)}, {f"leaver-{i}" for i in range(5)}
    publish(stage, [grant(who, now()) for who in sorted(buyers | leavers)])
    publish(stage, [cart(who, now()) for who in sorted(buyers | leavers)])
    publish(stage, [order(who, now()) for who in sorted(buyers)])
    time.sleep(SHORT[-1] / 1000 + 6)
    assert stage.decisions() == []  # carts are read, orders are not: nobody knows
    assert "Traceback" not in blind.text()
    assert blind.stop() == 0

    stage.ingest()
    until_emitted(stage, leavers, step=3, patience=20)
    for who, got in outcomes(stage).items():
        assert who in leavers or "emitted" not in dict(got).values(), (who, got)

    # And as it is on most days.
    publish(stage, [grant(who, now()) for who in ("stays", "returns")])
    publish(stage, [cart(who, now()) for who in ("stays", "returns")])
    seconds = until_emitted(stage, {"stays", "returns"}, step=1, patience=10)
    assert seconds < 6
    publish(stage, [order("returns", now())])
    time.sleep(SHORT[-1] / 1000 + 1)
    got = outcomes(stage)
    assert (1, "cancelled") in got["returns"]
    assert got["stays"] == [(1, "emitted"), (2, "emitted"), (3, "emitted")]
    assert (3, "emitted") not in got["returns"]
    for process in stage.processes:
        if process.running() and process is not serve:
            assert process.stop() == 0
    stage.prove()
    assert serve.stop() == 0


def test_silent_orders_hold_the_triggers_until_they_are_back(stage_of) -> None:
    start = now() - 40 * HOUR

    def at(minutes: float) -> int:
        return start + round(minutes * MINUTE)

    def history(happenings: list[Happening]) -> History:
        def tell() -> Iterator[Happening]:
            return iter(happenings)

        return History("orders", Span(len(happenings), happenings[0].at_ms, happenings[-1].at_ms), tell)

    def click(minutes: float) -> Happening:
        return happening(CLICKS, PageView, "visitor", at(minutes))

    policy = patient((30 * MINUTE, 4 * HOUR), silent_after=20 * MINUTE)
    stage: Stage = stage_of(policy)
    stage.ingest()
    stage.worker()
    stage.serve()
    before = [grant("left", at(0)), grant("bought", at(0)), order("first", at(1)), order("second", at(2))]
    quiet = sorted(
        [*(click(minute) for minute in range(3, 70)), cart("left", at(3.5)), cart("bought", at(3.5))],
        key=lambda h: h.at_ms,
    )
    stage.publish(history(before + quiet))
    stage.settle(at(69), tending=False)
    held = {who: got for who, got in outcomes(stage).items() if who in ("left", "bought")}
    assert held == {"left": [(1, "held")], "bought": [(1, "held")]}
    assert stage.triggers() == []

    back = [order("bought", at(69.5)), order("third", at(69.6)), *(click(minute) for minute in range(70, 74))]
    stage.publish(history(back))
    stage.settle(back[-1].at_ms, tending=False)
    got = outcomes(stage)
    assert (1, "emitted") in got["left"]
    assert "emitted" not in dict(got["bought"]).values()
    assert (1, "suppressed") in got["bought"]
    stage.prove()
