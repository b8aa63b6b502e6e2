"""Our own shape: lines into orders, whole or not at all, and every line accounted for."""

import gzip
from pathlib import Path

import msgspec
import pytest

from pipeline.config.errors import UserError
from pipeline.events.history import HistoryEvent
from pipeline.events.order import OrderCancelled, OrderRefunded, Purchase
from tests.history.reading import Reading, at, read

EXAMPLE = Path(__file__).parents[2] / "examples" / "history.csv"
HEADER = "order_id,customer_id,ordered_at,item_id,quantity,price,currency"
LINE = "o1,ann,2024-03-01T10:00:00Z,boots,1,12.50,EUR"


def file(folder: Path, *lines: str | bytes, header: str = HEADER, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in (header, *lines))
    )
    return path


def reading(folder: Path, *lines: str | bytes, header: str = HEADER) -> Reading:
    return read(file(folder, *lines, header=header))


def test_the_example_becomes_orders_a_refund_and_a_cancellation() -> None:
    news, unused, tally = read(EXAMPLE)
    assert (unused, tally.lines) == ({}, 8)
    first = news[0]
    assert isinstance(first, Purchase)
    assert (first.order_id, first.customer_id, first.value, first.currency) == ("o-1001", "c-1042", 11_970, "EUR")
    assert first.occurred_at == at("2023-11-24T10:12:00+01:00")
    assert [(i.item_id, i.quantity, i.price, i.item_category) for i in first.items or []] == [
        ("sku-boots-17", 1, 8_990, "shoes"),
        ("sku-socks", 2, 1_490, "socks"),
    ]
    told = [(type(n), n.order_id) for n in news]
    assert told == [
        (Purchase, "o-1001"),
        (Purchase, "o-1002"),
        (OrderRefunded, "o-1002"),
        (Purchase, "o-1003"),
        (OrderCancelled, "o-1003"),
        (Purchase, "o-1004"),
        (Purchase, "o-1005"),
    ]
    assert [n.channel for n in news if isinstance(n, Purchase)] == ["online", "offline", "online", "online", "online"]
    assert [n.kind for n in news if isinstance(n, Purchase)][3] == "renewal"
    assert [n.value for n in news if isinstance(n, OrderRefunded)] == [34_900]


def test_news_is_what_the_topic_holds() -> None:
    decode = msgspec.json.Decoder(HistoryEvent).decode
    assert [decode(msgspec.json.encode(news)) for news in read(EXAMPLE).news] == read(EXAMPLE).news


def test_ids_of_events_follow_from_site_and_order_and_differ_by_what_they_tell(tmp_path: Path) -> None:
    ids = [news.event_id for news in read(EXAMPLE).news]
    assert ids == [news.event_id for news in read(EXAMPLE).news]
    assert len(set(ids)) == len(ids)
    refunds = [f"o1,ann,2024-03-0{day}T10:00:00Z,boots,1,5,EUR,refunded" for day in (2, 3)]
    told = reading(tmp_path, LINE + ",", *refunds, header=HEADER + ",kind").news
    assert len({news.event_id for news in told}) == 3


def test_gzip_a_byte_order_mark_and_other_line_ends_make_no_difference(tmp_path: Path) -> None:
    plain = reading(tmp_path, LINE).news
    text = f"\ufeff{HEADER}\r\n{LINE}\r\n".encode()
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(text))
    assert read(tmp_path / "orders.csv.gz").news == plain


def test_columns_may_stand_in_any_order_and_optional_ones_be_left_out(tmp_path: Path) -> None:
    other = reading(
        tmp_path,
        "EUR,12.50,boots,1,2024-03-01T10:00:00Z,ann,offline,o1",
        header="currency,price,item_id,quantity,ordered_at,customer_id,channel,order_id",
    ).news[0]
    assert isinstance(other, Purchase)
    assert (other.value, other.channel, other.event_id) == (1250, "offline", reading(tmp_path, LINE).news[0].event_id)


