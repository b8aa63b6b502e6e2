"""With exactly its listed permissions each process does its work on a secured Kafka; without one it says which."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from redis import Redis

from pipeline.config.settings import Settings
from pipeline.kafka.acls import Grant, Operation, Process, Resource, grants, user_name
from pipeline.kafka.clients import connection, greet_one
from pipeline.kafka.jars import KAFKA_VERSION, cache_dir, fetch_jars, find_java
from pipeline.kafka.permissions import METADATA, _lacking, is_hidden
from pipeline.local.ports import free_port
from pipeline.serve.valkey import ValkeyProcess, start_valkey
from tests.security.conftest import NAMESPACE, STRANGER
from tests.security.secured import ADMIN, SecuredBroker, grant, granted, take

TOOLS = f"kafka-tools-{KAFKA_VERSION}.jar"
TOOLS_SHA256 = "62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c"
POLICY = '[site."*".cart]\nsteps = ["1s"]\n'


def user(process: Process) -> str:
    return user_name(NAMESPACE, process)


@pytest.fixture(scope="module")
def secured(broker: SecuredBroker, tmp_path_factory: pytest.TempPathFactory) -> SecuredBroker:
    """The namespace, made by its admin; each process has what its list says."""

    async def grant_all() -> None:
        for process in Process:
            await grant(broker, user(process), grants(NAMESPACE, process))

    asyncio.run(grant_all())
    policy = tmp_path_factory.mktemp("policy") / "policy.toml"
    policy.write_text(POLICY)
    for command in (["topics", "apply", "--mode", "live"], ["policy", "publish", str(policy)], ["topics", "check"]):
        done = broker.run(user(Process.ADMIN), *command)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return broker


@pytest.fixture
def valkey() -> Iterator[ValkeyProcess]:
    with start_valkey(free_port()) as process:
        yield process


@pytest.fixture
def running(secured: SecuredBroker, valkey: ValkeyProcess) -> Iterator[list["subprocess.Popen[str]"]]:
    processes = [
        secured.start(user(each), each, REDIS_URL=valkey.url)
        for each in (Process.INGEST, Process.WORKER, Process.SERVE, Process.LEARNER)
    ]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def test_a_trigger_comes_out_where_everybody_has_exactly_what_is_listed(
    secured: SecuredBroker, running, valkey: ValkeyProcess
) -> None:
    now = datetime.now(UTC).isoformat()
    person = {"site_id": "shop", "customer_id": "c-1", "occurred_at": now}
    consent = {"purpose": "marketing_message", "status": "granted", "channel": "email"}
    item = {"item_id": "boots", "price": 11990}

    async def cart_to_trigger() -> dict[str, Any]:
        async with AIOKafkaProducer(**connection(secured.as_user(user(Process.SHOP)))) as shop:
            event = {"type": "consent_update", "event_id": "e-1"} | consent | person
            await shop.send_and_wait(f"{NAMESPACE}.shop.customers", json.dumps(event).encode())
            event = {"type": "add_to_cart", "event_id": "e-2", "currency": "EUR", "items": [item]} | person
            await shop.send_and_wait(f"{NAMESPACE}.shop.carts", json.dumps(event).encode())
        async with (
            AIOKafkaConsumer(
                f"{NAMESPACE}.triggers.cart_abandoned",
                **connection(secured.as_user(user(Process.SENDER))),
                group_id=f"{NAMESPACE}.cart-reminders",
                isolation_level="read_committed",
                auto_offset_reset="earliest",
            ) as sender,
            asyncio.timeout(40),
        ):
            record = await sender.getone()
            await sender.commit()
        return json.loads(record.value)

    trigger = asyncio.run(cart_to_trigger())
    assert trigger["type"] == "cart_abandoned.emitted.v1"
    assert trigger["data"]["customer_id"] == "c-1"
    with Redis.from_url(valkey.url) as redis:
        deadline = time.monotonic() + 20
        while redis.get(f"trigger:{trigger['data']['trigger_id']}") is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    commands = (["status"], ["why", "shop", "c-1"], ["verify"])
    for reader in [secured.start(user(Process.READER), *command) for command in commands]:
        _, said = reader.communicate(timeout=60)
        assert (reader.returncode, said) == (0, ""), (reader.args, said)
    for process in running:
        process.terminate()
    for process in running:
        _, said = process.communicate(timeout=20)
        assert "secret" not in said
        assert process.returncode == 0, said


def test_a_shop_cannot_read_what_it_wrote_nor_write_what_is_decided(secured: SecuredBroker) -> None:
    async def try_both() -> None:
        options = connection(secured.as_user(user(Process.SHOP)))
        async with AIOKafkaProducer(**options) as shop:
            with pytest.raises(TopicAuthorizationFailedError):
                await shop.send_and_wait(f"{NAMESPACE}.triggers.cart_abandoned", b"{}")
        consumer = AIOKafkaConsumer(f"{NAMESPACE}.shop.carts", **options, auto_offset_reset="earliest")
        await consumer.start()
        try:
            with pytest.raises(KafkaError):
                await asyncio.wait_for(consumer.getone(), 10)
        finally:
            await consumer.stop()

    asyncio.run(try_both())


@pytest.mark.parametrize(
    ("process", "lacking", "said"),
    [
        (Process.INGEST, Grant(Resource.TOPIC, "eu.shop.orders", (Operation.READ,)), "Read on topic eu.shop.orders"),
        (
            Process.INGEST,
            Grant(Resource.TOPIC, "eu.pipeline.log", (Operation.WRITE,)),
            "Write on topic eu.pipeline.log",
        ),
        (Process.INGEST, Grant(Resource.GROUP, "eu-ingest", (Operation.READ,)), "Read on group eu-ingest"),
        (Process.WORKER, Grant(Resource.TOPIC, "eu.decisions", (Operation.WRITE,)), "Write on topic eu.decisions"),
        (
            Process.LEARNER,
            Grant(Resource.TRANSACTIONAL_ID, "eu-learner", (Operation.WRITE,)),
            "Write on transactional id eu-learner",
        ),
        (Process.SERVE, Grant(Resource.GROUP, "eu-serve", (Operation.READ,)), "Read on group eu-serve"),
        (
            Process.WORKER,
            Grant(Resource.TRANSACTIONAL_ID, "eu-worker-", (Operation.WRITE,), prefixed=True),
            "Write on transactional id eu-worker-*",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_process_without_one_of_them_says_which(
    secured: SecuredBroker, process: Process, lacking: Grant, said: str
) -> None:
    asyncio.run(take(secured, user(process), [lacking]))
    try:
        done = secured.run(user(process), process)
    finally:
        asyncio.run(grant(secured, user(process), [lacking]))
    assert done.returncode == 1
    assert done.stderr == (
        f"pipeline: user '{user(process)}' lacks what `pipeline {process}` needs: {said}. "
        f"`pipeline topics acls {process}` prints the commands that grant it\n"
    )


def test_topics_are_made_by_the_admin_alone(secured: SecuredBroker) -> None:
    done = secured.run(user(Process.WORKER), "topics", "apply", "--mode", "live", "--namespace", "us")
    assert done.returncode == 1
    assert done.stderr.startswith("pipeline: user 'eu-worker' may not create topic us.")
    assert done.stderr.endswith(": `pipeline topics acls admin` prints the commands that grant it\n")


def test_a_broker_that_cannot_tell_what_is_permitted_stops_nobody(secured: SecuredBroker) -> None:
    async def ask() -> tuple[list[Grant], list[Grant]]:
        topics = [one for one in grants(NAMESPACE, Process.SHOP) if one.resource is Resource.TOPIC]
        broker = await greet_one(Settings(kafka=secured.as_user(STRANGER)))
        try:
            told = await _lacking(broker, topics)
            broker._versions |= {METADATA: (0, 7)}
            return told, await _lacking(broker, topics)
        finally:
            broker.close()

    told, untold = asyncio.run(ask())
    assert told == grants(NAMESPACE, Process.SHOP)
    assert untold == []


def test_a_topic_that_is_there_and_may_be_seen_is_not_hidden(secured: SecuredBroker) -> None:
    control = f"{NAMESPACE}.pipeline.control"
    for name, hidden in ((user(Process.WORKER), False), (STRANGER, True)):
        assert asyncio.run(is_hidden(Settings(kafka=secured.as_user(name)), control)) is hidden


def test_a_user_without_any_is_not_told_that_the_namespace_does_not_exist(secured: SecuredBroker) -> None:
    done = secured.run(STRANGER, "status")
    assert done.returncode == 1
    assert done.stderr.startswith(f"pipeline: user '{STRANGER}' may not read topic {NAMESPACE}.pipeline.control: ")
    assert done.stderr.count("\n") == 1


def test_the_printed_commands_grant_the_list_with_kafkas_own_tool(secured: SecuredBroker, tmp_path: Path) -> None:
    (tmp_path / "admin.properties").write_text(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nssl.truststore.type=PEM\n"
        f"ssl.truststore.location={secured.authority.ca}\n"
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="{ADMIN}" password="{secured.passwords[ADMIN]}";\n'
    )
    tool = tmp_path / "bin" / "kafka-acls.sh"
    tool.parent.mkdir()
    java = find_java()
    jars = os.pathsep.join([fetch_jars(java).class_path, str(kafka_tools())])
    flags = "-XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    tool.write_text(f'#!/bin/sh\nexec {java.path} {flags} -cp {jars} org.apache.kafka.tools.AclCommand "$@"\n')
    tool.chmod(0o755)
    printed = secured.run(STRANGER, "topics", "acls", "sender").stdout
    asyncio.run(take(secured, user(Process.SENDER), grants(NAMESPACE, Process.SENDER)))
    assert asyncio.run(granted(secured, user(Process.SENDER))) == set()
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e"], input=printed, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = {
        one._replace(operations=(operation,))
        for one in grants(NAMESPACE, Process.SENDER)
        for operation in one.operations
    }
    assert asyncio.run(granted(secured, user(Process.SENDER))) == wanted


def kafka_tools() -> Path:
    """The jar with kafka-acls.sh's program, which the broker itself does without."""
    jar = cache_dir() / "tools" / TOOLS
    if not jar.exists():
        plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
        artifact = f"-Dartifact=org.apache.kafka:kafka-tools:{KAFKA_VERSION}"
        fresh = jar.parent / str(os.getpid())
        command = ["mvn", "--quiet", "--batch-mode", plugin, artifact, f"-DoutputDirectory={fresh}"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        (fresh / TOOLS).replace(jar)
        shutil.rmtree(fresh)
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == TOOLS_SHA256
    return jar
