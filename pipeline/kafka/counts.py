"""Whether the topics still are what the namespace's record says, asked by a process before it works with them."""

from collections.abc import Iterable

from pipeline.config.errors import UserError
from pipeline.config.namespace import SOURCES, Namespace, source_partitions
from pipeline.config.settings import Settings
from pipeline.kafka.clients import admin_client


async def require_topics(settings: Settings, namespace: Namespace, topics: Iterable[str]) -> None:
    """Check that the topics, named without the namespace, are there with their number of partitions.

    Raises UserError where one is not: keys would go to other partitions than before. Also where a source is not in the
    namespace's record, which an earlier release wrote.
    """
    async with admin_client(settings) as admin:
        found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    for topic in topics:
        name, wanted = namespace.topic(topic), source_partitions(topic, namespace.partitions)
        unknown = topic in SOURCES and topic not in {source.topic for source in namespace.sources}
        if name not in found or unknown:
            lack = "is not a source of the namespace yet" if name in found else "does not exist"
            raise UserError(
                f"topic {name} {lack}: run `pipeline topics apply --namespace {namespace.name} --mode {namespace.mode}`"
            )
        if found[name] != wanted:
            raise UserError(
                f"topic {name} has {found[name]} partitions, not {wanted}: they are fixed for good, so make the topic "
                "anew or take another --namespace"
            )
