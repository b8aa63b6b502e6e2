"""Whether the topics still are what the namespace's record says, asked by a process before it works with them."""

from collections.abc import Iterable

from pipeline.config.errors import UserError
from pipeline.config.namespace import Namespace, source_partitions
from pipeline.config.settings import Settings
from pipeline.kafka.clients import admin_client


async def require_topics(settings: Settings, namespace: Namespace, topics: Iterable[str]) -> None:
    """Check that the topics, named without the namespace, are there with their number of partitions.

    Raises UserError where one is not: keys would go to other partitions than before.
    """
    async with admin_client(settings) as admin:
        found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    for topic in topics:
        name, wanted = namespace.topic(topic), source_partitions(topic, namespace.partitions)
        if name not in found:
            raise UserError(
                f"topic {name} does not exist: run `pipeline topics apply --namespace {namespace.name} "
                f"--mode {namespace.mode}`"
            )
        if found[name] != wanted:
            raise UserError(
                f"topic {name} has {found[name]} partitions, not {wanted}: they are fixed for good, so make the topic "
                "anew or take another --namespace"
            )
