"""The kinds of triggers that the engine runs, in the order in which they take an event."""

from pipeline.triggers import cart_abandoned, personalization
from pipeline.triggers.trigger import Trigger

TRIGGERS: tuple[Trigger, ...] = (cart_abandoned, personalization)
