"""The worker with a fault in the fold: the event whose id is FAULT_EVENT raises."""

import os
from typing import Any

from pipeline.cli import main
from pipeline.engine import intake

_poison = os.environ["FAULT_EVENT"]


def _poisoned(handler: Any) -> Any:
    def handle(customer: Any, person: str, event: Any, site: Any) -> Any:
        folded = handler(customer, person, event, site)
        if event.id == _poison:
            raise ZeroDivisionError
        return folded

    return handle


for _kind, _handler in list(intake.HANDLERS.items()):
    intake.HANDLERS[_kind] = _poisoned(_handler)
main(["worker"])
