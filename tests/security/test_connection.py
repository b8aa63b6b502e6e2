"""What a process says that a secured Kafka does not let in: which of password, CA and port it is, in one line."""

import asyncio
import re

import pytest
from msgspec.structs import replace

from pipeline.config.errors import UserError
from pipeline.config.settings import KafkaSettings, Settings
from pipeline.kafka.clients import reachable
from tests.security.conftest import STRANGER
from tests.security.secured import SecuredBroker, new_authority


def refusal(kafka: KafkaSettings) -> str:
    with pytest.raises(UserError) as raised:
        asyncio.run(reachable(Settings(kafka=kafka)))
    line = str(raised.value)
    assert "\n" not in line
    return line


def test_the_right_user_password_and_ca_are_let_in(broker: SecuredBroker) -> None:
    asyncio.run(reachable(Settings(kafka=broker.as_user(STRANGER))))


def test_of_several_brokers_one_that_lets_us_in_is_enough(broker: SecuredBroker) -> None:
    kafka = replace(broker.as_user(STRANGER), bootstrap_servers=f"127.0.0.1:1,{broker.server}")
    asyncio.run(reachable(Settings(kafka=kafka)))


def test_a_wrong_password_says_that_it_is_the_user_or_the_password(broker: SecuredBroker) -> None:
    line = refusal(replace(broker.as_user(STRANGER), sasl_password="hunter2"))
    assert line == (
        f"Kafka at {broker.server} refuses user 'stranger' with SCRAM-SHA-512: the user or the password is wrong. "
        "Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
    )


def test_an_unknown_user_says_the_same_and_kafka_does_not_tell_them_apart(broker: SecuredBroker) -> None:
    line = refusal(replace(broker.as_user(STRANGER), sasl_username="nobody"))
    assert "refuses user 'nobody' with SCRAM-SHA-512: the user or the password is wrong" in line


def test_a_wrong_ca_says_that_it_is_the_ca(broker: SecuredBroker, tmp_path) -> None:
    other = new_authority(tmp_path / "other").ca
    line = refusal(replace(broker.as_user(STRANGER), ssl_cafile=str(other)))
    assert f"is not signed by the CA in {other}: set KAFKA_SSL_CAFILE" in line


def test_no_ca_says_which_setting_names_it(broker: SecuredBroker) -> None:
    line = refusal(replace(broker.as_user(STRANGER), ssl_cafile=""))
    assert "signed by no CA that this machine trusts: set KAFKA_SSL_CAFILE" in line


def test_a_name_that_the_certificate_does_not_list_says_so(broker: SecuredBroker) -> None:
    port = broker.server.rpartition(":")[2]
    line = refusal(replace(broker.as_user(STRANGER), bootstrap_servers=f"localhost:{port}"))
    assert f"the certificate of Kafka at localhost:{port} is not for localhost: " in line


def test_tls_to_a_port_without_it_says_so(broker: SecuredBroker) -> None:
    line = refusal(replace(broker.as_user(STRANGER), bootstrap_servers=broker.plain))
    assert line.startswith(f"{broker.plain} does not speak TLS: ")


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_no_tls_to_a_port_with_it_says_so(broker: SecuredBroker, protocol: str) -> None:
    line = refusal(replace(broker.as_user(STRANGER), security_protocol=protocol))
    assert line.startswith(f"{broker.server} speaks TLS: set KAFKA_SECURITY_PROTOCOL to SASL_SSL")


def test_tls_without_a_password_where_one_is_asked_for_says_so(broker: SecuredBroker) -> None:
    line = refusal(replace(broker.as_user(STRANGER), security_protocol="SSL"))
    assert re.search(r"does not answer as a Kafka without a password does: .* SASL_SSL where it asks for one", line)


def test_a_password_where_none_is_asked_for_says_so(broker: SecuredBroker) -> None:
    kafka = replace(broker.as_user(STRANGER), security_protocol="SASL_PLAINTEXT", bootstrap_servers=broker.plain)
    assert f"Kafka at {broker.plain} asks for no password on this port" in refusal(kafka)


def test_a_mechanism_that_is_not_enabled_is_named(broker: SecuredBroker) -> None:
    line = refusal(replace(broker.as_user(STRANGER), sasl_mechanism="SCRAM-SHA-256"))
    assert "takes no passwords by SCRAM-SHA-256: set KAFKA_SASL_MECHANISM" in line


def test_a_process_that_is_not_let_in_ends_with_that_line_alone(broker: SecuredBroker) -> None:
    for process in ("ingest", "worker"):
        done = broker.run(STRANGER, process, KAFKA_SASL_PASSWORD="hunter2")
        assert done.returncode == 1
        assert done.stderr.startswith(f"pipeline: Kafka at {broker.server} refuses user 'stranger'")
        assert done.stderr.count("\n") == 1
        assert "hunter2" not in done.stderr + done.stdout
