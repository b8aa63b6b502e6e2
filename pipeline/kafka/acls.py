"""Who may do what in Kafka: the permissions that each process needs and no more, and the commands that grant them."""

import shlex
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from pipeline.config.namespace import (
    CHANGELOG,
    ECHO,
    EXAMPLES,
    HISTORY,
    ITEMS,
    LOG,
    MODELS,
    OUTPUTS,
    REJECTS,
    SOURCES,
    TOUCHES,
    TRIGGER_KINDS,
    trigger_topic,
)

CONTROL = "pipeline.control"
SHOP_SOURCES = tuple(topic for topic in SOURCES if topic not in (CONTROL, HISTORY, MODELS))


class Process(StrEnum):
    """Whoever has a user of its own in Kafka."""

    ADMIN = "admin"
    """`pipeline topics`, `policy publish`, `models pin`, `rejects replay`, `send`, `replay`, `import`: the operator."""
    INGEST = "ingest"
    WORKER = "worker"
    LEARNER = "learner"
    SERVE = "serve"
    READER = "reader"
    """`pipeline status`, `why`, `verify`, `tail`, `doctor`, `rejects list`, `models list`, `policy show`: sees all."""
    SHOP = "shop"
    """The shop's producers."""
    SENDER = "sender"
    """A consumer of triggers, which says in the shop's own topic what became of them."""


class Operation(StrEnum):
    """Kafka's operations, as kafka-acls.sh calls them. Read and Write include Describe."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"


class Resource(StrEnum):
    """What a permission is for, as kafka-acls.sh calls it."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


class Grant(NamedTuple):
    """Operations on one resource, or with `prefixed` on all whose names begin so. Names are full Kafka names."""

    resource: Resource
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def user_name(namespace: str, process: Process) -> str:
    """The user whom the printed commands give the permissions of a process."""
    return f"{namespace}-{process}"


def grants(namespace: str, process: Process) -> list[Grant]:
    """All that a process may do in a namespace, each resource once."""
    read, write, describe = Operation.READ, Operation.WRITE, Operation.DESCRIBE
    triggers = [trigger_topic(kind) for kind in TRIGGER_KINDS]

    def topic(name: str, *operations: Operation) -> Grant:
        return Grant(Resource.TOPIC, f"{namespace}.{name}", operations)

    def group(name: str, *operations: Operation) -> Grant:
        return Grant(Resource.GROUP, f"{namespace}-{name}", operations)

    match process:
        case Process.ADMIN:
            whole = (Operation.CREATE, describe, Operation.DESCRIBE_CONFIGS, read)
            return [
                Grant(Resource.TOPIC, f"{namespace}.", whole, prefixed=True),
                *(topic(name, write) for name in (*SOURCES, REJECTS)),
                group("ingest", read),
                Grant(Resource.TRANSACTIONAL_ID, f"{namespace}-rejects-replay", (write,)),
            ]
        case Process.INGEST:
            return [
                *(topic(name, read) for name in SOURCES),
                topic(LOG, read, write),
                *(topic(name, write) for name in (REJECTS, ECHO)),
                group("ingest", read),
            ]
        case Process.WORKER:
            return [
                *(topic(name, read) for name in (CONTROL, LOG, ITEMS)),
                topic(CHANGELOG, read, write),
                *(topic(name, write) for name in (*OUTPUTS, EXAMPLES, TOUCHES, REJECTS)),
                group("worker", read),
                Grant(Resource.TRANSACTIONAL_ID, f"{namespace}-worker-", (write,), prefixed=True),
            ]
        case Process.LEARNER:
            return [
                *(topic(name, read) for name in (CONTROL, EXAMPLES, TOUCHES)),
                *(topic(name, read, write) for name in (MODELS, ITEMS)),
                *(
                    Grant(Resource.TRANSACTIONAL_ID, f"{namespace}-{part}", (write,))
                    for part in ("learner", "learner-items")
                ),
            ]
        case Process.SERVE:
            return [*(topic(name, read) for name in (CONTROL, CHANGELOG, *triggers)), group("serve", read)]
        case Process.READER:
            return [Grant(Resource.TOPIC, f"{namespace}.", (read,), prefixed=True), group("ingest", describe)]
        case Process.SHOP:
            return [topic(name, write) for name in SHOP_SOURCES]
        case Process.SENDER:
            return [
                *(topic(name, read) for name in triggers),
                topic("shop.messages", write),
                Grant(Resource.GROUP, f"{namespace}.", (read,), prefixed=True),
            ]


def commands(namespace: str, process: Process, kafka_acls: list[str]) -> Iterator[str]:
    """Shell commands that grant a process what it needs, one for all resources of a kind with the same operations.

    `kafka_acls` is Kafka's own tool with the options that reach the brokers.
    """
    together: dict[tuple[Resource, tuple[Operation, ...], bool], list[str]] = {}
    for grant in grants(namespace, process):
        together.setdefault((grant.resource, grant.operations, grant.prefixed), []).append(grant.name)
    for (resource, operations, prefixed), names in together.items():
        words = [*kafka_acls, "--add", "--allow-principal", f"User:{user_name(namespace, process)}"]
        words += [word for operation in operations for word in ("--operation", operation)]
        words += [word for name in names for word in (f"--{resource}", name)]
        words += ["--resource-pattern-type", "prefixed"] if prefixed else []
        yield shlex.join(words)
