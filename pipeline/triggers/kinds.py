"""The kinds of triggers that the engine runs, in the order in which they take an event."""

from typing import Final

from pipeline.triggers import cart_abandoned, personalization, win_back
from pipeline.triggers.trigger import Trigger

TRIGGERS: Final[tuple[Trigger, ...]] = (cart_abandoned, win_back, personalization)
