"""The shape of Online Retail and its quirks: nobody's lines, fees, and cancellations that do not say of what."""

from pathlib import Path

from pipeline.events.order import OrderCancelled, OrderRefunded, Purchase
from tests.history.reading import LONDON, Reading, at, read

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def line(invoice: str, code: str, quantity: float, price: str = "2.55", customer: str = "17850.0", day: int = 1) -> str:
    return f'{invoice},{code},"A THING, RED",{quantity},2011-06-0{day} 08:26:00,{price},{customer},United Kingdom'


def reading(folder: Path, *lines: str) -> Reading:
    (folder / "retail.csv").write_text("\n".join((HEADER, *lines)) + "\n")
    return read(folder / "retail.csv", LONDON)


def test_the_lines_of_an_invoice_are_an_order_in_pounds_at_the_shops_time(tmp_path: Path) -> None:
    news, unused, _ = reading(tmp_path, line("536365", "85123A", 6.0), line("536365", "71053", 2.0, "3.39"))
    (order,) = news
    assert isinstance(order, Purchase)
    assert (order.order_id, order.customer_id, order.value, order.currency) == ("536365", "17850", 2_208, "GBP")
    assert order.occurred_at == at("2011-06-01T08:26:00+01:00")
    assert [(i.item_id, i.quantity, i.price) for i in order.items or []] == [("85123A", 6, 255), ("71053", 2, 339)]
    assert not unused


def test_what_is_nobodys_no_goods_or_a_correction_of_stock_is_counted(tmp_path: Path) -> None:
    news, unused, tally = reading(
        tmp_path,
        line("1", "22423", 1.0),
        line("1", "POST", 1.0, "18.00"),
        line("2", "22423", 1.0, customer=""),
        line("3", "22423", -10.0, "0.0", "12346.0"),
        line("4", "22423", 1.0, "0.001"),
        line("A5", "B", 1.0, "-11062.06", ""),
        line("6", "22423", 1.0, "0.0"),
    )
    assert [(n.order_id, n.value) for n in news if isinstance(n, Purchase)] == [("1", 255), ("6", 0)]
    assert unused == {
        "not goods: postage, a fee or a correction": [3],
        "no customer": [4, 7],
        "a negative quantity outside a cancellation": [5],
        "UnitPrice has more decimals than GBP": [6],
    }
    assert (tally.lines, tally.refused) == (7, 5)


def test_a_cancellation_is_a_refund_of_the_last_order_of_the_item_and_cancels_it_once_nothing_is_left(
    tmp_path: Path,
) -> None:
    news, unused, _ = reading(
        tmp_path,
        line("1", "22423", 5.0, day=1),
        line("2", "22423", 3.0, day=2),
        line("2", "21232", 1.0, "10.00", day=2),
        line("C3", "22423", -1.0, day=3),
        line("C4", "22423", -2.0, day=4),
        line("C4", "21232", -1.0, "10.00", day=4),
    )
    told = [(type(n), n.order_id, n.occurred_at) for n in news[2:]]
    assert told == [
        (OrderRefunded, "2", at("2011-06-03T08:26:00+01:00")),
        (OrderCancelled, "2", at("2011-06-04T08:26:00+01:00")),
    ]
    assert [n.value for n in news if isinstance(n, OrderRefunded)] == [255]
    assert not unused


def test_a_cancellation_of_what_was_not_bought_before_is_counted(tmp_path: Path) -> None:
    news, unused, _ = reading(
        tmp_path,
        line("1", "22423", 1.0),
        line("C2", "22423", -1.0, customer="12346.0"),
        line("C3", "22423", -2.0),
        line("C4", "D", -1.0, "27.50"),
        line("C5", "22423", -1.0),
        line("C6", "22423", -1.0),
    )
    assert [type(n) for n in news] == [Purchase, OrderCancelled]
    assert unused == {
        "cancels more of an item than the customer's last order of it has": [3, 4, 7],
        "not goods: postage, a fee or a correction": [5],
    }


def test_cancellations_of_several_orders_in_one_invoice_are_told_apart(tmp_path: Path) -> None:
    news, _, _ = reading(
        tmp_path,
        line("1", "22423", 5.0),
        line("2", "21232", 5.0),
        line("C3", "22423", -1.0),
        line("C3", "21232", -1.0),
    )
    assert [n.order_id for n in news if isinstance(n, OrderRefunded)] == ["1", "2"]
    assert len({n.event_id for n in news}) == 4
