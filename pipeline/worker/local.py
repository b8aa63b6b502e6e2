"""The local copy of a partition's changelog in RocksDB: a cache, with the changelog offset up to which it is true."""

import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import rocksdict
from msgspec import Struct, msgpack

from pipeline.state.partition import RESERVED

logger = logging.getLogger(__name__)

CHECKPOINT_KEY = b"\0checkpoint"
"""Kept locally only: it is no row of the changelog."""

WRITE_BUFFER = 4 * 1024 * 1024
BLOCK_CACHE = 64 * 1024 * 1024
FILTER_BITS = 10.0
"""Bits a key of the filters that say which files need no look: one miss in a hundred."""


class Checkpoint(Struct, array_like=True):
    """`offset`: the next of the changelog to read, of its making `epoch`. `written`: wall time, epoch milliseconds."""

    epoch: int
    offset: int
    written: int


FLUSH_EVERY = 600_000
"""Milliseconds after which what is only in memory goes to a file, however little it is."""

_SIZES = ("rocksdb.live-sst-files-size", "rocksdb.cur-size-all-mem-tables")

_cache: list[rocksdict.Cache] = []


class LocalCopyError(BaseException):
    """The local copy cannot be used any more. No Exception: the fold takes those for the fault of an event."""


class LocalStore:
    """Rows of one partition. Opening it anew with `LocalStore.wipe` costs a full restore and nothing else.

    There is no write-ahead log: that is what the changelog is. After a crash the copy is as it was at some write
    before, with the checkpoint of that write.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = rocksdict.Rdict(str(path), _options())
        self._how = rocksdict.WriteOptions()
        self._how.disable_wal = True
        self._flushed = 0

    def get(self, key: bytes) -> bytes | None:
        """The value of a row. Raises LocalCopyError."""
        try:
            return self._db.get(key)  # type: ignore[no-any-return]  # rocksdict has no types
        except Exception as error:
            raise LocalCopyError(str(error)) from error

    @staticmethod
    def wipe(path: Path) -> None:
        """Delete the copy."""
        shutil.rmtree(path, ignore_errors=True)

    def size(self) -> int:
        """Bytes of the copy: its files, and what is not written to one yet."""
        return sum(self._db.property_int_value(name) or 0 for name in _SIZES)

    def checkpoint(self) -> Checkpoint | None:
        """Up to where the copy is true; None for a new one."""
        stored = self.get(CHECKPOINT_KEY)
        return None if stored is None else msgpack.decode(stored, type=Checkpoint)

    def write(self, rows: Iterable[tuple[bytes, bytes | None]], checkpoint: Checkpoint) -> None:
        """Apply rows of the changelog, None for a deletion, and the checkpoint, all at once. Raises LocalCopyError."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in rows:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(CHECKPOINT_KEY, msgpack.encode(checkpoint))
        try:
            self._db.write(batch, self._how)
            if checkpoint.written - self._flushed >= FLUSH_EVERY:
                self._flushed = checkpoint.written
                self._db.flush(wait=False)
        except Exception as error:
            raise LocalCopyError(str(error)) from error

    def people(self) -> Iterator[tuple[bytes, bytes]]:
        """All customer rows. Raises LocalCopyError, also where what can be read ends too soon."""
        after = bytes([RESERVED[0] + 1])
        iterator = self._db.iter()
        iterator.seek(after)
        while iterator.valid():
            yield iterator.key(), iterator.value()
            iterator.next()
        try:
            iterator.status()
        except Exception as error:
            raise LocalCopyError(str(error)) from error

    def close(self) -> None:
        """Flush and close. What cannot be flushed is in the changelog."""
        try:
            self._db.close()
        except Exception as error:  # noqa: BLE001  # rocksdict raises nothing more special
            logger.warning("a local copy did not close: %s", error)


def _options() -> rocksdict.Options:
    """Small buffers and one block cache for all partitions: with the defaults 64 stores take 1.7 GB."""
    options = rocksdict.Options(raw_mode=True)
    options.set_write_buffer_size(WRITE_BUFFER)
    options.set_max_write_buffer_number(2)
    if not _cache:
        _cache.append(rocksdict.Cache(BLOCK_CACHE))
    table = rocksdict.BlockBasedOptions()
    table.set_block_cache(_cache[0])
    table.set_bloom_filter(FILTER_BITS, block_based=False)
    options.set_block_based_table_factory(table)
    options.set_compression_type(rocksdict.DBCompressionType.none())  # it took a third of what a row costs
    return options
