"""What live personalization said last of a person."""

from msgspec import Struct


class Shown(Struct, frozen=True, array_like=True, gc=False):
    """The tuple that was emitted last, or that was refused last where `permitted` is False.

    `at` is when, epoch milliseconds; `episode` the event that caused it. `expires` is 0 where nothing stands.
    `waiting` is the newest event that came within the throttle, `waiting_at` its time.
    """

    at: int = 0
    episode: str = ""
    permitted: bool = False
    stage: int = 0
    category: str = ""
    brand: str = ""
    cart: str = ""
    segments: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    action: str = ""
    expires: int = 0
    waiting: str = ""
    waiting_at: int = 0
