"""The broker that we run ourselves: real Kafka as a child process."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipeline.config.errors import UserError
from pipeline.kafka import jars
from pipeline.kafka.broker import start_broker
from pipeline.kafka.jars import PINS, cache_dir, fetch_jars, find_java, verify
from pipeline.local.ports import free_port


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def fake_java(folder: Path, version: str) -> dict[str, str]:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2020-01-01' >&2\n")
    java.chmod(0o755)
    return {"PATH": str(folder)}


def test_it_keeps_its_data_over_a_restart_and_stop_leaves_nothing_running(tmp_path: Path) -> None:
    port = free_port()
    with start_broker(tmp_path, port) as first:
        identity = (tmp_path / "log" / "meta.properties").read_text()
        assert first.running()
        assert first.bootstrap_servers == f"127.0.0.1:{port}"
    assert not psutil.pid_exists(first.process.pid)
    assert not accepts(port)
    assert not accepts(port + 1)
    with start_broker(tmp_path, port):
        assert (tmp_path / "log" / "meta.properties").read_text() == identity
        assert accepts(port)


def test_ctrl_c_in_the_terminal_does_not_reach_it_before_we_stop_it(tmp_path: Path) -> None:
    with start_broker(tmp_path, free_port()) as broker:
        assert os.getsid(broker.process.pid) == broker.process.pid


def test_it_comes_back_after_it_was_killed(tmp_path: Path) -> None:
    port = free_port()
    with start_broker(tmp_path, port) as first:
        first.kill()
        with start_broker(tmp_path, port) as second:
            assert second.running()


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    with start_broker(tmp_path, free_port()) as broker:
        listening = [c for c in psutil.Process(broker.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert len(listening) == 2
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells a child of its parent's end on Linux only")
def test_it_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    port = free_port()
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom pipeline.kafka.broker import start_broker\n"
        "print(start_broker(Path(sys.argv[1]), int(sys.argv[2])).process.pid, flush=True)\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), str(port)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert accepts(port)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert not accepts(port)


def test_ctrl_c_in_the_terminal_ends_the_command_quietly_and_the_broker_with_it(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "pipeline", "broker", "--port", str(port), "--data-dir", str(tmp_path)]
    shell = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert shell.stdout is not None
    assert f"is ready at 127.0.0.1:{port}" in shell.stdout.readline()
    os.killpg(shell.pid, signal.SIGINT)
    _, errors = shell.communicate(timeout=30)
    assert (shell.returncode, errors) == (130, "")
    assert not accepts(port)


def test_a_port_in_use_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(UserError, match=rf"port {port} on 127.0.0.1 is already in use: .*PIPELINE_BROKER_PORT"):
            start_broker(tmp_path, port)


def test_a_folder_that_another_broker_uses_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with start_broker(tmp_path, free_port()) as first:
        before = (tmp_path / "server.properties").read_text()
        with pytest.raises(UserError, match=f"another broker uses {tmp_path}: .*PIPELINE_BROKER_DATA_DIR"):
            start_broker(tmp_path, free_port())
        assert (tmp_path / "server.properties").read_text() == before
        assert first.running()


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"process.roles": "broker,teapot"}, r"Kafka could not format .*: .*process\.roles"),
        ({"socket.receive.buffer.bytes": -7}, r"did not start: .*size cannot be 0 or negative; more in .*broker\.log"),
    ],
)
def test_a_kafka_that_does_not_start_says_why_in_one_line_and_is_gone(
    tmp_path: Path, wrong: dict[str, object], line: str
) -> None:
    port = free_port()
    with pytest.raises(UserError, match=line) as raised:
        start_broker(tmp_path, port, wrong)
    assert "\n" not in str(raised.value)
    assert "it does not say why" not in str(raised.value)
    assert not accepts(port)


def test_a_machine_without_java_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Java on the PATH: install a Java runtime, version 17 or later"):
        find_java({"PATH": str(tmp_path)})


def test_a_java_that_is_too_old_is_named_with_its_version(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is Java 11\.0\.2, Kafka 4\.3\.1 needs 17"):
        find_java(fake_java(tmp_path, "11.0.2"))
    assert find_java(fake_java(tmp_path, "21.0.1")).version == "21.0.1"


def test_a_machine_without_maven_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = find_java()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no Maven on the PATH, which fetches Kafka: install Maven"):
        fetch_jars(java, tmp_path / "cache")


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    kafka = fetch_jars(find_java())
    for jar in kafka.jars:
        (tmp_path / jar.name).symlink_to(jar)
    verify(tmp_path)
    forged = tmp_path / kafka.jars[0].name
    forged.unlink()
    forged.write_bytes(b"not this")
    with pytest.raises(UserError, match=f"{forged.name} is not the pinned file"):
        verify(tmp_path)
    forged.unlink()
    with pytest.raises(UserError, match=f"{forged.name} is missing"):
        verify(tmp_path)


def test_a_jar_that_went_missing_from_the_cache_is_fetched_again(tmp_path: Path) -> None:
    java = find_java()
    lost = fetch_jars(java, tmp_path).jars[0]
    lost.unlink()
    fetch_jars(java, tmp_path)
    assert lost.exists()


def test_a_jar_that_nobody_pinned_is_refused(tmp_path: Path) -> None:
    for jar in fetch_jars(find_java()).jars:
        (tmp_path / jar.name).symlink_to(jar)
    (tmp_path / "extra-1.0.jar").write_bytes(b"")
    with pytest.raises(UserError, match=r"extra-1\.0\.jar is not expected"):
        verify(tmp_path)


def test_every_pinned_jar_is_of_the_version_that_the_pom_names() -> None:
    pinned = PINS.read_text()
    assert f"kafka_2.13-{jars.KAFKA_VERSION}.jar" in pinned
    assert f"<version>{jars.KAFKA_VERSION}</version>" in jars.POM.read_text()


def test_the_cache_can_be_moved_by_the_environment(tmp_path: Path) -> None:
    assert cache_dir({"PIPELINE_CACHE_DIR": str(tmp_path)}) == tmp_path / "kafka-4.3.1"
    assert cache_dir({}).is_relative_to(Path.home())
