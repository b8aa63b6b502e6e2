"""What goes into a cart of the simulated shop, and what is taken out again before it is left."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from pipeline.events.catalog import Product
from pipeline.simulator.visit import Visit

_FURTHER = (0, 0, 0, 1, 1, 2, 3)
"""How many further products are put in, each number as likely as the other."""
_QUANTITIES = (1, 1, 1, 1, 2, 3)
_REMOVES = 0.2


class Contents(NamedTuple):
    """Products in the order in which they are put in, with quantities, and the item that is removed, if any."""

    added: tuple[tuple[Product, int], ...]
    removed: str | None

    @property
    def kept(self) -> set[str]:
        """Item ids of the lines that stay."""
        return {product.item_id for product, _ in self.added} - {self.removed}

    @property
    def value(self) -> int:
        """What stays costs, minor units."""
        kept = self.kept
        return sum(product.price * quantity for product, quantity in self.added if product.item_id in kept)

    def put_into(self, visit: Visit) -> tuple[int, str]:
        """Write it. Returns when the cart was opened, and the id of the event that opened it."""
        (first, quantity), *further = self.added
        opened = visit.add(first, quantity)
        opened_at = visit.at_ms
        for product, quantity in further:
            visit.add(product, quantity)
        if self.removed is not None:
            visit.remove(self.removed)
        return opened_at, opened


def fill(pick: Callable[[], Product], random: Random) -> Contents:
    """Draw what a visitor who picks like this puts into a cart; the last line is never removed."""
    added = tuple((pick(), random.choice(_QUANTITIES)) for _ in range(1 + random.choice(_FURTHER)))
    ids = sorted({product.item_id for product, _ in added})
    removes = len(ids) > 1 and random.random() < _REMOVES
    return Contents(added, random.choice(ids) if removes else None)
