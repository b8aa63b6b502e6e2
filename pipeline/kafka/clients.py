"""From settings to Kafka clients: connection arguments, and one clear line where the brokers cannot be reached."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.helpers import create_ssl_context

from pipeline.config.errors import ConfigError, UserError
from pipeline.config.settings import KafkaSettings, Settings
from pipeline.kafka.handshake import MissingBrokerError, greet

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
AUTHORIZATION_ERRORS = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    ClusterAuthorizationFailedError,
)
ANSWER_TIMEOUT_MS = 10_000
FETCH_WAIT_MS = 20
"""Longest that a broker holds back the answer to a reader at the end of what there is; whatever the reader asks next,
offsets or another partition, waits behind that answer."""
STOP_PATIENCE = 0.1
"""Seconds given to a consumer that stops, before its fetcher is cancelled once more."""

# Where a program sets up no logging, Python would print aiokafka's warnings beside our own one-line errors.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


def connection(kafka: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes. Raises ConfigError that names the key."""
    if kafka.security_protocol not in PROTOCOLS:
        raise ConfigError(
            "kafka.security_protocol", f"{kafka.security_protocol!r} is not one of {', '.join(PROTOCOLS)}"
        )
    arguments: dict[str, Any] = {
        "bootstrap_servers": [f"{host}:{port}" for host, port in brokers(kafka)],
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol.startswith("SASL"):
        if kafka.sasl_mechanism not in MECHANISMS:
            raise ConfigError("kafka.sasl_mechanism", f"{kafka.sasl_mechanism!r} is not one of {', '.join(MECHANISMS)}")
        if not kafka.sasl_username:
            raise ConfigError("kafka.sasl_username", f"is needed with {kafka.security_protocol}")
        arguments |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password,
        }
    if kafka.security_protocol.endswith("SSL"):
        arguments["ssl_context"] = _ssl_context(kafka)
    return arguments


def brokers(kafka: KafkaSettings) -> list[tuple[str, int]]:
    """The bootstrap servers as (host, port). Raises ConfigError where one is not host:port."""
    found = []
    for server in kafka.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise ConfigError("kafka.bootstrap_servers", f"{server.strip()!r} is not host:port")
        found.append((host, int(port)))
    return found


async def reachable(settings: Settings) -> None:
    """Check that one of the brokers takes us as we are. Raises UserError with the remedy otherwise."""
    (await greet_one(settings)).close()


async def greet_one(settings: Settings) -> AIOKafkaConnection:
    """An open connection to whichever broker takes us first. Raises UserError where none does."""
    kafka = settings.kafka
    arguments = connection(kafka)
    greetings = [asyncio.create_task(greet(kafka, arguments, host, port)) for host, port in brokers(kafka)]
    refusals = []
    try:
        for greeting in asyncio.as_completed(greetings):
            try:
                return await greeting
            except UserError as error:
                refusals.append(error)
    finally:
        for task in greetings:
            task.cancel()
    raise next((why for why in refusals if not isinstance(why, MissingBrokerError)), _missing(settings))


@contextmanager
def kafka_errors(settings: Settings) -> Iterator[None]:
    """Turn what aiokafka raises in this block into a UserError of one line."""
    try:
        yield
    except AUTHORIZATION_ERRORS as error:
        raise forbidden(settings.kafka, error) from error
    except KafkaConnectionError as error:
        raise UserError(
            f"Kafka at {settings.kafka.bootstrap_servers} does not answer any more, or not at the addresses that its "
            f"brokers advertise: {_first_line(error)}"
        ) from error
    except KafkaError as error:
        raise UserError(f"Kafka at {settings.kafka.bootstrap_servers}: {_first_line(error)}") from error
    except TimeoutError as error:
        raise UserError(f"Kafka at {settings.kafka.bootstrap_servers} did not answer in time") from error


def user(kafka: KafkaSettings) -> str:
    """Who we are to the brokers, for a message."""
    return f"user {kafka.sasl_username!r}" if kafka.security_protocol.startswith("SASL") else "a client without a user"


def forbidden(kafka: KafkaSettings, error: KafkaError) -> UserError:
    """One of AUTHORIZATION_ERRORS as the user and what an ACL keeps from them."""
    kinds = {
        TopicAuthorizationFailedError: "topic",
        GroupAuthorizationFailedError: "group",
        TransactionalIdAuthorizationFailed: "transactional id",
        ClusterAuthorizationFailedError: "cluster",
    }
    names = error.args[0] if error.args else ""
    if isinstance(names, TopicPartition):
        names = names.topic
    what = f"{kinds[type(error)]} {names if isinstance(names, str) else ', '.join(sorted(map(str, names)))}".strip()
    return UserError(f"{user(kafka)} may not use {what}: `pipeline topics acls` prints what each process needs")


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client. Raises UserError where Kafka cannot be reached or refuses."""
    arguments = connection(settings.kafka)
    await reachable(settings)
    client = AIOKafkaAdminClient(**arguments, request_timeout_ms=ANSWER_TIMEOUT_MS)
    with kafka_errors(settings):
        try:
            await client.start()
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer without a group, to assign and seek by hand. Raises UserError as `admin_client` does."""
    arguments = connection(settings.kafka)
    await reachable(settings)
    client = AIOKafkaConsumer(
        **arguments,
        request_timeout_ms=ANSWER_TIMEOUT_MS,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_partition_fetch_bytes=16 * 1024 * 1024,
    )
    with kafka_errors(settings):
        try:
            await client.start()
            yield client
        finally:
            await stop_consumer(client)


async def stop_consumer(client: AIOKafkaConsumer) -> None:
    """Stop a consumer. Use this where its assignment may have changed a moment ago.

    aiokafka's fetcher, while it waits for what it has cancelled after such a change, swallows its own cancellation
    too; `stop` would then wait for it for ever. So it is cancelled until it ends.
    """
    stopping = asyncio.ensure_future(client.stop())
    while not (await asyncio.wait([stopping], timeout=STOP_PATIENCE))[0]:
        if client._fetcher is not None:  # noqa: SLF001  # there is none where it could not start
            client._fetcher._fetch_task.cancel()  # noqa: SLF001  # there is no other way to reach it
    await stopping


def _missing(settings: Settings) -> UserError:
    return UserError(
        f"no Kafka at {settings.kafka.bootstrap_servers}: start one with `pipeline broker`, or set "
        "KAFKA_BOOTSTRAP_SERVERS"
    )


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    try:
        context: ssl.SSLContext = create_ssl_context(cafile=kafka.ssl_cafile or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("kafka.ssl_cafile", f"{kafka.ssl_cafile!r} cannot be read as PEM certificates") from error
    return context


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
