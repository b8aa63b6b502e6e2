"""Everything at once, in real processes: a history in, proof that all is right; Ctrl-C, and nothing is left."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from pipeline.config.durations import Millis
from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.settings import (
    KafkaSettings,
    MetricsSettings,
    PolicySettings,
    RedisSettings,
    Settings,
    WorkerSettings,
)
from pipeline.local.ports import free_port
from pipeline.operate.programs import Kafka, environment_of, kafka_of, programs
from pipeline.operate.status import Status, read_status
from pipeline.operate.supervise import running
from pipeline.operate.tail import Tail
from pipeline.replay.history import simulated
from pipeline.replay.publish import publish
from pipeline.serve.check import compare
from pipeline.simulator.parameters import SimulatedShop
from pipeline.verify.report import Report
from pipeline.verify.run import STATE_PART, verify

SettingsOf = Callable[..., Settings]
EXAMPLES = Path(__file__).parents[2] / "examples"
SHOP = SimulatedShop(sessions=3_000, customers=400)


def folded(settings: Settings) -> Status:
    """Wait until everything that was published is in the outputs."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        status = asyncio.run(read_status(settings))
        done = all(p.behind == 0 and p.clock for p in status.partitions)
        if done and not any(source.behind for source in status.sources):
            return status
        time.sleep(0.5)
    raise AssertionError(status)


