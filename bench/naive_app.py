"""Faust as its documentation shows it: one agent on the events, one table write an event, JSON in and out."""

import os
from typing import Any

import faust

PARTITIONS = 4
HALF_LIFE_MS = 600_000.0

app = faust.App(
    os.environ["NAIVE_APP"],
    broker="kafka://" + os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    store="memory://",
    datadir=os.environ["NAIVE_DATA"],
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    web_enabled=False,
)
events = app.topic(os.environ["NAIVE_TOPIC"], key_type=bytes, value_serializer="json")
adds = app.topic(os.environ["NAIVE_TOPIC"] + ".out", key_type=str, value_serializer="json")
customers = app.Table("customers", partitions=PARTITIONS)


def fold(state: dict[str, Any], event: dict[str, Any]) -> dict[str, Any] | None:
    """Count, decay an interest a category, keep the cart; what to send for an add_to_cart."""
    at, kind = event["occurred_at"], event["type"]
    state["events"] += 1
    interests = state["interests"]
    decay = 0.5 ** (max(0, at - state["seen"]) / HALF_LIFE_MS)
    for category in interests:
        interests[category] *= decay
    state["seen"] = max(at, state["seen"])
    for item in event.get("items", ()):
        if category := item.get("item_category"):
            interests[category] = interests.get(category, 0.0) + 1.0
            if len(interests) > 8:
                del interests[min(interests, key=lambda name: interests[name])]
    if kind == "purchase":
        state["cart"] = []
    if kind != "add_to_cart":
        return None
    cart = state["cart"]
    cart += [[item["item_id"], item.get("price", 0)] for item in event["items"]]
    del cart[:-10]
    return {"event_id": event["event_id"], "at": at, "items": cart, "value": sum(price for _, price in cart)}


@app.agent(events)
async def customer_fold(stream: faust.Stream[dict[str, Any]]) -> None:
    """Fold each event into its customer."""
    async for event in stream:
        person = event.get("customer_id") or event["anonymous_id"]
        state = customers.get(person) or {"events": 0, "seen": 0, "interests": {}, "cart": []}
        out = fold(state, event)
        customers[person] = state
        if out is not None:
            await adds.send(key=person, value=out)


if __name__ == "__main__":
    app.main()
