"""Asks the brokers, before a process begins, whether it may do what it has to, so that all it lacks is said at once.

What is taken away later shows as the error of the request that was refused.
"""

from collections.abc import Sequence
from typing import ClassVar

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import GroupAuthorizationFailedError as GroupRefused
from aiokafka.errors import TopicAuthorizationFailedError as TopicRefused
from aiokafka.errors import TransactionalIdAuthorizationFailed as TransactionalIdRefused
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from pipeline.config.errors import UserError
from pipeline.config.settings import Settings
from pipeline.kafka.acls import Grant, Operation, Process, Resource, grants
from pipeline.kafka.clients import greet_one, kafka_errors, user

METADATA = 3
_BITS = {
    Operation.READ: 3,
    Operation.WRITE: 4,
    Operation.CREATE: 5,
    Operation.DESCRIBE: 8,
    Operation.DESCRIBE_CONFIGS: 10,
}
"""Kafka's codes of the operations: their places in a set of permitted ones."""
_COORDINATORS = {Resource.GROUP: 0, Resource.TRANSACTIONAL_ID: 1}


async def require(settings: Settings, process: Process) -> None:
    """Raises UserError that names everything the process needs and its user may not do."""
    wanted = [grant for grant in grants(settings.namespace.name, process) if _can_be_asked(grant)]
    with kafka_errors(settings):
        broker = await greet_one(settings)
        try:
            lacking = await _lacking(broker, wanted)
        finally:
            broker.close()
    if lacking:
        each = [f"{' and '.join(grant.operations)} on {_named(grant)}" for grant in lacking]
        raise UserError(
            f"{user(settings.kafka)} lacks what `pipeline {process}` needs: {', '.join(each)}. "
            f"`pipeline topics acls {process}` prints the commands that grant it"
        )


async def is_hidden(settings: Settings, topic: str) -> bool:
    """Whether we may not even see whether a topic is there. Raises UserError."""
    with kafka_errors(settings):
        broker = await greet_one(settings)
        try:
            return (await _permitted(broker, [topic])).get(topic) == set()
        finally:
            broker.close()


def _can_be_asked(grant: Grant) -> bool:
    """The brokers tell of topics one by one, not of all that begin alike."""
    return grant.resource is not Resource.TOPIC or not grant.prefixed


def _named(grant: Grant) -> str:
    return f"{grant.resource.replace('-', ' ')} {grant.name}{'*' if grant.prefixed else ''}"


async def _lacking(broker: AIOKafkaConnection, wanted: Sequence[Grant]) -> list[Grant]:
    permitted = await _permitted(broker, [grant.name for grant in wanted if grant.resource is Resource.TOPIC])
    lacking = []
    for grant in wanted:
        if grant.resource is Resource.TOPIC:
            left = tuple(o for o in grant.operations if o not in permitted.get(grant.name, grant.operations))
            if left:
                lacking.append(grant._replace(operations=left))
        elif await _is_refused(broker, grant):
            lacking.append(grant)
    return lacking


async def _permitted(broker: AIOKafkaConnection, topics: list[str]) -> dict[str, set[Operation]]:
    """What we may do with each topic; those that do not exist are left out, and all by a broker that cannot tell."""
    try:
        answer = await broker.send(_MetadataRequest(topics))
    except NotImplementedError:  # aiokafka, where the broker knows no version 8: Kafka has it since 2.3
        return {}
    return {
        name: {operation for operation, bit in _BITS.items() if code == 0 and permitted & (1 << bit)}
        for code, name, *_, permitted in answer.topics
        if code in (0, TopicRefused.errno)
    }


async def _is_refused(broker: AIOKafkaConnection, grant: Grant) -> bool:
    """Whether even Describe, which Read and Write include, is refused: no request asks for more without doing it."""
    name = f"{grant.name}0" if grant.prefixed else grant.name
    answer = await broker.send(FindCoordinatorRequest(name, _COORDINATORS[grant.resource]))
    return answer.error_code in (GroupRefused.errno, TransactionalIdRefused.errno)


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = METADATA
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("permitted", Int32),
            ),
        ),
        ("cluster_permitted", Int32),
    )


class _MetadataV8(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Version 8 is the first that tells what we may do; aiokafka ends at 5."""

    API_KEY = METADATA
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _MetadataRequest(Request[_MetadataV8]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY: ClassVar[int] = METADATA

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataV8]) -> _MetadataV8:
        return request_struct_class(self._topics, False, False, True)
