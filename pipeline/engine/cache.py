"""Customers kept in memory as they are stored, bounded in bytes: two generations, the older goes as a whole."""


class Cache:
    """A bounded map of person to stored value. `limit` counts the bytes of one generation."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._young: dict[str, bytes] = {}
        self._old: dict[str, bytes] = {}
        self._bytes = 0

    def get(self, person: str) -> bytes | None:
        """The value, if kept."""
        return self._young.get(person) or self._old.get(person)

    def put(self, person: str, value: bytes) -> None:
        """Keep a value."""
        if person not in self._young:
            self._bytes += len(value) + len(person)
            if self._bytes > self._limit:
                self._old, self._young, self._bytes = self._young, {}, len(value) + len(person)
        self._young[person] = value
