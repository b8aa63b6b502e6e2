"""A namespace: a topic prefix with one mode, its topics, and the source partitions that the clock waits for."""

import re
from enum import StrEnum

import msgspec

from pipeline.config.errors import ConfigError

FORMAT = 1
"""Version of the `namespace` record in the control topic."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")


class Mode(StrEnum):
    """What the namespace's time is, fixed when it is created.

    live: watermarks come from the brokers and the wall clock, triggers may reach people.
    replay, test: no wall clock anywhere; clock records in the sources move the time.
    """

    LIVE = "live"
    REPLAY = "replay"
    TEST = "test"


CLOCKED_SOURCES = ("shop.clicks", "shop.carts", "shop.orders", "shop.customers", "shop.messages")
"""The engine's clock is the minimum over the partitions of these."""

MODELS = "pipeline.models"
"""What was learned: snapshots of the heads, and what the learner keeps for itself. One partition, compacted."""

BROADCAST_SOURCES = ("shop.catalog", "pipeline.control", MODELS)
"""Copied to every partition of the log; they do not hold the clock back."""

HISTORY = "shop.history"
"""What happened before the pipeline was there, imported: old events of people. They do not tell the time."""

PERSON_SOURCES = (*CLOCKED_SOURCES, HISTORY)
SOURCES = (*CLOCKED_SOURCES, "shop.catalog", "pipeline.control", HISTORY, MODELS)
"""A new one goes to the end: the places of the others are stored in state."""

LOG = "pipeline.log"
CHANGELOG = "pipeline.changelog"
EXAMPLES = "pipeline.examples"
"""Predictions with what came of them, for the learner; partitioned as the log."""
TOUCHES = "pipeline.touches"
"""Which product was touched after which others of one visit, and by nobody in particular; partitioned as the log."""
ITEMS = "pipeline.items"
"""What is looked at after what: the tables of the next item, a row a key. One partition, compacted."""
DECISIONS = "decisions"
REJECTS = "rejects"
ECHO = "echo"
"""Where an event with `test: true` is echoed after validation."""
ECHO_SOURCE = "source"
"""Header of an echo: `topic-partition-offset` of the event."""

TRIGGER_KINDS = ("cart_abandoned", "win_back", "personalization")


def trigger_topic(kind: str) -> str:
    """Name of the topic of a kind of trigger, without the namespace."""
    return f"triggers.{kind}"


OUTPUTS = (*(trigger_topic(kind) for kind in TRIGGER_KINDS), DECISIONS)


class SourcePartition(msgspec.Struct, frozen=True, array_like=True):
    """One partition of a source topic; its place in `Namespace.sources` is its integer source id."""

    topic: str
    partition: int


class Namespace(msgspec.Struct, frozen=True):
    """The `namespace` record: what every process must agree on before it starts.

    `sources` only ever grows at its end, because its indices are stored in state.
    `epoch` changes when the changelog topic is made anew.
    """

    name: str
    mode: Mode
    partitions: int
    sources: tuple[SourcePartition, ...]
    epoch: int = 1
    format: int = FORMAT

    def topic(self, name: str) -> str:
        """Full Kafka name of a topic of this namespace."""
        return f"{self.name}.{name}"

    def clocked(self) -> tuple[int, ...]:
        """Ids of the sources that the engine's clock waits for."""
        return tuple(i for i, s in enumerate(self.sources) if s.topic in CLOCKED_SOURCES)


def require_name(name: str) -> None:
    """Raise ConfigError where a namespace cannot have this name."""
    if not _NAME.match(name):
        raise ConfigError("namespace.name", f"{name!r} is not a namespace: use 1 to 32 of a-z, 0-9 and '-'")


def new_namespace(name: str, mode: Mode, partitions: int) -> Namespace:
    """Lay out a namespace. Raises ConfigError for a bad name or partition count."""
    require_name(name)
    if not 1 <= partitions <= 1024:
        raise ConfigError("topics.partitions", f"{partitions} is not between 1 and 1024")
    return with_all_sources(Namespace(name, mode, partitions, ()))


def with_all_sources(namespace: Namespace) -> Namespace:
    """The namespace with the sources that it lacks, at the end: those that came after the release that made it."""
    lacking = tuple(
        SourcePartition(topic, partition)
        for topic in SOURCES
        if topic not in {source.topic for source in namespace.sources}
        for partition in range(source_partitions(topic, namespace.partitions))
    )
    return msgspec.structs.replace(namespace, sources=namespace.sources + lacking)


def source_partitions(topic: str, partitions: int) -> int:
    """Partitions of a topic: one where the order of all records matters, else the namespace's."""
    return 1 if topic in ("pipeline.control", MODELS, ITEMS) else partitions
