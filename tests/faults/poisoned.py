"""The pipeline with a fault in the fold: the event whose id is FAULT_EVENT raises, the first time that it is folded."""

import os
import sys
from typing import Any

from pipeline.cli import main
from pipeline.engine import intake

_poison: str | None = os.environ["FAULT_EVENT"]


def _poisoned(handler: Any) -> Any:
    def handle(customer: Any, person: str, event: Any, site: Any) -> Any:
        global _poison
        folded = handler(customer, person, event, site)
        if event.id == _poison:
            _poison = None
            raise ZeroDivisionError
        return folded

    return handle


for _kind, _handler in list(intake.HANDLERS.items()):
    intake.HANDLERS[_kind] = _poisoned(_handler)
main(sys.argv[1:])
