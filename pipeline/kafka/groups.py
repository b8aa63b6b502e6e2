"""Consumer groups: what they have committed, and setting it where nobody is a member."""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IllegalStateError,
    NotCoordinatorForGroupError,
    UnknownMemberIdError,
)

from pipeline.config.errors import UserError
from pipeline.config.namespace import Namespace
from pipeline.config.settings import Settings
from pipeline.kafka.clients import ANSWER_TIMEOUT_MS, admin_client, connection, kafka_errors

_NOT_YET = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)
_PATIENCE = 10.0


def ingest_group(namespace: Namespace) -> str:
    """The group in which ingest reads the sources."""
    return f"{namespace.name}-ingest"


async def group_offsets(settings: Settings, group: str) -> dict[TopicPartition, int]:
    """What a group has committed; nothing for one that there never was."""
    async with admin_client(settings) as admin, asyncio.timeout(_PATIENCE):
        while True:
            try:
                found = await admin.list_consumer_group_offsets(group)
                return {tp: metadata.offset for tp, metadata in found.items() if metadata.offset >= 0}
            except _NOT_YET:  # a new broker makes the topic of the groups at the first question
                await asyncio.sleep(0.1)


async def refuse_members(settings: Settings, group: str) -> None:
    """Raise UserError where a group has members."""
    async with admin_client(settings) as admin, asyncio.timeout(_PATIENCE):
        while True:
            try:
                answers = await admin.describe_consumer_groups([group])
                break
            except _NOT_YET:
                await asyncio.sleep(0.1)
    if any(described[5] for answer in answers for described in answer.groups):
        raise _running(group)


async def set_group_offsets(settings: Settings, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit offsets for a group that has no members. Raises UserError where it has some."""
    await refuse_members(settings, group)
    client = AIOKafkaConsumer(
        **connection(settings.kafka),
        group_id=group,
        request_timeout_ms=ANSWER_TIMEOUT_MS,
        enable_auto_commit=False,
    )
    with kafka_errors(settings):
        try:
            await client.start()
            client.assign(list(offsets))
            await client.commit(dict(offsets))
        except (IllegalStateError, UnknownMemberIdError) as error:
            raise _running(group) from error
        finally:
            await client.stop()


def _running(group: str) -> UserError:
    return UserError(f"the group {group} has members: stop its processes first, then try again")
