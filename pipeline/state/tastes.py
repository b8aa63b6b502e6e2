"""What a person is drawn to: decayed affinities by dimension, all on one scale so that they compare without decay.

A touch at time t adds `weight * 2^((t - landmark) / half_life)`. So no other score has to be decayed when one is
added to, ranks are right at any time, and the landmark moves only when numbers grow large.
"""

from msgspec import Struct


class Tastes(Struct, frozen=True, array_like=True, gc=False):
    """Scores by name, as fixed-point integers on the scale of `landmark` (epoch milliseconds).

    `categories` and `brands` by name, `shelves` by price shelf, `facets` by `name=value`, each in the order in which
    they came to be known; `items` by item id, in the order of the last touch, the newest last, so that it is the ring
    of what was viewed last as well. `bought` has 5-byte digests of the items that were bought last, the newest last.
    """

    landmark: int = 0
    categories: dict[str, int] = {}
    brands: dict[str, int] = {}
    shelves: dict[str, int] = {}
    facets: dict[str, int] = {}
    items: dict[str, int] = {}
    bought: bytes = b""
