"""Ingest that cannot write after FAULT_AFTER frames: it hangs for ever, or, where FAULT is `fail`, the send fails."""

import asyncio
import os
from typing import Any

from aiokafka.errors import KafkaTimeoutError

from pipeline.cli import main
from pipeline.ingest.framing import Framed
from pipeline.ingest.run import Ingest

_left = int(os.environ["FAULT_AFTER"])
_send: Any = Ingest._send


async def _stuck(self: Ingest, framed: Framed) -> None:
    global _left
    _left -= len(framed.frames)
    if _left > 0:
        await _send(self, framed)
    elif os.environ["FAULT"] == "fail":
        raise KafkaTimeoutError
    else:
        await asyncio.sleep(3600)


Ingest._send = _stuck  # type: ignore[method-assign]
main(["ingest"])
