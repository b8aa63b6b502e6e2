"""From an event to what it causes: orders that cancel triggers, while 2,000 other events a second flow."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.events import SKEWED, Sent, stream
from bench.place import PARTITIONS, Place
from bench.processes import Others
from bench.report import figure, say
from pipeline.config.durations import Millis
from pipeline.config.namespace import DECISIONS, Mode
from pipeline.config.policy import CartPolicy, Policy, SitePolicy
from pipeline.ingest.control import policy_record
from pipeline.kafka.clients import connection
from pipeline.log.persons import partition_of

RATE = 2_000
SLICE = 0.01
SITE = "latency"
SAMPLES = 600
SECONDS = 30
_encode = msgspec.json.encode


async def measure(place: Place) -> None:
    """Print p50 and p99 of: an order's CreateTime until a read-committed consumer has the cancellation."""
    namespace = await place.create(Mode.LIVE)
    arguments = connection(place.settings.kafka)
    producer = AIOKafkaProducer(**arguments, linger_ms=0)
    consumer = AIOKafkaConsumer(
        **arguments, isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
    )
    await producer.start()
    await consumer.start()
    run = _Run(namespace.name, producer, consumer)
    reading: asyncio.Task[None] | None = None
    try:
        short = SitePolicy(cart=CartPolicy(steps=(Millis(2_000),)))
        key, value = policy_record(Policy({"*": SitePolicy(), SITE: short}))
        await producer.send_and_wait(namespace.topic("pipeline.control"), value, key=key, partition=0)
        with place.ingest(), place.worker():
            consumer.assign([TopicPartition(namespace.topic(DECISIONS), p) for p in range(PARTITIONS)])
            reading = asyncio.create_task(run.read())
            await run.prepare()
            others = Others()
            await run.flow()
            figure("event_to_decision.other_cores", others.cores(), "cores")
            await asyncio.sleep(2)
    finally:
        if reading is not None:
            reading.cancel()
        await consumer.stop()
        await producer.stop()
    taken = sorted(run.cancelled[p] - run.ordered[p] for p in run.cancelled if p in run.ordered)
    say(f"latency: {len(taken)} of {SAMPLES} orders cancelled a trigger; background at {run.reached:,.0f} events/s")
    if len(taken) < SAMPLES * 0.9:
        raise RuntimeError("too few decisions to judge the latency")
    figure("event_to_decision.p50", taken[len(taken) // 2], "ms")
    figure("event_to_decision.p99", taken[int(len(taken) * 0.99)], "ms")
    figure("event_to_decision.samples", len(taken), "orders")
    figure("event_to_decision.background", run.reached, "events/s")


class _Run:
    def __init__(self, namespace: str, producer: Any, consumer: Any) -> None:
        self._namespace = namespace
        self._producer = producer
        self._consumer = consumer
        self._emitted: set[str] = set()
        self.ordered: dict[str, float] = {}
        self.cancelled: dict[str, float] = {}
        self.reached = 0.0

    async def read(self) -> None:
        """Note when which decision is here."""
        while True:
            polled = await self._consumer.getmany(timeout_ms=100)
            now = time.time() * 1000
            for record in (record for records in polled.values() for record in records):
                decision = msgspec.json.decode(record.value)
                if decision["site_id"] == SITE and decision["outcome"] == "emitted":
                    self._emitted.add(decision["customer_id"])
                elif decision["site_id"] == SITE and decision["outcome"] == "cancelled":
                    self.cancelled[decision["customer_id"]] = now

    async def prepare(self) -> None:
        """Carts of people who allow email, until a trigger has gone out for each."""
        people = [f"person-{number}" for number in range(SAMPLES)]
        for kind, more in (("consent_update", _GRANT), ("add_to_cart", _CART)):
            topic = "shop.customers" if kind == "consent_update" else "shop.carts"
            for person in people:
                await self._event(topic, kind, person, more)
            await asyncio.sleep(1)
        deadline = time.monotonic() + 60
        while len(self._emitted) < SAMPLES:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(self._emitted)} of {SAMPLES} triggers came")
            await asyncio.sleep(0.1)

    async def flow(self) -> None:
        """The background, and the orders evenly among it."""
        now = time.time_ns() // 1_000_000
        background = list(stream(RATE * SECONDS, SKEWED, now, now + SECONDS * 1000, seed=11))
        started, sent, orders = time.monotonic(), 0, self._orders()
        next_order, gap = started + 5, (SECONDS - 6) / SAMPLES  # the first seconds warm up
        while sent < len(background):
            now_s = time.monotonic()
            goal = min(len(background), int((now_s - started) * RATE))
            for event in background[sent:goal]:
                await self._send(event)
            sent = goal
            while now_s >= next_order and (order := next(orders, None)) is not None:
                self.ordered[order[0]] = time.time() * 1000
                await self._event("shop.orders", "purchase", *order)
                next_order += gap
            await asyncio.sleep(SLICE)
        self.reached = sent / (time.monotonic() - started)

    def _orders(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for number in range(SAMPLES):
            yield f"person-{number}", {"order_id": f"o-{number}", "value": 1999, "currency": "EUR"}

    async def _event(self, topic: str, kind: str, person: str, more: dict[str, Any]) -> None:
        at = time.time_ns() // 1_000_000
        event = {"type": kind, "event_id": f"{kind}-{person}", "site_id": SITE, "customer_id": person}
        value = _encode(event | {"occurred_at": at} | more)
        await self._send(Sent(at, topic, f"{SITE}|c|{person}".encode(), value))

    async def _send(self, event: Sent) -> None:
        partition = partition_of(event.key.decode(), PARTITIONS)
        topic, at = f"{self._namespace}.{event.topic}", time.time_ns() // 1_000_000
        await self._producer.send(topic, event.value, key=event.key, partition=partition, timestamp_ms=at)


_GRANT = {"purpose": "marketing_message", "channel": "email", "status": "granted"}
_CART = {"items": [{"item_id": "sku-1", "item_category": "kind-1", "price": 1999}], "currency": "EUR"}
