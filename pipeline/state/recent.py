"""The event ids that a person sent last, so that an event published twice counts once.

Ids are kept by five bytes of their hash, in blocks of eight, each followed by three bytes of the second by which all of
it had been seen; so 43 bytes a block. A chance collision drops one event in 17 thousand million. The window is the last
64 ids and a block more at most, or 48 hours before the newest.
"""

from typing import Final

from xxhash import xxh3_64_digest

MAX_IDS: Final = 64
WINDOW: Final = 48 * 3_600_000
"""Milliseconds. An event older than this before the newest of its topic is too late to be told from a duplicate."""

VISIT_GAP: Final = 1_800_000
"""Milliseconds without an event after which the next begins a visit."""

BOT_SPAN: Final = 10_000
"""64 events of one person within this many milliseconds are no human's."""

_MARK: Final = 5
_MARKS: Final = 8
_MARKED: Final = _MARK * _MARKS
_BLOCK: Final = _MARKED + 3
_FULL: Final = MAX_IDS // _MARKS * _BLOCK


def digest(identity: str) -> bytes:
    """Five bytes of an id's hash."""
    return xxh3_64_digest(identity.encode())[3:]


def contains(ring: bytes, mark: bytes) -> bool:
    """Whether an id is among the last ones."""
    at = ring.find(mark)  # `in` takes half as long again
    while at >= 0:
        place = at % _BLOCK
        if place % _MARK == 0 and place < _MARKED:
            return True
        at = ring.find(mark, at + 1)
    return False


def append(ring: bytes, mark: bytes, at: int, newest: int) -> tuple[bytes, int]:
    """Add an id seen at `at`. Returns the ring and the time up to which ids had to go, 0 for none.

    `newest` is the newest time of the ids so far. Those that have left the window match nothing any more; they are
    dropped when a visit begins, not at every event.
    """
    evicted = 0
    if at - newest > VISIT_GAP:
        ring, evicted = _within_window(ring, at, newest)
    ring += mark
    if len(ring) % _BLOCK != _MARKED:
        return ring, evicted
    if at > newest:
        newest = at
    ring += (newest // 1000 & 0xFFFFFF).to_bytes(3)
    if len(ring) <= _FULL:
        return ring, evicted
    return ring[_BLOCK:], _time(ring, newest)


def hurried(ring: bytes, newest: int) -> bool:
    """Whether the last 64 ids came within BOT_SPAN: looked at with every eighth, and from the end of a block on."""
    return len(ring) == _FULL and newest - _time(ring, newest) <= BOT_SPAN


def of_entries(entries: bytes, newest: int) -> bytes:
    """The ring of what was kept before there were blocks: for each id five bytes of its hash and three of its second.

    `newest` is the newest of their times, epoch milliseconds.
    """
    ring, last = b"", 0
    for place in range(0, len(entries), _MARK + 3):
        second = int.from_bytes(entries[place + _MARK : place + _MARK + 3])
        last = max(last, _full_second(second, newest) * 1000)
        ring, _ = append(ring, entries[place : place + _MARK], last, last)
    return ring


def _within_window(ring: bytes, at: int, newest: int) -> tuple[bytes, int]:
    """The ring without the blocks that have left the window, and the time up to which ids had to go."""
    if newest <= at - WINDOW:
        return b"", newest if ring else 0
    evicted = 0
    while len(ring) >= _BLOCK and (end := _time(ring, at)) <= at - WINDOW:
        ring, evicted = ring[_BLOCK:], end
    return ring, evicted


def _time(ring: bytes, newest: int) -> int:
    """End of the second of the first block."""
    return _full_second(int.from_bytes(ring[_MARKED:_BLOCK]), newest) * 1000 + 999


def _full_second(second: int, newest: int) -> int:
    """Seconds wrap after 194 days, far beyond the window."""
    now = newest // 1000
    return now - (now - second & 0xFFFFFF)
