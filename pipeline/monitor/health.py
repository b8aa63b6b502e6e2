"""Whether a process is alive and whether it is ready: said by its loop, asked for by another thread."""

import time
from collections.abc import Callable


def _not_started() -> list[str]:
    return ["it has not started yet"]


class Health:
    """Alive while the loop keeps calling `turned`, ready while `missing` finds nothing.

    An HTTP thread would answer although the process's own loop hangs: so the loop has to say that it turns. It counts
    as hanging after `stalled_after` milliseconds without a turn, the time before the first one included.
    """

    def __init__(self, stalled_after: int) -> None:
        self._limit = stalled_after / 1000
        self._turned = time.monotonic()
        self.missing: Callable[[], list[str]] = _not_started
        """What is missing before the process does its work, a sentence each; none once it does. Set by the process,
        called from another thread."""

    def turned(self) -> None:
        """The loop has turned."""
        self._turned = time.monotonic()

    def not_alive(self) -> list[str]:
        """Why the process should be ended, a sentence each; none while it is alive."""
        seconds = time.monotonic() - self._turned
        return [f"the loop has not turned for {seconds:.0f} s"] if seconds > self._limit else []
