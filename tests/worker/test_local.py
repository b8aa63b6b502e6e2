"""The local copy: a cache that may lose what it was told last, never a part of it."""

import subprocess
import sys
from pathlib import Path

from pipeline.worker.local import FLUSH_EVERY, Checkpoint, LocalStore

PEOPLE = [b"shop|c|%d" % number for number in range(30)]

CRASHING = """
import os, sys
from pathlib import Path
from pipeline.worker.local import Checkpoint, LocalStore
from tests.worker.test_local import PEOPLE
store = LocalStore(Path(sys.argv[1]))
for number in range(2_000):
    value = b"%08d" % number * 30
    store.write([(person, value) for person in PEOPLE], Checkpoint(1, number, number * int(sys.argv[2])))
os._exit(9)
"""


def crashed(path: Path, step: int) -> tuple[Checkpoint | None, set[bytes | None]]:
    """The checkpoint and the distinct values after a process that wrote 2,000 times was killed."""
    assert subprocess.run([sys.executable, "-c", CRASHING, str(path), str(step)], check=False).returncode == 9
    store = LocalStore(path)
    found = store.checkpoint(), {store.get(person) for person in PEOPLE}
    store.close()
    return found


def test_after_a_crash_the_copy_is_as_it_was_at_the_write_of_its_checkpoint(tmp_path: Path) -> None:
    checkpoint, values = crashed(tmp_path / "copy", 1)
    assert checkpoint is not None
    assert 1_000 < checkpoint.offset < 2_000  # a buffer of 4 MB is lost at most
    assert values == {b"%08d" % checkpoint.offset * 30}


def test_what_is_in_memory_goes_to_a_file_by_time_however_little_it_is(tmp_path: Path) -> None:
    checkpoint, values = crashed(tmp_path / "copy", FLUSH_EVERY // 10)
    assert checkpoint is not None
    assert checkpoint.offset >= 1_980
    assert values == {b"%08d" % checkpoint.offset * 30}


def test_a_copy_that_was_closed_has_lost_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "copy")
    store.write([(PEOPLE[0], b"value"), (PEOPLE[1], b"value")], Checkpoint(1, 1, 1))
    store.write([(PEOPLE[1], None)], Checkpoint(1, 2, 2))
    store.close()
    store = LocalStore(tmp_path / "copy")
    assert (store.checkpoint(), store.get(PEOPLE[0]), store.get(PEOPLE[1])) == (Checkpoint(1, 2, 2), b"value", None)
    store.close()
