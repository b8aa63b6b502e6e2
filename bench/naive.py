"""The same events through a plain Faust agent with a table, in the same run, for comparison."""

import time
from pathlib import Path

from bench import kafka
from bench.events import HOUR, SKEWED, stream
from bench.place import PARTITIONS, Place
from bench.processes import Measured, rate
from bench.report import figure, known, say

TOPIC, APP = "naive-events", "naive"


async def measure(place: Place, folder: Path, count: int) -> None:
    """Print events/s and CPU µs/event of plain Faust, and how many times that is of our two hops."""
    settings, now = place.settings, time.time_ns() // 1_000_000
    for topic in (TOPIC, f"{TOPIC}.out"):
        await kafka.create_topic(settings, topic, PARTITIONS)
    events = (event._replace(topic=TOPIC) for event in stream(count, SKEWED, now - HOUR, now))
    await kafka.load(settings, events, "", PARTITIONS)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "NAIVE_APP": APP,
        "NAIVE_TOPIC": TOPIC,
        "NAIVE_DATA": str(folder / "naive"),
    }
    arguments = ["bench.naive_app", "worker", "-l", "warn", "--without-web"]
    changelog = f"{APP}-customers-changelog"

    async def done() -> bool:
        try:
            return await kafka.end(settings, changelog, PARTITIONS) >= count
        except Exception:  # noqa: BLE001  # the topic is not there yet
            return False

    with Measured(arguments, environment, folder / "naive.log") as faust:
        await faust.until(done, 1.0)
    writes = sorted([record.timestamp async for record in kafka.read(settings, changelog, PARTITIONS)])
    events_s, cpu = rate([(at, number) for number, at in enumerate(writes, 1)], faust.samples)
    figure("naive_faust.rate", events_s, "events/s")
    figure("naive_faust.cpu", cpu, "us/event")
    ours = [known("ingest.skewed.cpu"), known("engine.skewed.cpu")]
    if None not in ours:
        figure("both_hops_vs_naive_faust", cpu / sum(value for value in ours if value is not None), "x")
    else:
        say("no ratio: it needs the skewed run as well")
