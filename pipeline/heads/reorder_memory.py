"""What the reorder head keeps of a customer."""

from msgspec import Struct


class Facts(Struct, frozen=True, array_like=True, gc=False):
    """What is known of a customer at a purchase. Times are days, money is minor units.

    `days` counts purchase days, `span` is from the first to the last. `gap` is between the last two, `pace` a mean of
    the gaps in which each counts half as much as all after it. `value` and `items` are of the last day, `spent` and
    `bought` of all.
    """

    days: int = 0
    span: int = 0
    gap: int = 0
    pace: int = 0
    value: int = 0
    items: int = 0
    spent: int = 0
    bought: int = 0


class Prediction(Struct, frozen=True, array_like=True, gc=False):
    """What was known at a purchase, until the bins of the silence after it have ended.

    `made_at` is the time of the day's last order, `begin` the end of that day. `bin` is the next to end; `silence` is
    when the next purchase came, milliseconds after `begin`, -1 while it has not. `served` is what was said of that bin
    as it began, as in `Labelled`, and `version` that of the snapshot.
    """

    id: str
    made_at: int
    begin: int
    facts: Facts
    bin: int = 0
    silence: int = -1
    version: int = 0
    served: float | None = None


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """What the head keeps of a customer. `day_end` is the end of the last purchase day, 0 for none yet."""

    day_end: int = 0
    facts: Facts = Facts()
    pending: tuple[Prediction, ...] = ()
