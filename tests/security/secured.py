"""A real broker as production has them: TLS, passwords (SCRAM-SHA-512) and Kafka's own authorizer."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from pipeline.config.settings import KafkaSettings, Settings
from pipeline.kafka.acls import Grant, Operation, Resource
from pipeline.kafka.broker import start_broker
from pipeline.kafka.clients import greet_one
from pipeline.local.ports import HOST, free_port

ADMIN = "admin"

# Kafka's codes, as its protocol has them.
ANY, ALLOW, LITERAL, PREFIXED = 1, 3, 3, 4
RESOURCES = {Resource.TOPIC: 2, Resource.GROUP: 3, Resource.TRANSACTIONAL_ID: 5}
OPERATIONS = {
    Operation.READ: 3,
    Operation.WRITE: 4,
    Operation.CREATE: 5,
    Operation.DESCRIBE: 8,
    Operation.DESCRIBE_CONFIGS: 10,
}


@dataclass(frozen=True)
class Authority:
    """A certificate authority of its own, and a server's key and certificate in one PEM file, signed by it."""

    ca: Path
    server: Path


@dataclass(frozen=True)
class SecuredBroker:
    """`server` takes TLS with a password, `plain` neither: there the broker talks to itself. `ADMIN` may do all."""

    server: str
    plain: str
    authority: Authority
    passwords: Mapping[str, str]
    environment: Mapping[str, str]

    def as_user(self, user: str) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=self.server,
            security_protocol="SASL_SSL",
            sasl_username=user,
            sasl_password=self.passwords[user],
            ssl_cafile=str(self.authority.ca),
        )

    def start(self, user: str, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Start `pipeline` as it runs in production: it gets all it knows from its environment."""
        kafka = self.as_user(user)
        own = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": kafka.security_protocol,
            "KAFKA_SASL_USERNAME": kafka.sasl_username,
            "KAFKA_SASL_PASSWORD": kafka.sasl_password,
            "KAFKA_SSL_CAFILE": kafka.ssl_cafile,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *command],
            env={**self.environment, **own, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, user: str, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        with self.start(user, *command, **environment) as process:
            try:
                out, err = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


async def grant(broker: SecuredBroker, user: str, wanted: Iterable[Grant]) -> None:
    """Add permissions, as kafka-acls.sh does."""
    await _change(broker, [CreateAclsRequest(*_acl(user, one, operation)) for one, operation in _each(wanted)])


async def take(broker: SecuredBroker, user: str, unwanted: Iterable[Grant]) -> None:
    """Take permissions away."""
    await _change(broker, [DeleteAclsRequest(*_acl(user, one, operation)) for one, operation in _each(unwanted)])


async def granted(broker: SecuredBroker, user: str) -> set[Grant]:
    """What a user has, one operation each."""
    connection = await _admin(broker)
    try:
        answer = await connection.send(DescribeAclsRequest(ANY, None, ANY, f"User:{user}", None, ANY, ANY))
    finally:
        connection.close()
    kinds, operations = ({code: what for what, code in table.items()} for table in (RESOURCES, OPERATIONS))
    return {
        Grant(kinds[kind], name, (operations[operation],), pattern == PREFIXED)
        for kind, name, pattern, acls in answer.resources
        for _principal, _host, operation, _allow in acls
    }


def _each(wanted: Iterable[Grant]) -> Iterator[tuple[Grant, Operation]]:
    return ((one, operation) for one in wanted for operation in one.operations)


def _acl(user: str, one: Grant, operation: Operation) -> tuple[int, str, int, str, str, int, int]:
    pattern = PREFIXED if one.prefixed else LITERAL
    return RESOURCES[one.resource], one.name, pattern, f"User:{user}", "*", OPERATIONS[operation], ALLOW


async def _change(broker: SecuredBroker, requests: Iterable[Any]) -> None:
    connection = await _admin(broker)
    try:
        for request in requests:
            answer = await connection.send(request)
            (outcome,) = getattr(answer, "creation_responses", None) or answer.filter_responses
            assert outcome[0] == 0, outcome
    finally:
        connection.close()


async def _admin(broker: SecuredBroker) -> AIOKafkaConnection:
    return await greet_one(Settings(kafka=broker.as_user(ADMIN)))


def new_authority(folder: Path) -> Authority:
    """Make the keys with openssl, as an operator would."""
    folder.mkdir(parents=True)
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    key, request, certificate = folder / "server.key", folder / "server.csr", folder / "server.crt"
    names = folder / "names"
    names.write_text(f"subjectAltName=IP:{HOST}\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    _openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=Test CA")
    _openssl("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=kafka")
    signed_by = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2"]
    _openssl("x509", "-req", "-in", request, *signed_by, "-extfile", names, "-out", certificate)
    server = folder / "server.pem"
    server.write_text(key.read_text() + certificate.read_text() + ca.read_text())
    return Authority(ca, server)


@contextmanager
def secured_broker(folder: Path, namespace: str, users: Iterable[str]) -> Iterator[SecuredBroker]:
    """Run it. Nobody but `ADMIN` may do anything until an ACL says so."""
    authority = new_authority(folder / "keys")
    passwords = {user: f"{user}-secret" for user in [ADMIN, *users]}
    port, secure_port = free_port(), free_port()
    properties = {
        "listeners": f"PLAINTEXT://{HOST}:{port},SASL_SSL://{HOST}:{secure_port},CONTROLLER://{HOST}:{port + 1}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port},SASL_SSL://{HOST}:{secure_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": authority.server,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN};User:ANONYMOUS",
    }
    with start_broker(folder / "data", port, properties, passwords):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("KAFKA_", "PIPELINE_"))}
        environment = clean | {
            "PIPELINE_NAMESPACE_NAME": namespace,
            "PIPELINE_TOPICS_PARTITIONS": "1",
            "PIPELINE_WORKER_SESSION_TIMEOUT": "6s",
            "PIPELINE_WORKER_DATA_DIR": str(folder / "worker"),
        }
        yield SecuredBroker(f"{HOST}:{secure_port}", f"{HOST}:{port}", authority, passwords, environment)


def _openssl(*arguments: object) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
