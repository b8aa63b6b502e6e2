"""What live personalization said last of a person, and what it must say next."""

from msgspec import Struct


class Standing(Struct, frozen=True, array_like=True, gc=False):
    """Where a person stands: what is shown goes by this, and a change of it is said.

    `stage` of the funnel, the top `category` and `brand`, whether the cart is `filled`, the `segments`, and the ids of
    the top `items`, the first of them first; `band` of the intent to buy, 0 without a score.
    """

    stage: int = 0
    category: str = ""
    brand: str = ""
    filled: bool = False
    segments: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    band: int = 0


class Told(Struct, frozen=True, array_like=True, gc=False):
    """What was emitted last.

    `at` is the time of the log as of which it was decided, epoch milliseconds; it may be used for `lasts`
    milliseconds, 0 once it was cancelled. `episode` is the event that caused it. `prompted` is when the person was
    asked last to sign up or to allow push messages, 0 for never.
    """

    at: int
    lasts: int
    episode: str
    action: str
    standing: Standing
    prompted: int = 0


class Waiting(Struct, frozen=True, array_like=True, gc=False):
    """The newest event that came within the throttle; `leaving` where it was an exit intent."""

    episode: str
    at: int
    leaving: bool


class Shown(Struct, frozen=True, array_like=True, gc=False):
    """`refused` says by number why nothing may be said (`pipeline.triggers.personalization_gates`), 0 where it may.

    `searches` counts those since a product was looked at, up to the number that matters.
    """

    refused: int = 0
    searches: int = 0
    waiting: Waiting | None = None
    told: Told | None = None
