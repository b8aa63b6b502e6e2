"""A real Prometheus over a real pipeline: what the tests of alerts and dashboards ask."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = DEPLOY / "rules" / "pipeline.yml"
EVERY = "1s"
"""Between two scrapes, so that the tests need not wait for minutes."""

needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus") or not shutil.which("promtool"),
    reason="prometheus and promtool are not installed (on Debian: apt install prometheus)",
)


def rules() -> list[dict[str, Any]]:
    """The alerts as they are written."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def metric_names(expression: str) -> set[str]:
    """The metrics that an expression asks for; those of a histogram by the names of its series."""
    return set(re.findall(r"\b(?:pipeline_\w+|process_\w+|up)\b", expression))


def promtool(*arguments: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
    command = ["promtool", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)


def fetch(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def until(what: str, met: Callable[[], bool], patience: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline, f"after {patience:.0f} s still not so: {what}"
        time.sleep(0.2)


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ready(self) -> bool:
        try:
            return bool(fetch(f"{self._url}/-/ready"))
        except (URLError, ConnectionError):
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now. An expression that is wrong fails the test."""
        answer = json.loads(fetch(f"{self._url}/api/v1/query?{urlencode({'query': expression})}"))
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def rules(self) -> list[dict[str, Any]]:
        """The alerts as it has evaluated them."""
        groups = json.loads(fetch(f"{self._url}/api/v1/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def run_prometheus(folder: Path, port: int, targets: dict[str, int], verify_port: int) -> Iterator[Prometheus]:
    """Run it with the configuration of deploy/, on targets of this machine: the ports of processes, and of verify."""
    shutil.copytree(DEPLOY, folder, dirs_exist_ok=True)
    file = folder / "prometheus.yml"
    shorter, number = re.subn(r"_interval: \d+s", f"_interval: {EVERY}", file.read_text())
    assert number == 2
    file.write_text(shorter)
    found = [{"targets": [f"127.0.0.1:{at}"], "labels": {"process": name}} for name, at in targets.items()]
    (folder / "targets" / "pipeline.yml").write_text(yaml.safe_dump(found))
    (folder / "targets" / "verify.yml").write_text(yaml.safe_dump([{"targets": [f"127.0.0.1:{verify_port}"]}]))
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        until("Prometheus is ready", prometheus.ready)
        yield prometheus
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def serve_textfile(file: Path) -> Iterator[int]:
    """Stand in for node_exporter, which gives out a textfile under /metrics as it is. The port."""

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return str(file if path == "/metrics" else file.parent / "nothing")

        def guess_type(self, path: Any) -> str:
            return "text/plain; version=0.0.4"

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(file.parent)))
    thread = Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
