"""Settings: one file, the environment over it, and errors that name the key."""

import re
from pathlib import Path

import pytest

from pipeline.cli.config import environment_variable
from pipeline.config.durations import Millis, parse_duration
from pipeline.config.errors import ConfigError
from pipeline.config.settings import KafkaSettings, Settings, load_settings
from pipeline.kafka.clients import brokers, connection


def written(folder: Path, text: str) -> Path:
    file = folder / "shop.toml"
    file.write_text(text)
    return file


def test_without_a_file_and_environment_the_defaults_hold() -> None:
    assert load_settings(None, {}) == Settings()


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, '[kafka]\nbootstrap_servers = "a:1"\n[topics]\npartitions = 7\nretention = "2d"\n')
    settings = load_settings(file, {"KAFKA_BOOTSTRAP_SERVERS": "b:2", "PIPELINE_TOPICS_PARTITIONS": "9"})
    assert settings.kafka.bootstrap_servers == "b:2"
    assert settings.topics.partitions == 9
    assert settings.topics.retention == 2 * 86_400_000


def test_a_key_that_does_not_exist_is_named_with_its_section(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"topics: .*`partition`"):
        load_settings(written(tmp_path, "[topics]\npartition = 7\n"), {})


def test_a_section_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`topic`"):
        load_settings(written(tmp_path, "[topic]\npartitions = 7\n"), {})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[topics]\npartitions = 0\n", "topics.partitions"),
        ("[topics]\npartitions = 'many'\n", "topics.partitions"),
        ("[topics]\nretention = '2 weeks'\n", "topics.retention"),
        ("[topics]\nretention = 5\n", "topics.retention"),
        ("[broker]\nport = 70000\n", "broker.port"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_key(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}: ") as raised:
        load_settings(written(tmp_path, text), {})
    assert raised.value.where == key
    assert "\n" not in str(raised.value)


def test_a_wrong_value_in_the_environment_names_the_key() -> None:
    with pytest.raises(ConfigError, match=r"^topics\.partitions: "):
        load_settings(None, {"PIPELINE_TOPICS_PARTITIONS": "none"})


def test_a_file_that_is_missing_or_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read"):
        load_settings(tmp_path / "gone.toml", {})
    with pytest.raises(ConfigError, match=r"shop\.toml: is not TOML"):
        load_settings(written(tmp_path, "[topics"), {})


def test_every_setting_can_be_set_by_the_variable_that_config_show_names() -> None:
    texts = {int: "1000000", str: "text", Millis: "17s"}
    for section in Settings.__struct_fields__:
        defaults = getattr(Settings(), section)
        for key in defaults.__struct_fields__:
            default = getattr(defaults, key)
            text = {"port": "5", "partitions": "5", "replication_factor": "5"}.get(key, texts[type(default)])
            if key in ("max_poll_records", "max_frames", "reject_bytes") or key.endswith("_port"):
                text = "99"
            changed = getattr(load_settings(None, {environment_variable(section, key): text}), section)
            assert str(getattr(changed, key)) == text, f"{section}.{key}"


@pytest.mark.parametrize("text", ["250ms", "1s", "30m", "1h30m", "7d", "0s", "1d1h1m1s1ms"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_duration(text)) == text


def test_without_security_a_client_gets_the_servers_and_no_secrets() -> None:
    arguments = connection(KafkaSettings(bootstrap_servers="a:1, b:2", sasl_password="hidden"))
    assert arguments == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}


def test_with_sasl_over_tls_a_client_gets_user_password_and_a_context_that_checks_host_names() -> None:
    secured = KafkaSettings("a:1", "SASL_SSL", "SCRAM-SHA-256", "shop", "secret")
    arguments = connection(secured)
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("shop", "secret")
    assert arguments["ssl_context"].check_hostname


@pytest.mark.parametrize(
    ("kafka", "key"),
    [
        (KafkaSettings(bootstrap_servers="nowhere"), "kafka.bootstrap_servers"),
        (KafkaSettings(bootstrap_servers="a:1,,b:2"), "kafka.bootstrap_servers"),
        (KafkaSettings(bootstrap_servers="a:99999"), "kafka.bootstrap_servers"),
        (KafkaSettings(security_protocol="TLS"), "kafka.security_protocol"),
        (KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="GSSAPI"), "kafka.sasl_mechanism"),
        (KafkaSettings(security_protocol="SASL_PLAINTEXT"), "kafka.sasl_username"),
        (KafkaSettings(security_protocol="SSL", ssl_cafile="gone.pem"), "kafka.ssl_cafile"),
    ],
)
def test_a_connection_that_cannot_work_is_refused_before_it_is_tried(kafka: KafkaSettings, key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        connection(kafka)
    assert raised.value.where == key


def test_a_server_may_be_an_ipv6_address() -> None:
    assert brokers(KafkaSettings(bootstrap_servers="[::1]:9092")) == [("[::1]", 9092)]
