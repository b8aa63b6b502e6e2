"""The simulated shop's products: what they cost, how popular they are, and how price and stock change."""

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from random import Random

from msgspec.structs import replace

from pipeline.config.durations import DAY
from pipeline.events.catalog import Product
from pipeline.events.envelope import Item
from pipeline.simulator.happening import CATALOG, Happening
from pipeline.simulator.parameters import SimulatedShop

CURRENCY = "EUR"
CHANGES_PER_DAY = 12
PRODUCTS_PER_CATEGORY = 30
CATEGORIES = ("roofs", "tools", "garden", "paint", "lighting", "bathroom", "flooring", "heating")
BRANDS = ("alder", "birch", "cedar", "elm", "hazel", "larch", "maple", "oak", "rowan", "willow")


class Catalogue:
    """The products as they are now. Popularity follows Zipf's law."""

    def __init__(self, shop: SimulatedShop, random: Random) -> None:
        self._shop = shop
        self._random = random
        self._changes = 0
        self.products = [self._product(i) for i in range(len(CATEGORIES) * PRODUCTS_PER_CATEGORY)]
        order = list(range(len(self.products)))
        random.shuffle(order)
        self._all = _Shelf(enumerate(order))
        self._shelves = {
            category: _Shelf((rank, i) for rank, i in enumerate(order) if self.products[i].item_category == category)
            for category in CATEGORIES
        }

    def opening(self) -> list[Happening]:
        """All products, as the shop publishes them at the start."""
        return [Happening(self._shop.start_ms, CATALOG, product.item_id, product) for product in self.products]

    def change_times(self) -> list[int]:
        """When a price or a stock changes, ascending, epoch milliseconds."""
        count = self._shop.duration_ms * CHANGES_PER_DAY // DAY
        return sorted(self._shop.start_ms + self._random.randrange(self._shop.duration_ms) for _ in range(count))

    def change(self, at_ms: int) -> Happening:
        """Change the price or the stock of a product."""
        self._changes += 1
        index = self._random.randrange(len(self.products))
        product = replace(self.products[index], event_id=f"{self._shop.seed}-change-{self._changes}", occurred_at=at_ms)
        if self._random.random() < 0.6:
            product.price = max(100, round(product.price * self._random.choice((0.8, 0.9, 1.1, 1.25))))
        else:
            product.stock = 0 if product.stock else self._random.randint(5, 200)
        self.products[index] = product
        return Happening(at_ms, CATALOG, product.item_id, product)

    def pick(self, category: str | None = None) -> Product:
        """A product in stock, of this category or of all, the popular ones more often."""
        shelf = self._all if category is None else self._shelves[category]
        while True:
            product = self.products[shelf.draw(self._random)]
            if product.stock or self._random.random() < 0.1:
                return product

    def _product(self, index: int) -> Product:
        category = CATEGORIES[index // PRODUCTS_PER_CATEGORY]
        return Product(
            event_id=f"{self._shop.seed}-product-{index}",
            site_id=self._shop.site_id,
            occurred_at=self._shop.start_ms,
            item_id=f"{category}-{index:03d}",
            item_name=f"{category} no. {index}",
            item_category=category,
            item_brand=self._random.choice(BRANDS),
            price=round(math.exp(self._random.gauss(math.log(4_000), 0.9))),
            currency=CURRENCY,
            stock=self._random.randint(5, 200),
        )


class _Shelf:
    """Products by their rank among all."""

    def __init__(self, ranked: Iterable[tuple[int, int]]) -> None:
        ranks, self._indices = zip(*ranked, strict=True)
        self._cumulative = list(accumulate(1 / (rank + 1) for rank in ranks))

    def draw(self, random: Random) -> int:
        return int(self._indices[bisect_left(self._cumulative, random.random() * self._cumulative[-1])])


def line(product: Product, quantity: int = 1) -> Item:
    """The product as a line of a list, a cart or an order."""
    return Item(
        item_id=product.item_id,
        item_category=product.item_category,
        item_brand=product.item_brand,
        price=product.price,
        quantity=quantity,
    )
