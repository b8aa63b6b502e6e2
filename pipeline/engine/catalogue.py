"""The catalogue of a partition: what sites said of their products last, read as it is asked for."""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import msgpack

from pipeline.log.rows import ProductRow
from pipeline.state.partition import encode, product_key

MAX_KNOWN: Final = 20_000
"""Products of a site kept decoded in memory."""


class Catalogue:
    """Products by site. `load` reads a committed row; `changed` are the rows that the next commit writes."""

    def __init__(self, load: Callable[[bytes], bytes | None]) -> None:
        self._load = load
        self._sites: dict[str, dict[str, ProductRow | None]] = {}
        self.changed: dict[bytes, bytes] = {}

    def of(self, site: str) -> Callable[[str], ProductRow | None]:
        """The products of a site by sku. Those that were asked for are kept, and those that it does not know."""
        known = self._sites.setdefault(site, {})

        def product(sku: str) -> ProductRow | None:
            if (kept := known.get(sku)) is not None or sku in known:
                return kept
            data = self._stored(product_key(site, sku))
            if len(known) >= MAX_KNOWN:
                known.clear()
            found = known[sku] = None if data is None else msgpack.decode(data, type=ProductRow)
            return found

        return product

    def put(self, product: ProductRow) -> None:
        """Take what a site says of a product, where it is news."""
        key = product_key(product.site, product.sku)
        known = self._stored(key)
        if known is None or _content(msgpack.decode(known, type=ProductRow)) != _content(product):
            self.changed[key] = encode(product)
            self._sites.get(product.site, {}).pop(product.sku, None)

    def take(self) -> Iterable[tuple[bytes, bytes]]:
        """Hand over the changed rows, for a commit."""
        changed, self.changed = self.changed, {}
        return changed.items()

    def _stored(self, key: bytes) -> bytes | None:
        return self.changed.get(key) or self._load(key)


def _content(product: ProductRow) -> tuple[object, ...]:
    """What matters of a product: all but the event that said it, and when."""
    return tuple([getattr(product, name) for name in product.__struct_fields__[2:]])
