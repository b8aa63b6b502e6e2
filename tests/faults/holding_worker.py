"""The worker with a transaction of partition 0 that stays open for FAULT_SECONDS, once, after FAULT_AFTER commits."""

import asyncio
import os
from pathlib import Path
from typing import Any

from pipeline.cli import main
from pipeline.worker import runner

_commit: Any = runner.commit
_left = int(os.environ["FAULT_AFTER"])
_mark = Path(os.environ["FAULT_MARK"])
"""Made when the transaction is open, taken away when it goes on."""


async def _held(producer: Any, namespace: Any, partition: int, batch: Any) -> int:
    global _left
    _left -= partition == 0
    if partition == 0 and _left == 0:
        end = producer.commit_transaction

        async def late() -> None:
            producer.commit_transaction = end
            _mark.touch()  # noqa: ASYNC240
            await asyncio.sleep(float(os.environ["FAULT_SECONDS"]))
            _mark.unlink()  # noqa: ASYNC240
            await end()

        producer.commit_transaction = late
    number: int = await _commit(producer, namespace, partition, batch)
    return number


runner.commit = _held
main(["worker"])
