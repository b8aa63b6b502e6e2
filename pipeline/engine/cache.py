"""Decoded customers kept in memory, bounded in bytes: two generations, the older of which goes as a whole."""

from pipeline.state.customer import Customer


class Cache:
    """A bounded map of person to customer. `limit` counts stored bytes of one generation."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._young: dict[str, Customer] = {}
        self._old: dict[str, Customer] = {}
        self._bytes = 0

    def get(self, person: str) -> Customer | None:
        """The customer, if kept."""
        found = self._young.get(person)
        if found is None:
            found = self._old.get(person)
        return found

    def put(self, person: str, customer: Customer, size: int) -> None:
        """Keep a customer whose stored value has `size` bytes."""
        if person not in self._young:
            self._bytes += size + len(person)
            if self._bytes > self._limit:
                self._old, self._young, self._bytes = self._young, {}, size + len(person)
        self._young[person] = customer
