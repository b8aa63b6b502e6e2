"""The reference consumer on a real Kafka: acts once, in time, on what was committed and not cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGoneError

from examples.consumer import CANCELLED, EMITTED, active, consume
from pipeline.local.ports import free_port
from pipeline.schemas import examples
from pipeline.serve.valkey import start_valkey
from pipeline.triggers.contract import Trigger, encode

TIMEOUT = 30


def emitted(name: str, *, expires_in: timedelta = timedelta(hours=1)) -> Trigger:
    expires = (datetime.now(UTC) + expires_in).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = replace(examples.EMITTED.data, trigger_id=name, expires_at=expires)
    return replace(examples.EMITTED, id=f"{name}:e", data=data)


def cancelled(name: str) -> Trigger:
    return replace(examples.CANCELLED, id=f"{name}:c", data=replace(emitted(name).data, reason="ordered"))


class Shop:
    """A topic to write transactions to, and a consumer of it that may be stopped and started."""

    def __init__(self, bootstrap: str, namespace: str, producer: AIOKafkaProducer) -> None:
        self._bootstrap, self._namespace, self._producer = bootstrap, namespace, producer
        self.sent: list[str] = []
        self.recalled: list[str] = []
        self.done: set[str] = set()
        self.acted = asyncio.Event()
        self.fails_at: str | None = None

    async def write(self, *triggers: Trigger, abort: bool = False) -> None:
        await self._producer.begin_transaction()
        for trigger in triggers:
            await self._producer.send_and_wait(
                f"{self._namespace}.triggers.cart_abandoned", encode(trigger), examples.KEY.encode()
            )
        await (self._producer.abort_transaction() if abort else self._producer.commit_transaction())

    async def consume_until(self, last: str) -> None:
        """Run the consumer until it has sent `last`, then kill it."""
        reached = asyncio.Event()

        async def send(data: dict[str, Any]) -> None:
            if data["trigger_id"] == self.fails_at:
                raise ConnectionError("the mail server is away")
            self.sent.append(data["trigger_id"])
            self.acted.set()
            if data["trigger_id"] == last:
                reached.set()

        async def recall(data: dict[str, Any]) -> None:
            self.recalled.append(data["trigger_id"])

        running = asyncio.create_task(consume(self._bootstrap, self._namespace, send, recall, self.done))
        waiting = asyncio.create_task(reached.wait())
        async with asyncio.timeout(TIMEOUT):
            await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if running.done():
            await running
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def shop(bootstrap: str, namespace: str) -> AsyncIterator[Shop]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{namespace}.triggers.cart_abandoned", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=namespace) as producer:
        yield Shop(bootstrap, namespace, producer)


Namespace = Callable[[], str]


def test_types_are_those_of_the_contract() -> None:
    assert (examples.EMITTED.type, examples.CANCELLED.type) == (EMITTED, CANCELLED)


def test_acts_exactly_once_and_never_on_what_was_aborted(broker: str, namespace: Namespace) -> None:
    async def scenario() -> tuple[Sequence[str], Sequence[str]]:
        async with shop(broker, namespace()) as it:
            await it.write(emitted("first"))
            await it.write(emitted("aborted"), cancelled("first"), abort=True)
            await it.write(emitted("first"), emitted("second"))
            await it.write(emitted("late", expires_in=-timedelta(seconds=1)))
            await it.write(emitted("ordered"), cancelled("ordered"))
            await it.write(emitted("last"))
            await it.consume_until("last")
            return it.sent, it.recalled

    sent, recalled = asyncio.run(scenario())
    assert sent == ["first", "second", "last"]
    assert recalled == ["ordered"]


def test_recalls_what_was_sent_before_and_goes_on_where_it_committed(broker: str, namespace: Namespace) -> None:
    async def scenario() -> tuple[Sequence[str], Sequence[str]]:
        async with shop(broker, namespace()) as it:
            await it.write(emitted("zero"), emitted("one"))
            running = asyncio.create_task(it.consume_until("two"))
            async with asyncio.timeout(TIMEOUT):
                await it.acted.wait()
            await it.write(cancelled("one"), emitted("two"))
            await running  # the batch of "one" was committed before that of "two" was read
            it.done.clear()
            await it.write(emitted("three"))
            await it.consume_until("three")
            return it.sent, it.recalled

    sent, recalled = asyncio.run(scenario())
    assert sent[:3] == ["zero", "one", "two"]
    assert sent[-1] == "three"
    assert sent.count("zero") == sent.count("one") == 1
    assert recalled[0] == "one"


def test_a_failure_is_tried_again_and_nothing_goes_out_twice(broker: str, namespace: Namespace) -> None:
    async def scenario() -> Sequence[str]:
        async with shop(broker, namespace()) as it:
            await it.write(emitted("before"), emitted("broken"), emitted("after"))
            it.fails_at = "broken"
            with pytest.raises(ConnectionError):
                await it.consume_until("after")
            it.fails_at = None
            await it.consume_until("after")
            return it.sent

    assert asyncio.run(scenario()) == ["before", "broken", "after"]


def test_only_what_redis_says_is_active_is_sent_also_where_it_says_so_late() -> None:
    async def scenario(url: str) -> list[bool]:
        async with Redis.from_url(url) as redis:
            await redis.set("trigger:holds", "active")
            await redis.set("trigger:ordered", "cancelled")
            late = asyncio.create_task(active(redis, "late", TIMEOUT))
            found = [await active(redis, name, patience=0.2) for name in ("holds", "ordered", "expired")]
            await redis.set("trigger:late", "active")
            return [*found, await late]

    with start_valkey(free_port()) as valkey:
        assert asyncio.run(scenario(valkey.url)) == [True, False, False, True]


def test_a_redis_that_is_away_sends_nothing() -> None:
    async def scenario() -> bool:
        async with Redis.from_url(f"redis://127.0.0.1:{free_port()}/0") as redis:
            return await active(redis, "any")

    with pytest.raises(RedisGoneError):
        asyncio.run(scenario())
