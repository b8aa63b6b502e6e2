"""From an event to what it causes, while 2,000 other events a second flow.

An order cancels a trigger; a view brings a personalization, and the profile in Redis.
"""

import asyncio
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.events import SKEWED, Sent, stream
from bench.place import PARTITIONS, Place
from bench.processes import Others
from bench.report import figure, say
from bench.watch import ProfileWatch
from pipeline.config.durations import Millis
from pipeline.config.namespace import DECISIONS, Mode, trigger_topic
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
    """Print p50 and p99 from an event's CreateTime until a reader has what it caused.

    Readers are a read-committed consumer of Kafka, and a client that Redis tells of each profile written.
    """
    namespace = await place.create(Mode.LIVE)
    arguments = connection(place.settings.kafka)
    producer = AIOKafkaProducer(**arguments, linger_ms=0)
    consumer = AIOKafkaConsumer(
        **arguments, isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
    )
    await producer.start()
    await consumer.start()
    run = _Run(namespace.name, producer, consumer)
    reading: list[asyncio.Task[None]] = []
    try:
        short = SitePolicy(cart=CartPolicy(steps=(Millis(2_000),)))
        key, value = policy_record(Policy({"*": SitePolicy(), SITE: short}))
        await producer.send_and_wait(namespace.topic("pipeline.control"), value, key=key, partition=0)
        topics = [namespace.topic(DECISIONS), namespace.topic(trigger_topic("personalization"))]
        consumer.assign([TopicPartition(topic, p) for topic in topics for p in range(PARTITIONS)])
        with place.ingest(), place.worker(), place.redis() as url, place.serve(url):
            profiles = ProfileWatch(url, SITE)
            reading = [asyncio.create_task(run.read()), asyncio.create_task(profiles.read())]
            await run.prepare()
            others = Others()
            await run.flow()
            figure("latency.other_cores", others.cores(), "cores")
            await asyncio.sleep(2)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        await consumer.stop()
        await producer.stop()
    say(f"latency: background at {run.reached:,.0f} events/s")
    figure("latency.background", run.reached, "events/s")
    _print("event_to_decision", run.ordered, run.cancelled)
    _print("event_to_personalization", run.viewed, run.shown)
    _print("event_to_redis", run.viewed, profiles.written(run.viewed))


def _print(name: str, began: dict[str, float], ended: dict[str, float]) -> None:
    taken = sorted(ended[person] - began[person] for person in began if person in ended)
    say(f"{name}: {len(taken)} of {len(began)} seen")
    if len(taken) < SAMPLES * 0.9:
        raise RuntimeError("too few to judge the latency")
    figure(f"{name}.p50", taken[len(taken) // 2], "ms")
    figure(f"{name}.p99", taken[int(len(taken) * 0.99)], "ms")
    figure(f"{name}.samples", len(taken), "events")


class _Run:
    def __init__(self, namespace: str, producer: Any, consumer: Any) -> None:
        self._namespace = namespace
        self._producer = producer
        self._consumer = consumer
        self._emitted: set[str] = set()
        self.ordered: dict[str, float] = {}
        self.cancelled: dict[str, float] = {}
        self.viewed: dict[str, float] = {}
        self.shown: dict[str, float] = {}
        self.reached = 0.0

    async def read(self) -> None:
        """Note when which decision or personalization is here."""
        while True:
            polled = await self._consumer.getmany(timeout_ms=100)
            now = time.time() * 1000
            for record in (record for records in polled.values() for record in records):
                value = msgspec.json.decode(record.value)
                if "specversion" in value:
                    self.shown.setdefault(value["data"].get("anonymous_id", ""), now)
                elif value["site_id"] == SITE and value["outcome"] == "emitted" and "customer_id" in value:
                    self._emitted.add(value["customer_id"])
                elif value["site_id"] == SITE and value["outcome"] == "cancelled":
                    self.cancelled[value["customer_id"]] = now

    async def prepare(self) -> None:
        """Carts of people who allow email, until a trigger has gone out for each; and the first view of visitors."""
        people = [f"person-{number}" for number in range(SAMPLES)]
        for kind, more in (("consent_update", _GRANT), ("add_to_cart", _CART)):
            topic = "shop.customers" if kind == "consent_update" else "shop.carts"
            for person in people:
                await self._event(topic, kind, {"customer_id": person}, more)
            await asyncio.sleep(1)
        for number in range(SAMPLES):
            await self._event("shop.clicks", "page_view", {"anonymous_id": f"visitor-{number}"}, _VISIT)
        deadline = time.monotonic() + 60
        while len(self._emitted) < SAMPLES:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(self._emitted)} of {SAMPLES} triggers came")
            await asyncio.sleep(0.1)

    async def flow(self) -> None:
        """The background, and evenly among it the orders and the views."""
        now = time.time_ns() // 1_000_000
        background = list(stream(RATE * SECONDS, SKEWED, now, now + SECONDS * 1000, seed=11))
        started, sent, numbers = time.monotonic(), 0, iter(range(SAMPLES))
        next_order, gap = started + 5, (SECONDS - 6) / SAMPLES  # the first seconds warm up
        while sent < len(background):
            now_s = time.monotonic()
            goal = min(len(background), int((now_s - started) * RATE))
            for event in background[sent:goal]:
                await self._send(event)
            sent = goal
            while now_s >= next_order and (number := next(numbers, None)) is not None:
                person, visitor = f"person-{number}", f"visitor-{number}"
                order = {"order_id": f"o-{number}", "value": 1999, "currency": "EUR"}
                self.ordered[person] = time.time() * 1000
                await self._event("shop.orders", "purchase", {"customer_id": person}, order)
                self.viewed[visitor] = time.time() * 1000
                await self._event("shop.clicks", "view_item", {"anonymous_id": visitor}, _VISIT | _CART)
                next_order += gap
            await asyncio.sleep(SLICE)
        self.reached = sent / (time.monotonic() - started)

    async def _event(self, topic: str, kind: str, who: dict[str, str], more: dict[str, Any]) -> None:
        at = time.time_ns() // 1_000_000
        name = next(iter(who.values()))
        event = {"type": kind, "event_id": f"{kind}-{name}", "site_id": SITE} | who
        letter = "c" if "customer_id" in who else "a"
        value = _encode(event | {"occurred_at": at} | more)
        await self._send(Sent(at, topic, f"{SITE}|{letter}|{name}".encode(), value))

    async def _send(self, event: Sent) -> None:
        partition = partition_of(event.key.decode(), PARTITIONS)
        topic, at = f"{self._namespace}.{event.topic}", time.time_ns() // 1_000_000
        await self._producer.send(topic, event.value, key=event.key, partition=partition, timestamp_ms=at)


_GRANT = {"purpose": "marketing_message", "channel": "email", "status": "granted"}
_VISIT = {"context": {"consent": {"analytics_storage": "granted", "personalization_storage": "granted"}}}
_CART = {"items": [{"item_id": "sku-1", "item_category": "kind-1", "price": 1999}], "currency": "EUR"}
