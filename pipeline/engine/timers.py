"""Timers of a partition: a heap of when to look at whom. An index of the stored values, rebuilt when it is opened.

An entry may be early, never late: whoever is woken is asked when he is really due.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush


class Timers:
    """A heap of `(due, person)`, due in epoch milliseconds."""

    def __init__(self, entries: Iterable[tuple[int, str]] = ()) -> None:
        self._heap = list(entries)
        heapify(self._heap)
        self._earliest = {person: due for due, person in sorted(self._heap, reverse=True)}

    def __len__(self) -> int:
        """People with a timer."""
        return len(self._earliest)

    def set(self, person: str, due: int) -> None:
        """Wake a person at `due`; an earlier timer of the same person stands as well."""
        known = self._earliest.get(person)
        if known is None or due < known:
            self._earliest[person] = due
            heappush(self._heap, (due, person))

    def drop(self, person: str) -> None:
        """Let a person sleep."""
        self._earliest.pop(person, None)

    def pop_due(self, now: int) -> list[str]:
        """Take out everybody whose timer is at or before `now`."""
        heap, people = self._heap, []
        while heap and heap[0][0] <= now:
            due, person = heappop(heap)
            if self._earliest.get(person) == due:
                del self._earliest[person]
                people.append(person)
        return people
