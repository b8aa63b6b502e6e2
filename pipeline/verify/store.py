"""The fold's rows of one partition in RocksDB, and what is remembered of its outputs."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import rocksdict
from xxhash import xxh3_128_digest

from pipeline.state.codec import next_due_of
from pipeline.state.partition import RESERVED

SEEN_PREFIX = b"\xff"
"""Sorts after every key of a row, which is UTF-8 or starts with a zero byte."""

FLUSH_ROWS = 20_000
FLUSH_BYTES = 8 * 1024 * 1024


class Store:
    """Rows by key. Written rows are readable at once, and on disk at the next `flush`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = rocksdict.Options(raw_mode=True)
        options.set_write_buffer_size(FLUSH_BYTES)
        self._db = rocksdict.Rdict(str(path), options)
        self._fresh: dict[bytes, bytes | None] = {}
        self._bytes = 0

    def get(self, key: bytes) -> bytes | None:
        """The value of a row."""
        if key in self._fresh:
            return self._fresh[key]
        value: bytes | None = self._db.get(key)
        return value

    def put(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Write rows, None for a deletion."""
        for key, value in rows:
            self._fresh[key] = value
            self._bytes += len(key) + (len(value) if value is not None else 0)
        if len(self._fresh) > FLUSH_ROWS or self._bytes > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Bring everything to disk."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in self._fresh.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._db.write(batch)
        self._fresh.clear()
        self._bytes = 0

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """All rows that were flushed, in the order of their keys."""
        return self._from(b"")

    def wakes(self) -> Iterator[tuple[int, str]]:
        """Who is to be woken, and when: what a PartitionEngine starts from."""
        for key, value in self._from(bytes([RESERVED[0] + 1])):
            if due := next_due_of(value):
                yield due, key.decode()

    def add(self, value: bytes) -> None:
        """Remember that the fold gave this output."""
        self.put([(SEEN_PREFIX + xxh3_128_digest(value), b"")])

    def known(self, value: bytes) -> bool:
        """Whether the fold gave this output before."""
        return self.get(SEEN_PREFIX + xxh3_128_digest(value)) is not None

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._db.close()

    def _from(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        iterator = self._db.iter()
        iterator.seek(key)
        while iterator.valid() and not (found := iterator.key()).startswith(SEEN_PREFIX):
            yield found, iterator.value()
            iterator.next()
