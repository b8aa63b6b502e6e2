"""A real Apache Kafka (KRaft, one node) as a child process on 127.0.0.1, where there is no cluster: demo and tests."""

import base64
import fcntl
import re
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.config.errors import UserError
from pipeline.kafka.jars import Distribution, Java, fetch_jars, find_java
from pipeline.local import ports
from pipeline.local.child import Child, end_with_parent
from pipeline.local.ports import HOST, free_port

START_TIMEOUT = 60.0

_JVM = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)

_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "message.max.bytes": 16_777_216,
    # One node: nothing to replicate to, and no group that waits for more members.
    "default.replication.factor": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 8,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1_000,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    # After a kill, a broker is taken back only when its earlier session has run out.
    "broker.session.timeout.ms": 4_000,
    "broker.heartbeat.interval.ms": 500,
    # A small machine: few threads, little memory.
    "num.network.threads": 2,
    "num.io.threads": 4,
    "num.replica.fetchers": 1,
    "background.threads": 2,
    "num.recovery.threads.per.data.dir": 2,
    "log.cleaner.threads": 1,
    "log.cleaner.dedupe.buffer.size": 10_485_760,
}


@dataclass
class BrokerProcess(Child):
    """A broker that answers."""

    bootstrap_servers: str
    data_dir: Path
    log_file: Path


def start_broker(
    data_dir: Path,
    port: int,
    properties: Mapping[str, object] | None = None,
    users: Mapping[str, str] | None = None,
) -> BrokerProcess:
    """Run Kafka on 127.0.0.1:`port` (the controller takes `port + 1`) and return when it answers.

    The folder is made and formatted where it is new; what an earlier broker left in it is taken up again. `properties`
    are more of Kafka's own settings, and win over ours. `users` are names and passwords for SCRAM-SHA-512, known from
    the moment that the folder is formatted.
    The process has a session of its own, so Ctrl-C does not reach it before its clients have stopped. On Linux it
    also ends when the *thread* that called this ends, `kill -9` of the parent included: call from a thread that lasts.
    Raises UserError where Java or the jars cannot be had, a port is taken, or Kafka does not start.
    """
    java = find_java()
    kafka = prepare(java)
    for taken in (port, port + 1):
        must_be_free(taken)
    settings = _properties(data_dir.absolute(), port) | dict(properties or {})
    flags = [f"-XX:SharedArchiveFile={kafka.class_archive}"]
    return _launch(java, kafka, data_dir.absolute(), port, settings, flags, users or {})


def prepare(java: Java | None = None) -> Distribution:
    """Do what only the first start needs: fetch the jars, and write the class archive that makes later starts fast.

    The archive is written by a broker that runs once in a scratch folder.
    """
    java = java or find_java()
    kafka = fetch_jars(java)
    if kafka.class_archive.exists():
        return kafka
    with tempfile.TemporaryDirectory(dir=kafka.class_archive.parent) as scratch:
        fresh = Path(scratch, "classes.jsa")
        flags = [f"-XX:ArchiveClassesAtExit={fresh}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
        data_dir, port = Path(scratch, "data"), free_port()
        _launch(java, kafka, data_dir, port, _properties(data_dir, port), flags, {}).stop()
        if not fresh.exists():
            raise UserError(f"{java.path} wrote no class archive: try another Java, and see JAVA_HOME")
        fresh.replace(kafka.class_archive)
    return kafka


def _launch(
    java: Java,
    kafka: Distribution,
    data_dir: Path,
    port: int,
    settings: Mapping[str, object],
    flags: list[str],
    users: Mapping[str, str],
) -> BrokerProcess:
    data_dir.mkdir(parents=True, exist_ok=True)
    properties, log_file = data_dir / "server.properties", data_dir / "broker.log"
    with (data_dir / "lock").open("wb") as lock:
        _lock(lock, data_dir)
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        if not (data_dir / "log" / "meta.properties").exists():
            _format(java, kafka, properties, users)
        with log_file.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                [java.path, *_JVM, *flags, "-cp", kafka.class_path, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock.fileno(),),  # so that the lock lasts as long as Kafka does, and not a moment longer
                start_new_session=True,
                preexec_fn=end_with_parent(),
            )
    broker = BrokerProcess(process, f"{HOST}:{port}", data_dir, log_file)
    try:
        _wait_until_it_answers(broker, port)
    except BaseException:
        broker.stop()
        raise
    return broker


def _lock(file: IO[bytes], data_dir: Path) -> None:
    # Kafka locks its folder too, but only after it has read, and perhaps truncated, what another one is writing.
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"another broker uses {data_dir}: stop it, or set PIPELINE_BROKER_DATA_DIR") from error


def _properties(data_dir: Path, port: int) -> dict[str, object]:
    return {
        **_PROPERTIES,
        "log.dirs": data_dir / "log",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{port + 1}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{port + 1}",
    }


def _format(java: Java, kafka: Distribution, properties: Path, users: Mapping[str, str]) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
    tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", str(properties)]
    for name, password in users.items():
        tool += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
    flags = [f"-XX:SharedArchiveFile={kafka.class_archive}"] if kafka.class_archive.exists() else []
    command = [java.path, *_JVM, *flags, "-cp", kafka.class_path, *tool]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise UserError(f"Kafka could not format {properties.parent}: {_why(done.stdout + done.stderr)}")


def _wait_until_it_answers(broker: BrokerProcess, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not _answers(port):
        if not broker.running():
            log = broker.log_file.read_text(encoding="utf-8", errors="replace")
            raise UserError(f"Kafka did not start: {_why(log)}; more in {broker.log_file}")
        if time.monotonic() > deadline:
            raise UserError(f"Kafka did not answer within {START_TIMEOUT:.0f} s; see {broker.log_file}")
        time.sleep(0.02)


def _answers(port: int) -> bool:
    """Ask for metadata (version 1, no topics), as a client does first, and look for a broker in the answer."""
    body = struct.pack(">hhih4si", 3, 1, 1, 4, b"wait", 0)
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] >= 1


def _why(output: str) -> str:
    causes = [line for line in output.splitlines() if re.search(r"^\S.*(\bERROR\b|Exception|Error:)", line)]
    return causes[-1] if causes else "it does not say why"


def must_be_free(port: int) -> None:
    """Raise UserError where the broker's port is taken."""
    ports.must_be_free(port, "stop what listens there (another `pipeline broker`?), or set PIPELINE_BROKER_PORT")
