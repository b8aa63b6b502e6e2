"""How processes log: one line a record, to standard error, with the process's name."""

import logging
import time
from collections.abc import Callable

REPEAT_SECONDS = 30.0
_MOST_LINES = 1_000


def log_to_stderr() -> None:
    """Log from INFO on; libraries only from WARNING on, and the same line of one once in a while."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("pipeline").setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Repetitions())


class Repetitions(logging.Filter):
    """Leaves out what a library has said within the last 30 s, and says how often when it is said again.

    A client of Kafka complains ten times a second of a broker that is away. `now` gives seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record."""
        if record.name.split(".")[0] == "pipeline":
            return True
        line, now = (record.name, record.getMessage()), self._now()
        said, left_out = self._said.get(line, (-REPEAT_SECONDS, 0))
        if now - said < REPEAT_SECONDS:
            self._said[line] = (said, left_out + 1)
            return False
        if len(self._said) >= _MOST_LINES:
            self._said.clear()
        self._said[line] = (now, 0)
        if left_out:
            record.msg, record.args = f"{line[1]} ({left_out:,} times more since it was said last)", ()
        return True
