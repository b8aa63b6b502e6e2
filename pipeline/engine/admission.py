"""How many messages of a kind may go out in a minute of the log's time."""

from collections.abc import Callable

from pipeline.config.durations import MINUTE
from pipeline.state.partition import Clock
from pipeline.triggers.contract import Kind


def admission(clock: Clock, site: str, most: int, partitions: int) -> Callable[[Kind, int], bool]:
    """Whether one more may go out at a moment; it is counted then. A partition has its share of what a site may."""
    share = -(-most // partitions)

    def admit(kind: Kind, now: int) -> bool:
        minute, label = now // MINUTE, f"{site}|{kind.value}"
        known, number = clock.rates.get(label, (minute, 0))
        if known != minute:
            number = 0
        if number >= share:
            return False
        clock.rates[label] = (minute, number + 1)
        return True

    return admit
