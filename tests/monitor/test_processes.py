"""The endpoint of real processes: one whose loop hangs, one that waits for Kafka, one whose port is taken."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings
from pipeline.local.ports import free_port
from tests.faults.processes import Stage, patient
from tests.faults.test_orders import cart, now, publish


def ask(port: int, path: str) -> dict[str, Any]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return json.load(answer)
    except HTTPError as error:
        return json.load(error) | {"status": error.code}
    except OSError:
        return {"ok": False, "missing": ["an answer"]}


def wait(met: Callable[[], bool], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_ingest_that_hangs_is_no_longer_alive(settings_of: Callable[..., Settings], tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "PIPELINE_METRICS_INGEST_PORT": str(port),
        "PIPELINE_METRICS_STALLED_AFTER": "2s",
        "FAULT": "hang",
        "FAULT_AFTER": "5",
    }
    with Stage(settings_of(), tmp_path, patient(), Mode.LIVE) as stage:
        stage.ingest("stuck", "tests.faults.stuck_ingest", **environment)
        wait(lambda: ask(port, "readyz")["ok"])
        assert ask(port, "healthz") == {"ok": True, "missing": []}
        publish(stage, [cart(f"customer-{i}", now()) for i in range(8)])
        wait(lambda: not ask(port, "healthz")["ok"])
        assert ask(port, "healthz")["status"] == 503
        (reason,) = ask(port, "healthz")["missing"]
        assert reason.startswith("the loop has not turned for ")


def test_a_worker_is_ready_once_its_partitions_are_restored(
    settings_of: Callable[..., Settings], tmp_path: Path
) -> None:
    port = free_port()
    with Stage(settings_of(), tmp_path, patient(), Mode.LIVE) as stage:
        slow = {"JOIN_SECONDS": "2", "FAULT_SECONDS": "3", "PIPELINE_METRICS_WORKER_PORT": str(port)}
        stage.worker(module="tests.faults.slow_worker", **slow)
        for missing in (["it has not joined its consumer group"], ["partitions that are not restored: 0, 1"], []):
            wait(lambda missing=missing: ask(port, "readyz")["missing"] == missing)
        assert ask(port, "healthz")["ok"]


def test_a_port_that_is_taken_ends_a_process_with_one_line(
    settings_of: Callable[..., Settings], tmp_path: Path
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        Stage(settings_of(), tmp_path, patient(), Mode.LIVE) as stage,
    ):
        port = taken.getsockname()[1]
        for process in ("ingest", "worker", "serve", "learner"):
            done = stage.run(process, **{f"PIPELINE_METRICS_{process.upper()}_PORT": str(port)})
            assert done.returncode == 1
            assert done.stderr.splitlines()[-1] == (
                f"pipeline: metrics.{process}_port: cannot listen on 127.0.0.1:{port}: "
                "Address already in use; set another, or 0"
            )
            assert "Traceback" not in done.stderr
