"""The kept fold: rows, offsets and noted records of the last run, replaced as a whole when the next one is done."""

import os
import shutil
from pathlib import Path

import msgspec
from msgspec import Struct

from pipeline.config.errors import UserError
from pipeline.config.namespace import Namespace
from pipeline.verify.fold import Resume
from pipeline.verify.sources import Kept

FORMAT = 1
INDEX = "index.json"


class Index(Struct):
    """What is kept beside the rows. `differences`: all that the runs so far found."""

    epoch: int
    partitions: list[Resume] = []
    sources: list[Kept] = []
    differences: int = 0
    format: int = FORMAT


class Workplace:
    """The folder of a run. A kept one starts as a copy of what the last run left, and takes its place when done."""

    def __init__(self, namespace: Namespace, kept_in: Path | None, scratch: Path) -> None:
        self._kept = None if kept_in is None else kept_in / namespace.name
        self.scratch = scratch
        self.folder = scratch / "fold" if self._kept is None else self._kept.with_suffix(".new")
        self.index = Index(namespace.epoch)
        if self._kept is not None:
            self._take_up(self._kept, namespace)

    def store(self, partition: int) -> Path:
        """Where the rows of a partition are."""
        return self.folder / f"partition-{partition}"

    def done(self, index: Index) -> None:
        """Keep this run in place of the last. All stores must be closed."""
        if self._kept is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / INDEX).write_bytes(msgspec.json.encode(index))
        old = self._kept.with_suffix(".old")
        if self._kept.exists():
            self._kept.rename(old)
        self.folder.rename(self._kept)
        shutil.rmtree(old, ignore_errors=True)

    def _take_up(self, kept: Path, namespace: Namespace) -> None:
        old = kept.with_suffix(".old")
        if not kept.exists() and old.exists():
            old.rename(kept)  # a run was killed between the two renames
        shutil.rmtree(self.folder, ignore_errors=True)
        if not kept.exists():
            return
        try:
            self.index = msgspec.json.decode((kept / INDEX).read_bytes(), type=Index)
        except (OSError, msgspec.MsgspecError) as error:
            raise UserError(f"{kept} is not a fold that verify kept ({error}): name another folder") from error
        if (self.index.epoch, self.index.format) != (namespace.epoch, FORMAT):
            raise UserError(f"{kept} was kept of an earlier making of namespace {namespace.name}: name another folder")
        shutil.copytree(kept, self.folder, copy_function=_link)


def _link(source: str, target: str) -> None:
    """RocksDB never changes a table file, so a link will do; the rest is copied."""
    if source.endswith(".sst"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