REFUSED = {
    "quantity is not a whole number of 1 to 100,000": LINE.replace("boots,1", "boots,0"),
    "price has more decimals than EUR": LINE.replace("12.50", "12.505"),
    "price is negative": LINE.replace("12.50", "-1"),
    "currency is not one of ISO 4217": LINE.replace("EUR", "EUX"),
    "customer_id is empty": LINE.replace("ann", ""),
    "order_id is longer than 128 characters": LINE.replace("o1", "o" * 129),
    "item_id is empty": LINE.replace("boots", ""),
    "ordered_at is in the future": LINE.replace("2024", "2034"),
    "ordered_at is over 20 years ago": LINE.replace("2024", "1999"),
    "not 7 fields": LINE + ",more",
    "not UTF-8": LINE.encode().replace(b"ann", b"\xff"),
    "a quoted field does not end": LINE.replace("boots", '"boots') + "x" * 140_000,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_line_that_cannot_be_used_is_counted_by_reason_and_the_others_go_in(tmp_path: Path, reason: str) -> None:
    news, unused, _ = reading(tmp_path, LINE.replace("o1", "o2"), LINE.replace("o1", "o3"), REFUSED[reason])
    assert news[0].order_id == "o2"
    assert unused[reason][0] == 4
    assert "o1" not in [n.order_id for n in news]


def test_an_order_goes_in_whole_or_not_at_all(tmp_path: Path) -> None:
    last = LINE.replace("o1", "o2")
    news, unused, tally = reading(tmp_path, LINE, LINE.replace("12.50", "12.505"), LINE, last)
    assert [n.order_id for n in news] == ["o2"]
    assert unused == {"price has more decimals than EUR": [3], "another line of the order cannot be used": [2, 4]}
    assert (tally.lines, tally.refused) == (4, 3)


@pytest.mark.parametrize("broken", [b"o1,ann", b"o1,\xff,2024-03-01T10:00:00Z,boots,1,12.50,EUR"])
def test_a_line_that_cannot_be_read_may_be_of_the_order_before_or_after_it(tmp_path: Path, broken: bytes) -> None:
    lines = [LINE.replace("o1", order) for order in ("o1", "o2", "o3", "o4")]
    news, unused, tally = reading(tmp_path, *lines[:2], broken, *lines[2:])
    assert [n.order_id for n in news] == ["o1", "o4"]
    assert unused["next to a line that cannot be read and may be of the same order"] == [3, 5]
    assert (tally.lines, tally.refused) == (5, 3)


def test_lines_of_an_order_agree_on_all_but_the_item(tmp_path: Path) -> None:
    _, unused, _ = reading(tmp_path, LINE, LINE.replace("ann", "bob"))
    assert unused["customer_id is not that of the order's first line"] == [3]


def test_an_order_that_stands_in_two_places_is_told_once_and_its_other_lines_are_counted(tmp_path: Path) -> None:
    news, unused, tally = reading(tmp_path, LINE, LINE.replace("o1", "o2"), LINE, LINE)
    assert [n.order_id for n in news] == ["o1", "o2"]
    assert unused == {"the lines of the order are not next to each other": [4, 5]}
    assert tally.refused == 2


def test_an_order_of_more_lines_than_an_event_holds_keeps_its_value_and_its_dearest_lines(tmp_path: Path) -> None:
    lines = [LINE.replace("boots,1,12.50", f"item-{n},1,{n}") for n in range(130)]
    news, _, tally = reading(tmp_path, *lines)
    order = news[0]
    assert isinstance(order, Purchase)
    assert order.value == sum(range(130)) * 100
    assert [item.item_id for item in order.items or []] == [f"item-{n}" for n in range(30, 130)]
    assert (tally.cut, tally.refused) == (30, 0)


def test_a_file_cut_off_in_its_gzip_gives_what_was_before(tmp_path: Path) -> None:
    lines = "".join(LINE.replace("o1", f"o{n}").replace("boots", f"item-{n * n}") + "\n" for n in range(5_000))
    packed = gzip.compress(f"{HEADER}\n{lines}".encode())
    (tmp_path / "orders.csv.gz").write_bytes(packed[: len(packed) // 2])
    news, unused, _ = read(tmp_path / "orders.csv.gz")
    assert 100 < len(news) < 5_000
    assert "the gzip stream is cut off here" in unused


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "has neither the columns of past orders (order_id,customer_id"),
        ("a,b,c", "nor those of Online Retail (InvoiceNo,"),
        (HEADER + ",colour", "the header has the column 'colour'"),
        (HEADER + ",kind,kind", "the header has a column twice"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, header: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        reading(tmp_path, LINE, header=header)
    assert words in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read(tmp_path / "orders.csv")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read(tmp_path)
