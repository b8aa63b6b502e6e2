"""What a user sees of `pipeline` when something is wrong: one line on stderr, a non-zero exit, no traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.cli.main import COMMANDS


def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As in a shell, but with none of the variables of the one that runs the tests."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("KAFKA_", "PIPELINE_"))}
    command = [sys.executable, "-m", "pipeline", *args]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=False, timeout=60)


def leaves(command: click.Command, *path: str) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = [path]
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        found += leaves(child, *path, name)
    return found


def assert_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 1
    assert done.stderr.startswith("pipeline: ")
    assert done.stderr.count("\n") == 1
    for part in parts:
        assert part in done.stderr


def test_a_missing_broker_is_one_line_with_the_remedy() -> None:
    done = run("topics", "apply", "--mode", "live", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert_one_line(done, "no Kafka at 127.0.0.1:1: start one with `pipeline broker`, or set KAFKA_BOOTSTRAP_SERVERS")


def test_something_else_than_a_broker_is_one_line(tmp_path: Path) -> None:
    server = "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\n"
    hang_up = "while True: s.accept()[0].close()"
    with subprocess.Popen([sys.executable, "-c", server + hang_up], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = other.stdout.readline().strip()
        done = run("topics", "check", KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}")
        other.kill()
    assert_one_line(done, f"127.0.0.1:{port} does not answer as a Kafka", "KAFKA_SECURITY_PROTOCOL")


def test_an_unknown_key_is_one_line_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text("[topics]\npartition = 7\n")
    assert_one_line(run("config", "check", "--config", str(file)), "topics: ", "`partition`")


def test_a_value_of_the_wrong_type_is_one_line_that_names_its_key(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('[topics]\npartitions = "four"\n')
    assert_one_line(run("--config", str(file), "config", "check"), "topics.partitions: ")


def test_a_bad_namespace_name_is_one_line_before_anything_is_looked_for(tmp_path: Path) -> None:
    said, nowhere = "namespace.name: 'Nope!' is not a namespace", "127.0.0.1:1"
    file = tmp_path / "shop.toml"
    file.write_text('[namespace]\nname = "Nope!"\n')
    assert_one_line(run("status", "--namespace", "Nope!", KAFKA_BOOTSTRAP_SERVERS=nowhere), said)
    assert_one_line(run("topics", "check", PIPELINE_NAMESPACE_NAME="Nope!", KAFKA_BOOTSTRAP_SERVERS=nowhere), said)
    assert_one_line(run("policy", "show", "--config", str(file), KAFKA_BOOTSTRAP_SERVERS=nowhere), said)


def test_a_policy_that_is_wrong_fails_the_check_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[site."*".cart]\nsteps = ["1h", "30m"]\n')
    assert_one_line(run("config", "check", PIPELINE_POLICY_FILE=str(file)), "cart.steps")
    file.write_text('[site."*".cart]\nsteps = ["30m", "1h"]\n')
    assert run("config", "check", PIPELINE_POLICY_FILE=str(file)).returncode == 0


def test_a_redis_that_nothing_could_connect_to_fails_the_check_of_the_settings() -> None:
    assert_one_line(run("config", "check", REDIS_URL="nonsense"), "redis.url: ")


def test_a_variable_that_sets_nothing_is_named_by_the_check() -> None:
    done = run("config", "check", PIPELINE_WORKER_DATADIR="x", PIPELINE_SOMETHING="x", PIPELINE_WORKER_DATA_DIR="y")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "pipeline: no setting is named PIPELINE_SOMETHING",
        "pipeline: no setting is named PIPELINE_WORKER_DATADIR: is it PIPELINE_WORKER_DATA_DIR?",
    ]


def test_another_partition_count_is_refused_in_one_line(broker: str, namespace: Callable[[], str]) -> None:
    name = namespace()
    apply = ("topics", "apply", "--namespace", name, "--mode", "test")
    done = run(*apply, KAFKA_BOOTSTRAP_SERVERS=broker, PIPELINE_TOPICS_PARTITIONS="1")
    assert (done.returncode, done.stderr) == (0, "")
    done = run(*apply, KAFKA_BOOTSTRAP_SERVERS=broker, PIPELINE_TOPICS_PARTITIONS="2")
    assert_one_line(done, f"namespace {name} has 1 partitions, not 2")
    done = run("--namespace", name, "topics", "check", KAFKA_BOOTSTRAP_SERVERS=broker)
    assert (done.returncode, done.stderr) == (0, "")


def test_checking_a_namespace_that_does_not_exist_names_the_command_that_makes_it(broker: str) -> None:
    done = run("topics", "check", "--namespace", "nobody", KAFKA_BOOTSTRAP_SERVERS=broker)
    assert_one_line(done, "`pipeline topics apply --namespace nobody --mode live`")


def test_config_show_names_every_key_and_its_variable_and_hides_the_password() -> None:
    done = run("config", "show", KAFKA_SASL_PASSWORD="s3cret", PIPELINE_TOPICS_PARTITIONS="12")
    assert "s3cret" not in done.stdout
    line = next(line.split() for line in done.stdout.splitlines() if line.startswith("topics.partitions"))
    assert line[1:3] == ["12", "PIPELINE_TOPICS_PARTITIONS"]


@pytest.mark.parametrize("path", leaves(main), ids=" ".join)
def test_every_command_shows_an_example_in_its_help(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*path, "--help"])
    assert done.exit_code == 0
    assert "Example:\n  " in done.output
    assert "pipeline " in done.output.split("Example:")[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name


def test_help_imports_no_kafka_client() -> None:
    program = "import sys; from pipeline.cli import main; main(['--help'], standalone_mode=False)"
    check = "assert 'aiokafka' not in sys.modules and 'faust' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", f"{program}; {check}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
