"""How large a stored customer is: it decides what the engine costs."""

from functools import partial

import msgspec

from bench import kafka
from bench.place import PARTITIONS, Place
from bench.report import figure, say
from pipeline.config.namespace import CHANGELOG, Mode, Namespace
from pipeline.replay.history import simulated
from pipeline.replay.publish import publish
from pipeline.simulator.parameters import SimulatedShop
from pipeline.state.codec import decode_customer

SAMPLED = 10
"""One row in this many is taken apart."""

SECTIONS = {
    "clicks": "event_ids",
    "carts": "event_ids",
    "grants": "permissions",
    "cart": "cart",
    "active": "cart",
    "orders": "orders",
    "tastes": "affinities",
    "wishes": "affinities",
    "win_back": "win_back",
    "shown": "personalization",
    "heads": "heads",
    "": "rest",
}
"""Fields of the customer value by section."""


async def simulate(place: Place) -> Namespace:
    """A simulated week of a shop, folded to its end."""
    namespace = await place.create(Mode.REPLAY)
    summary = await publish(place.settings, simulated(SimulatedShop()))
    say(f"simulated: {sum(summary.events.values()):,} events written in {summary.seconds:.1f} s")
    with place.ingest() as ingest:
        await ingest.until(partial(kafka.ingested, place.settings, namespace))
    with place.worker() as worker:
        await worker.until(partial(kafka.folded, place.settings, namespace))
    return namespace


async def measure(place: Place, namespace: Namespace, label: str) -> None:
    """Print mean, p50 and p99 of the newest value of each customer, and the mean of each section of it."""
    sizes: dict[bytes, int] = {}
    sections: dict[bytes, dict[str, int]] = {}
    async for record in kafka.read(place.settings, namespace.topic(CHANGELOG), PARTITIONS):
        if record.key[:1] != b"\0" and record.value is not None:
            sizes[record.key] = len(record.value)
            if record.offset % SAMPLED == 0 or record.key in sections:
                sections[record.key] = _sections(record.value)
    values = sorted(sizes.values())
    figure(f"customer_bytes.{label}.mean", sum(values) / len(values), "bytes")
    figure(f"customer_bytes.{label}.p50", values[len(values) // 2], "bytes")
    figure(f"customer_bytes.{label}.p99", values[int(len(values) * 0.99)], "bytes")
    figure(f"customers.{label}", len(values), "customers")
    for name in dict.fromkeys(SECTIONS.values()):
        mean = sum(found.get(name, 0) for found in sections.values()) / max(1, len(sections))
        figure(f"customer_bytes.{label}.of_{name}", mean, "bytes")


def _sections(value: bytes) -> dict[str, int]:
    """Bytes by section; what stands in none is the rest."""
    found: dict[str, int] = {}
    customer = decode_customer(value)
    for field, content in msgspec.structs.asdict(customer).items():
        section = SECTIONS.get(field, SECTIONS[""])
        found[section] = found.get(section, 0) + len(msgspec.msgpack.encode(content))
    return found