def test_a_history_through_real_processes_is_verified_while_they_run(
    settings_of: SettingsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    # The group knows of a killed worker when its session has run out: as short a one as a broker allows.
    settings = replace(settings_of(), worker=WorkerSettings(session_timeout=Millis(6_000)))

    def judge() -> Report:
        report = asyncio.run(verify(settings, tmp_path / "kept"))
        assert report.clean, list(report.first())
        return report

    with running(settings, Mode.REPLAY, workers=2, kafka=Kafka.GIVEN, tell=lines.append) as system:
        with pytest.raises(UserError, match="another `pipeline up` runs namespace"), running(settings, Mode.REPLAY):
            pass
        history = simulated(SHOP)
        asyncio.run(publish(settings, history))
        early = judge()
        killed = system.processes()["worker-0"]
        os.kill(killed, signal.SIGKILL)
        status = folded(settings)
        late = judge()
        view = asyncio.run(compare(system.settings))
        ran = psutil.Process(system._process.pid).children(recursive=True)
        assert {"redis", "ingest", "worker-0", "worker-1", "serve", "learner"} == system.processes().keys()
        assert system.processes()["worker-0"] != killed
    assert not [process for process in ran if process.is_running()]
    final = asyncio.run(verify(settings))
    assert final.clean, list(final.first())
    assert view.differences == 0, view.first
    assert view.profiles.equal > 100
    since = final.events - early.events - late.events
    assert 0 <= since < 200  # models go on to be learned, and into the log
    assert final.events > 0.9 * history.span.events
    assert final.parts["triggers.cart_abandoned"].equal > 10
    assert final.parts[STATE_PART].equal > sum(p.customers for p in status.partitions)
    assert any(line.startswith("ingest     | ") and "is ready" in line for line in lines)


def test_up_takes_a_cart_to_its_trigger_and_leaves_nothing_at_ctrl_c(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "PIPELINE_", "REDIS_"))}
    port = str(free_port())
    policy = tmp_path / "policy.toml"
    policy.write_text('[site."*".cart]\nsteps = ["1s"]\n')
    own = {"BROKER_PORT": port, "REDIS_PORT": str(free_port()), "POLICY_FILE": str(policy)}
    own |= {f"METRICS_{name}_PORT": "0" for name in ("INGEST", "WORKER", "SERVE", "LEARNER")}

    def pipeline(*arguments: str) -> str:
        """In another terminal: it finds the Kafka and the namespace by the folder."""
        command = [sys.executable, "-m", "pipeline", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout

    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "up", "--profile", "dev"],
        cwd=tmp_path,
        env=environment | {f"PIPELINE_{name}": value for name, value in own.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        limit = threading.Timer(400, process.terminate)
        limit.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "Ctrl-C stops it.\n":
                break
        assert f"Namespace dev (live) is ready on Kafka at 127.0.0.1:{port}.\n" in lines
        assert any("examples/first-cart.jsonl   the cart's trigger comes 1s later" in line for line in lines)
        only_mail = tmp_path / "cart.jsonl"  # with a word on personalization, its triggers would come between
        told = (EXAMPLES / "first-cart.jsonl").read_text().splitlines()
        only_mail.write_text("\n".join(line for line in told if "onsite_personalization" not in line))
        assert "4 events are in Kafka" in pipeline("send", str(only_mail))
        emitted = pipeline("tail", "triggers", "--from-beginning", "--count", "1")
        assert "cart_abandoned 1    c-1042 at my-shop           1 x sku-boots-42 (119.90 EUR)" in emitted
        pipeline("send", str(EXAMPLES / "first-order.jsonl"))
        cancelled = pipeline("tail", "triggers", "--from-beginning", "--count", "2", "--json").splitlines()[1]
        assert json.loads(cancelled)["data"]["reason"] == "ordered"
        assert "failed checks: 0" in pipeline("doctor", "--site", "my-shop")
        everyone = psutil.Process(process.pid).children(recursive=True)
        assert any("kafka.Kafka" in child.cmdline() for child in everyone)
        process.send_signal(signal.SIGINT)
        lines += list(process.stdout)
        assert process.wait(60) == 0, "".join(lines)
        limit.cancel()
    assert lines[-1] == "Stopped.\n"
    assert not [child for child in everyone if child.is_running()]


def test_a_namespace_of_another_mode_is_refused_and_nothing_is_left(
    settings_of: SettingsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_of()
    before = set(psutil.Process().children(recursive=True))
    with running(settings, Mode.TEST, kafka=Kafka.GIVEN):
        pass
    with pytest.raises(UserError, match="is a test namespace"), running(settings, Mode.LIVE, kafka=Kafka.GIVEN):
        pass
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_policy_with_a_mistake_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    policy = tmp_path / "policy.toml"
    policy.write_text("[site.my-shop]\ncurency = 'EUR'\n", encoding="utf-8")
    with (
        pytest.raises(UserError, match="curency"),
        running(replace(Settings(), policy=PolicySettings(file=str(policy)))),
    ):
        pass
    assert list(tmp_path.iterdir()) == [policy]


def workers_of(settings: Settings, number: int) -> list[dict[str, str]]:
    return [dict(p.environment) for p in programs(settings, number, Kafka.GIVEN) if p.name.startswith("worker")]


def test_each_worker_has_a_folder_a_port_and_a_name_of_its_own() -> None:
    settings = Settings(worker=WorkerSettings(instance_id="pod"), metrics=MetricsSettings(worker_port=9_000))
    workers = workers_of(settings, 2)
    assert workers[1]["PIPELINE_WORKER_DATA_DIR"] == ".pipeline/worker/1"
    assert workers[1]["PIPELINE_METRICS_WORKER_PORT"] == "9001"
    assert workers[1]["PIPELINE_WORKER_INSTANCE_ID"] == "pod-1"
    assert "PIPELINE_METRICS_WORKER_PORT" not in workers_of(Settings(), 1)[0]


def test_a_redis_that_is_named_is_taken() -> None:
    assert "redis" in {p.name for p in programs(Settings(), 1, Kafka.GIVEN)}
    named = Settings(redis=RedisSettings(url="redis://cache:6379/0"))
    assert "redis" not in {p.name for p in programs(named, 1, Kafka.GIVEN)}


def test_the_environment_says_all_that_the_settings_say() -> None:
    from pipeline.config.settings import load_settings

    settings = replace(Settings(), kafka=KafkaSettings(sasl_password="50% off"))
    assert load_settings(None, environment_of(settings)) == settings


def test_a_kafka_that_is_named_is_taken() -> None:
    assert kafka_of(Settings(), {}) is Kafka.OURS
    assert kafka_of(Settings(), {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:19092"}) is Kafka.GIVEN
    assert kafka_of(Settings(kafka=KafkaSettings(bootstrap_servers="k:9092")), {}) is Kafka.GIVEN


def test_a_tail_follows_files_that_appear_late_and_are_rotated(tmp_path: Path) -> None:
    lines: list[str] = []
    tail = Tail({"a": tmp_path / "a.log", "long": tmp_path / "b.log"}, lines.append)
    tail.start()
    (tmp_path / "a.log").write_bytes(b"one\ntw")
    time.sleep(0.3)
    with (tmp_path / "a.log").open("ab") as file:
        file.write(b"o\n")
        (tmp_path / "a.log").rename(tmp_path / "a.log.1")
        (tmp_path / "a.log").write_bytes(b"three\nfour")
    time.sleep(0.3)
    tail.stop()
    assert lines == ["a    | one", "a    | two", "a    | three", "a    | four"]
