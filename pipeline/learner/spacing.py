"""Which versions of a head are kept: the latest, and older ones the further apart the older they are. Pure."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

LATEST: Final = 4
"""Versions that are kept whatever their age."""

CLOSEST: Final = 2 * 60_000
"""Milliseconds: of versions that are no further apart than this, one is enough, beside the latest."""

FARTHEST: Final = 24 * 3_600_000
"""Milliseconds: of versions older than this, one is enough."""

MOST: Final = LATEST + 22
"""Versions that are kept at most: two for each time that an age doubles between CLOSEST and FARTHEST, and two at the
ends. About twenty are."""


def spaced(published: Mapping[int, int], now: int) -> set[int]:
    """The versions to keep, at most MOST. `published`: when each was, epoch milliseconds, as is `now`.

    A version between two others is dropped where the older of these is at most twice as old as the younger, or at most
    CLOSEST older. Two neighbours only come closer in this as both grow old. So for any age from CLOSEST to FARTHEST
    there is one of that age up to twice that age, unless none was published in that time: then the next older one.
    """
    versions = sorted(published, reverse=True)
    kept = versions[:LATEST]
    for one, older in pairwise([*versions[LATEST - 1 :], 0]):
        last = kept[-1]
        age = now - published[last]
        if age >= FARTHEST:
            break
        if one != last and (not older or published[last] - published[older] > max(age, CLOSEST)):
            kept.append(one)
    return set(kept)
