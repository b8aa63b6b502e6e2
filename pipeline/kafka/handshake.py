"""Greets a broker as every client does, and says in one line which step of that it refuses.

aiokafka tells all of it as "Unable to bootstrap": a wrong password, a wrong CA, a port that speaks no TLS.
"""

import asyncio
import ssl
from typing import Any

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from pipeline.config.errors import UserError
from pipeline.config.settings import KafkaSettings

REACH_TIMEOUT = 3.0
"""Seconds after which a broker that does not accept a connection counts as missing."""
GREETING_TIMEOUT_MS = 10_000

_NOT_FOR_THIS_HOST = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_VALID_NOW = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


class MissingBrokerError(UserError):
    """Nothing accepts a connection there."""


async def greet(kafka: KafkaSettings, arguments: dict[str, Any], host: str, port: int) -> AIOKafkaConnection:
    """Connect, prove who we are, and ask for metadata; `arguments` are those of aiokafka's clients.

    Gives the open connection. Raises MissingBrokerError, or UserError with the step that failed.
    """
    await _knock(host, port)
    where = f"{host}:{port}"
    options = {key: value for key, value in arguments.items() if key != "bootstrap_servers"}
    try:
        broker = await create_conn(host.strip("[]"), port, request_timeout_ms=GREETING_TIMEOUT_MS, **options)
        try:
            await broker.send(MetadataRequest([]))
        except BaseException:
            broker.close()
            raise
    except ssl.SSLCertVerificationError as error:
        raise UserError(_certificate(kafka, where, host, error)) from error
    except SaslAuthenticationFailed as error:
        raise UserError(
            f"Kafka at {where} refuses user {kafka.sasl_username!r} with {kafka.sasl_mechanism}: the user or the "
            "password is wrong. Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
        ) from error
    except UnsupportedSaslMechanismError as error:
        raise UserError(
            f"Kafka at {where} takes no passwords by {kafka.sasl_mechanism}: set KAFKA_SASL_MECHANISM to one that it "
            "has enabled"
        ) from error
    except IllegalSaslStateError as error:
        raise UserError(
            f"Kafka at {where} asks for no password on this port: take another port, or set "
            f"KAFKA_SECURITY_PROTOCOL={kafka.security_protocol.removeprefix('SASL_')}"
        ) from error
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        raise UserError(await _silence(kafka, where, host, port, error)) from error
    return broker


async def _knock(host: str, port: int) -> None:
    try:
        async with asyncio.timeout(REACH_TIMEOUT):
            _, writer = await asyncio.open_connection(host.strip("[]"), port)
    except OSError as error:  # TimeoutError is one too
        raise MissingBrokerError(f"no Kafka at {host}:{port}") from error
    writer.close()


def _certificate(kafka: KafkaSettings, where: str, host: str, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _NOT_FOR_THIS_HOST:
        return (
            f"the certificate of Kafka at {where} is not for {host}: name the broker in KAFKA_BOOTSTRAP_SERVERS as its "
            "certificate does"
        )
    if error.verify_code in _NOT_VALID_NOW:
        return f"the certificate of Kafka at {where} is not valid now, or its CA's is not: {error.verify_message}"
    if kafka.ssl_cafile:
        return (
            f"the certificate of Kafka at {where} is not signed by the CA in {kafka.ssl_cafile}: set KAFKA_SSL_CAFILE "
            "to the CA that signed it"
        )
    return (
        f"the certificate of Kafka at {where} is signed by no CA that this machine trusts: set KAFKA_SSL_CAFILE to the "
        "PEM file of the CA that signed it"
    )


async def _silence(kafka: KafkaSettings, where: str, host: str, port: int, error: Exception) -> str:
    """Why a broker hung up, or never answered: it does not say so itself."""
    protocol = kafka.security_protocol
    if protocol.endswith("SSL") and isinstance(error, ssl.SSLError | ConnectionError):
        return (
            f"{where} does not speak TLS: take the port that does, or set KAFKA_SECURITY_PROTOCOL="
            f"{'SASL_PLAINTEXT' if protocol.startswith('SASL') else 'PLAINTEXT'}, which sends everything in the clear"
        )
    if not protocol.endswith("SSL") and await _speaks_tls(host, port):
        return f"{where} speaks TLS: set KAFKA_SECURITY_PROTOCOL to SASL_SSL, or SSL where it asks for no password"
    if isinstance(error, KafkaError) and not protocol.startswith("SASL"):
        return (
            f"{where} does not answer as a Kafka without a password does: check KAFKA_BOOTSTRAP_SERVERS and "
            "KAFKA_SECURITY_PROTOCOL, SASL_SSL where it asks for one"
        )
    return f"{where} does not answer as a Kafka does: check KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL"


async def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only asked whether, never told anything
    try:
        async with asyncio.timeout(REACH_TIMEOUT):
            _, writer = await asyncio.open_connection(host.strip("[]"), port, ssl=context)
    except OSError:
        return False
    writer.close()
    return True
