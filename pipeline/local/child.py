"""A server that runs as our child: stopped cleanly, killed, and gone when we are."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

STOP_TIMEOUT = 15.0


@dataclass
class Child:
    """A running server. Stop it, or use it as a context manager."""

    process: "subprocess.Popen[bytes]"

    def running(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def wait(self) -> int:
        """Wait until the process ends by itself and give its exit code."""
        return self.process.wait()

    def stop(self) -> None:
        """End it cleanly (SIGTERM), and by force where that takes too long. Does nothing the second time."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        """Give the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()


def end_with_parent() -> Callable[[], None] | None:
    """A `preexec_fn` for a child that gets SIGTERM when the thread that starts it ends; None where that cannot be."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask_the_kernel() -> None:
        prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return ask_the_kernel
