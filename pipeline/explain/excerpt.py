"""A long story made short: its decisions, and of the events those beside them. Pure."""

from collections.abc import Sequence

from pipeline.explain.story import EVENT, Entry

BEFORE, AFTER = 3, 1
"""Events that are kept before and after each decision."""


def excerpt(entries: Sequence[Entry]) -> list[Entry]:
    """The story with a line for each run of two or more events that are left out. The first event stays."""
    keep = {0}
    for place, entry in enumerate(entries):
        if entry.what != EVENT:
            keep.update(range(place - BEFORE, place + AFTER + 1))
    short: list[Entry] = []
    run: list[Entry] = []
    for place, entry in enumerate(entries):
        if place not in keep:
            run.append(entry)
            continue
        short += _left_out(run)
        run = []
        short.append(entry)
    return short + _left_out(run)


def _left_out(run: list[Entry]) -> list[Entry]:
    if len(run) < 2:
        return run
    return [Entry(run[0].at, EVENT, f"… {len(run)} events …", run[0].log_offset)]
