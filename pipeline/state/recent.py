"""The event ids that a person sent last, so that an event published twice counts once.

Entries are 8 bytes: 5 of the id's hash and 3 of its second. A chance collision drops one event in 17 thousand
million. The window is the last 64 ids, or 48 hours before the newest.
"""

from struct import Struct

from xxhash import xxh3_64_digest

MAX_IDS = 64
WINDOW = 48 * 3_600_000
"""Milliseconds. An event older than this before the newest of its topic is too late to be told from a duplicate."""

VISIT_GAP = 1_800_000
"""Milliseconds without an event after which the next begins a visit."""

BOT_SPAN = 10_000
"""64 events of one person within this many milliseconds are no human's."""

_SIZE = 8
_FULL = MAX_IDS * _SIZE
_first_word = Struct(">I").unpack_from


def digest(identity: str) -> bytes:
    """Five bytes of an id's hash."""
    return xxh3_64_digest(identity.encode())[3:]


def contains(ring: bytes, mark: bytes) -> bool:
    """Whether an id is among the last ones."""
    at = ring.find(mark)  # `in` takes half as long again
    while at >= 0:
        if at % _SIZE == 0:
            return True
        at = ring.find(mark, at + 1)
    return False


def append(ring: bytes, mark: bytes, at: int, newest: int) -> tuple[bytes, int]:
    """Add an id seen at `at`. Returns the ring and the time of the newest entry that had to go, 0 for none.

    `newest` is the newest time of the entries so far. Entries that have left the window match nothing any more; they
    are dropped when a visit begins, not at every event.
    """
    second = at // 1000
    entry = mark + (second & 0xFFFFFF).to_bytes(3)
    if at - newest <= VISIT_GAP:
        if len(ring) < _FULL:
            return ring + entry, 0
        if newest > at:
            second = newest // 1000
        first = _first_word(ring, 4)[0]  # with a byte of the hash above, which is masked off
        return ring[_SIZE:] + entry, (second - (second - first & 0xFFFFFF)) * 1000 + 999
    ring += entry
    evicted = 0
    while len(ring) > _FULL or (len(ring) > _SIZE and _time(ring, at) <= at - WINDOW):
        evicted = max(evicted, _time(ring, at))
        ring = ring[_SIZE:]
    return ring, evicted


def _time(ring: bytes, newest: int) -> int:
    """End of the second of the first entry; seconds wrap after 194 days, far beyond the window."""
    now = newest // 1000
    return (now - ((now - int.from_bytes(ring[5:8], "big")) & 0xFFFFFF)) * 1000 + 999
