"""The Faust store driver `customers://`: at a rebalance it registers a runner for each assigned partition."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from faust.stores.base import Store
from faust.types import TP

from pipeline.worker.runner import Runner


class CustomerStore(Store):  # type: ignore[misc]  # faust has no types
    """Holds the runners of the assigned partitions. Values are written by the runners alone, in transactions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.runners: dict[int, Runner] = {}
        self.new_runner: Callable[[int], Runner] | None = None
        """Makes the runner of a partition; set before the app starts."""
        self.log_topic = ""
        self._assigned = False

    async def on_rebalance(self, assigned: set[TP], *_: Any, **__: Any) -> None:
        """Close all runners and register one for each assigned partition; each fences and restores on its own.

        Restoring here would stop the heartbeats, and cost the membership.
        """
        if self.new_runner is None:
            raise RuntimeError("a CustomerStore without new_runner")
        self._assigned = False
        closing, self.runners = self.runners, {}
        await asyncio.gather(*(runner.close() for runner in closing.values()))
        for partition in sorted(tp.partition for tp in assigned if tp.topic == self.log_topic):
            self.runners[partition] = self.new_runner(partition)
            self.runners[partition].start()
        self._assigned = True

    def missing(self) -> list[str]:
        """What is missing before this process does its work. Called from another thread."""
        if not self._assigned:
            return ["it has not joined its consumer group"]
        restoring = sorted(p for p, runner in list(self.runners.items()) if not runner.ready)
        return [f"partitions that are not restored: {', '.join(map(str, restoring))}"] if restoring else []

    def position(self, partition: int) -> int:
        """Offset of the log to read a partition from."""
        runner = self.runners.get(partition)
        return 0 if runner is None else runner.next_offset

    def persisted_offset(self, _tp: TP) -> int | None:
        """Nothing is persisted on Faust's account."""
        return None

    def set_persisted_offset(self, _tp: TP, _offset: int) -> None:
        """Nothing is persisted on Faust's account."""

    def apply_changelog_batch(self, *_: Any, **__: Any) -> None:
        """Faust's recovery must never see this table."""
        raise RuntimeError("the customers' changelog is restored by its runners")

    def reset_state(self) -> None:
        """Nothing to reset: the local copy is a cache that checks itself."""

    async def backup_partition(self, tp: TP | int, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        """The changelog is the backup."""
        raise NotImplementedError

    def restore_backup(self, tp: TP | int, latest: bool = True, backup_id: int = 0) -> None:
        """The changelog is the backup."""
        raise NotImplementedError

    def __getitem__(self, key: Any) -> Any:
        """No reads outside the fold."""
        raise KeyError(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        """No writes outside a transaction."""
        raise RuntimeError("customers are written by the fold alone")

    def __delitem__(self, key: Any) -> None:
        """No writes outside a transaction."""
        raise RuntimeError("customers are written by the fold alone")

    def __iter__(self) -> Iterator[Any]:
        """No reads outside the fold."""
        return iter(())

    def __len__(self) -> int:
        """No reads outside the fold."""
        return 0
