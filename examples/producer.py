"""Publishes a consent and a cart: `python examples/producer.py`. Needs aiokafka."""

import asyncio
import json
import os
import uuid
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

SITE, CUSTOMER = "my-shop", "c-2001"
CONSENT = {"type": "consent_update", "purpose": "marketing_message", "channel": "email", "status": "granted"}
CART = {"type": "add_to_cart", "currency": "EUR", "items": [{"item_id": "sku-lamp", "price": 4990, "quantity": 1}]}


async def main() -> None:
    """Publish both, one after the other; the environment says where Kafka is."""
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:19092")
    namespace = os.environ.get("PIPELINE_NAMESPACE_NAME", "dev")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for topic, body in (("shop.customers", CONSENT), ("shop.carts", CART)):
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            event = {"event_id": uuid.uuid4().hex, "site_id": SITE, "customer_id": CUSTOMER, "occurred_at": now} | body
            key = f"{SITE}|{CUSTOMER}".encode()  # one person, one partition: their events keep their order
            sent = await producer.send_and_wait(f"{namespace}.{topic}", json.dumps(event).encode(), key=key)
            print(f"{body['type']} is at {sent.topic}-{sent.partition}, offset {sent.offset}")  # noqa: T201


asyncio.run(main())
