"""Reaching a real Kafka that asks for a password."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.settings import KafkaSettings, NamespaceSettings, Settings
from pipeline.kafka.broker import start_broker
from pipeline.kafka.clients import STOP_PATIENCE, stop_consumer
from pipeline.kafka.topics import apply, read_namespace
from pipeline.local.ports import free_port


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap server of a broker with a listener where user `shop` has the password `right`."""
    port, secure_port = free_port(), free_port()
    properties = {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{secure_port},CONTROLLER://127.0.0.1:{port + 1}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{secure_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": (
            'org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="right";'
        ),
    }
    with start_broker(tmp_path_factory.mktemp("secured"), port, properties):
        yield f"127.0.0.1:{secure_port}"


def settings(server: str, password: str, protocol: str = "SASL_PLAINTEXT") -> Settings:
    kafka = KafkaSettings(server, protocol, "PLAIN", "shop", password)
    return Settings(kafka=kafka, namespace=NamespaceSettings("secured"))


def test_with_the_right_password_topics_are_made_and_read(secured: str) -> None:
    asyncio.run(apply(settings(secured, "right"), Mode.TEST))
    assert asyncio.run(read_namespace(settings(secured, "right"))).name == "secured"


def test_a_wrong_password_is_one_line_that_does_not_repeat_it(secured: str) -> None:
    said = f"{secured} refuses user 'shop' with PLAIN: the user or the password"
    with pytest.raises(UserError, match=said) as raised:
        asyncio.run(read_namespace(settings(secured, "wrong-one")))
    assert not re.search("\n|wrong-one", str(raised.value))


def test_asking_without_a_password_names_the_setting_to_check(secured: str) -> None:
    with pytest.raises(UserError, match=r"without a password does: .*KAFKA_SECURITY_PROTOCOL"):
        asyncio.run(read_namespace(settings(secured, "", "PLAINTEXT")))


def test_a_certificate_authority_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1", security_protocol="SSL", ssl_cafile=str(file))
    with pytest.raises(UserError, match=r"kafka\.ssl_cafile: .*cannot be read as PEM"):
        asyncio.run(read_namespace(Settings(kafka=kafka)))


def test_a_consumer_that_could_not_start_is_stopped_though_that_takes_long() -> None:
    async def play() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{free_port()}")
        with pytest.raises(KafkaConnectionError):
            await consumer.start()
        close = consumer._client.close

        async def slowly() -> None:
            await asyncio.sleep(2 * STOP_PATIENCE)
            await close()

        consumer._client.close = slowly
        await stop_consumer(consumer)

    asyncio.run(play())
