"""The worker with a restore that takes FAULT_SECONDS longer."""

import asyncio
import os
from typing import Any

from pipeline.cli import main
from pipeline.worker import runner

_restore: Any = runner.restore


async def _slow(*args: Any) -> Any:
    await asyncio.sleep(float(os.environ["FAULT_SECONDS"]))
    return await _restore(*args)


runner.restore = _slow
main(["worker"])
