"""Which pipelines run in this folder: each holds the lock of its namespace, and says in it where it is."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from pipeline.config.errors import UserError

RUN_FOLDER = Path(".pipeline/run")
FORMAT = 1
_LOCK = "lock"
_PATIENCE = 0.5
"""Seconds. Who only looks has the lock for a moment."""


class Running(Struct):
    """What the lock of a namespace says. `bootstrap_servers` is empty where the Kafka is not one of our own."""

    namespace: str
    bootstrap_servers: str
    format: int = FORMAT


@contextmanager
def claimed(namespace: str, bootstrap_servers: str) -> Iterator[Path]:
    """Hold the lock of a namespace; gives its folder. Raises UserError where another process holds it."""
    folder = (RUN_FOLDER / namespace).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("ab") as lock:
        deadline = time.monotonic() + _PATIENCE
        while not _locked(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise UserError(f"another `pipeline up` runs namespace {namespace} here: stop it first")
            time.sleep(0.02)
        lock.truncate(0)
        lock.write(msgspec.json.encode(Running(namespace, bootstrap_servers)))
        lock.flush()
        yield folder


def running_here() -> list[Running]:
    """The pipelines that run in this folder, by name."""
    return [one for file in sorted(RUN_FOLDER.glob(f"*/{_LOCK}")) if (one := _running(file)) is not None]


def _running(file: Path) -> Running | None:
    with file.open("rb") as lock:
        if _locked(lock, fcntl.LOCK_SH):
            return None
        try:
            return msgspec.json.decode(lock.read(), type=Running)
        except msgspec.MsgspecError:  # it was claimed this very moment
            return None


def _locked(file: IO[bytes], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
