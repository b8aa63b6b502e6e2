"""The worker, late to take what its group assigns by JOIN_SECONDS; its restores take FAULT_SECONDS longer."""

import asyncio
import os
from typing import Any

from pipeline.cli import main
from pipeline.worker import runner
from pipeline.worker.store import CustomerStore

_restore: Any = runner.restore
_on_rebalance: Any = CustomerStore.on_rebalance


async def _slow(*args: Any) -> Any:
    await asyncio.sleep(float(os.environ["FAULT_SECONDS"]))
    return await _restore(*args)


async def _late(*args: Any, **more: Any) -> None:
    await asyncio.sleep(float(os.environ.get("JOIN_SECONDS", "0")))
    await _on_rebalance(*args, **more)


runner.restore = _slow
CustomerStore.on_rebalance = _late  # type: ignore[method-assign]
main(["worker"])
