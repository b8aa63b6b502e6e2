"""The reference consumer of abandoned carts: acts once on each trigger, in time, and takes back what is cancelled.

Run it with `python examples/consumer.py`; it logs where a sender would send. Needs aiokafka and redis.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from redis.asyncio import Redis
from redis.exceptions import RedisError

EMITTED, CANCELLED = "cart_abandoned.emitted.v1", "cart_abandoned.cancelled.v1"
Handler = Callable[[dict[str, Any]], Awaitable[None]]


async def consume(bootstrap: str, namespace: str, send: Handler, recall: Handler, done: set[str]) -> None:
    """Give `send` the data of each trigger to act on, and `recall` that of each which was cancelled. Never returns.

    After a crash Kafka gives again what was not committed. `done` is what keeps a mail from going out twice: keep it
    in your database, written together with what you do. An id may be forgotten once its trigger has expired.
    """
    async with AIOKafkaConsumer(
        f"{namespace}.triggers.cart_abandoned",
        bootstrap_servers=bootstrap,
        group_id=f"{namespace}.cart-reminders",
        isolation_level="read_committed",  # what an aborted transaction wrote was never decided
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    ) as consumer:
        while True:
            records = await consumer.getmany(timeout_ms=1_000)
            events = [json.loads(record.value) for partition in records.values() for record in partition]
            cancelled = {e["data"]["trigger_id"] for e in events if e["type"] == CANCELLED}
            for event in events:
                data = event["data"]
                if event["id"] in done:
                    continue
                expired = datetime.fromisoformat(data["expires_at"]) <= datetime.now(UTC)
                if event["type"] == CANCELLED:
                    await recall(data)
                elif event["type"] == EMITTED and not expired and data["trigger_id"] not in cancelled:
                    await send(data)
                done.add(event["id"])
            if events:
                await consumer.commit()


async def active(redis: Redis, trigger_id: str, patience: float = 5) -> bool:
    """Whether the trigger still holds; ask right before you send. Redis may have it some seconds after Kafka.

    Raises RedisError where Redis is away: then send nothing, and try again.
    """
    give_up = asyncio.get_running_loop().time() + patience
    while (state := await redis.get(f"trigger:{trigger_id}")) is None:
        if asyncio.get_running_loop().time() > give_up:
            return False
        await asyncio.sleep(0.1)
    return bool(state == b"active")


async def main() -> None:
    """Log what a sender would do; the environment says where Kafka and Redis are."""
    redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:16379/0"))

    async def send(data: dict[str, Any]) -> None:
        if await active(redis, data["trigger_id"]):
            logging.info("%s: remind %s of %s", data["mode"], data["trigger_id"], [i["item_id"] for i in data["items"]])

    async def recall(data: dict[str, Any]) -> None:
        logging.info("%s: stop %s, %s", data["mode"], data["trigger_id"], data["reason"])

    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:19092")
    await consume(bootstrap, os.environ.get("PIPELINE_NAMESPACE_NAME", "dev"), send, recall, set())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
    except KafkaConnectionError as error:
        sys.exit(f"no Kafka: {error}")
    except RedisError as error:
        sys.exit(f"no Redis, and nothing is sent without it; what was not committed comes again: {error}")
