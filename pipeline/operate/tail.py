"""Follows the log files of several programs as one stream, each line with the name of its program."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

_EVERY = 0.1
"""Seconds between two looks."""


class Tail:
    """Gives each new line of the files to `tell`, from a thread of its own. Files may appear late, and be rotated."""

    def __init__(self, files: Mapping[str, Path], tell: Callable[[str], None]) -> None:
        self._files = files
        self._tell = tell
        self._width = max(map(len, files))
        self._open: dict[str, IO[bytes]] = {}
        self._halves: dict[str, bytes] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def start(self) -> None:
        """Begin with what the files hold."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what is left, and end."""
        self._stop.set()
        self._thread.join()
        for name, file in self._open.items():
            file.close()
            if self._halves[name]:
                self._line(name, self._halves[name])

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            self._look()
        self._look()

    def _look(self) -> None:
        for name, path in self._files.items():
            file = self._open.get(name)
            if file is not None:
                self._read(name, file)
            if file is None or _replaced(file, path):
                try:
                    self._open[name] = path.open("rb")
                except FileNotFoundError:
                    continue
                if file is not None:
                    self._read(name, file)  # what came between the look and the rotation
                    file.close()
                self._read(name, self._open[name])

    def _read(self, name: str, file: IO[bytes]) -> None:
        *lines, half = (self._halves.get(name, b"") + file.read()).split(b"\n")
        self._halves[name] = half
        for line in lines:
            self._line(name, line)

    def _line(self, name: str, line: bytes) -> None:
        self._tell(f"{name:<{self._width}} | {line.decode(errors='replace')}")


def _replaced(file: IO[bytes], path: Path) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    then = os.fstat(file.fileno())
    return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino)
