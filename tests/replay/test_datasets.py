"""Public logs: each shape is recognised and read, what cannot be read is counted, ids and order are fixed."""

import gzip
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from pipeline.config.errors import UserError
from pipeline.events import TOPIC_EVENTS
from pipeline.events.cart import AddToCart, RemoveFromCart
from pipeline.events.click import AddToWishlist, ViewItem
from pipeline.events.customer import ConsentUpdate
from pipeline.events.order import Purchase
from pipeline.replay import datasets
from pipeline.replay.consents import EMAIL, chosen
from pipeline.replay.datasets import read_dataset
from pipeline.replay.history import History, Skipped, shifted
from pipeline.simulator.happening import Happening

REES46 = """event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2021-03-04 10:00:00 UTC,view,11,901,tools.saw,acme,19.99,u1,s1
2021-03-04 10:00:05 UTC,cart,11,901,tools.saw,acme,19.99,u1,s1
2021-03-04 10:00:09 UTC,cart,12,902,,,5,u1,s1
2021-03-04 10:00:10 UTC,remove_from_cart,12,902,,,5,u1,s1
2021-03-04 10:01:00 UTC,purchase,11,901,tools.saw,acme,19.99,u1,s1
2021-03-04 10:01:01 UTC,purchase,13,,,,0.29,u1,s1
2021-03-04 10:01:01 UTC,purchase,11,901,tools.saw,acme,19.99,u1,s1
2021-03-04 10:20:00 UTC,purchase,11,901,tools.saw,acme,,u1,s1
2021-03-04 10:01:01 UTC,purchase,13,,,,0.29,u2,s2
"""
TAOBAO = """user_id,item_id,category_id,event,ts
7,70,700,pv,1600000000
7,70,700,fav,1600000001
7,70,700,cart,1600000002
8,70,700,buy,1600000009
7,70,700,buy,1600000009
7,71,701,buy,1600000009
7,70,700,buy,1600000010
"""
RETAILROCKET = """timestamp,visitorid,event,itemid,transactionid
1500000000123,5,view,50,
1500000001000,5,addtocart,50,
1500000002000,5,transaction,50,77
1500000002500,5,transaction,51,77
1500000002500,5,transaction,51,78
"""
MINUTE = 60_000


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., History]:
    def write_and_read(content: str | bytes, **options) -> History:
        file = tmp_path / "log"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_dataset(file, **options)

    return write_and_read


def events(history: History) -> list[Happening]:
    return [h for h in history.tell() if h.topic != "shop.customers"]


def orders(history: History) -> list[Purchase]:
    return [h.event for h in history.tell() if isinstance(h.event, Purchase)]


def test_rees46(read):
    history = read(REES46)
    assert history.name == "rees46"
    assert history.skipped == ()
    told = events(history)
    assert [type(h.event) for h in told] == [ViewItem, AddToCart, AddToCart, RemoveFromCart, *[Purchase] * 3]
    view = told[0].event
    assert (view.event_id, view.site_id, view.customer_id, view.session_id) == ("rees46-2", "rees46", "u1", "s1")
    assert view.occurred_at == told[0].at_ms == 1_614_852_000_000
    item = view.items[0]
    assert (item.item_id, item.item_category, item.item_brand, item.price) == ("11", "tools.saw", "acme", 1_999)
    assert view.currency == "USD"
    assert told[2].event.items[0].item_category == "902"
    assert told[0].key == "rees46|c|u1"


def test_rees46_purchases_of_a_session_within_a_minute_are_one_order(read):
    first, other, late = orders(read(REES46))
    assert first.customer_id == "u1"
    assert first.occurred_at == 1_614_852_061_000
    assert [(i.item_id, i.quantity, i.price) for i in first.items] == [("11", 2, 1_999), ("13", 1, 29)]
    assert (first.value, first.currency, first.order_id) == (4_027, "USD", "rees46-order-6")
    assert other.customer_id == "u2"
    assert (late.value, late.items[0].price) == (0, None)


@pytest.mark.parametrize("content", [TAOBAO, TAOBAO.partition("\n")[2]], ids=["header", "headerless"])
def test_taobao(read, content):
    history = read(content)
    assert history.name == "taobao"
    told = events(history)
    assert [type(h.event) for h in told[:3]] == [ViewItem, AddToWishlist, AddToCart]
    assert told[0].at_ms == 1_600_000_000_000
    assert [[i.item_id for i in order.items] for order in orders(history)] == [["70"], ["70", "71"], ["70"]]
    assert told[0].event.currency is None
    assert told[0].event.items[0].price is None


def test_retailrocket(read):
    history = read(RETAILROCKET)
    assert history.name == "retailrocket"
    told = events(history)
    assert [type(h.event) for h in told] == [ViewItem, AddToCart, Purchase, Purchase]
    assert told[0].at_ms == 1_500_000_000_123
    assert [[i.item_id for i in order.items] for order in orders(history)] == [["50", "51"], ["51"]]


@pytest.mark.parametrize("content", [REES46, TAOBAO, RETAILROCKET])
def test_every_event_is_what_its_topic_holds_and_the_span_is_true(read, content):
    history = read(content)
    told = list(history.tell())
    for h in told:
        assert msgspec.json.decode(msgspec.json.encode(h.event), type=TOPIC_EVENTS[h.topic]) == h.event
        assert h.event.occurred_at == h.at_ms
    assert history.span == (len(told), told[0].at_ms, told[-1].at_ms)
    assert all(a.at_ms <= b.at_ms for a, b in pairwise(told))
    assert len({h.event.event_id for h in told}) == len(told)
    assert list(history.tell()) == told
    assert list(read(gzip.compress(content.encode())).tell()) == told


def test_lines_out_of_order_are_sorted_and_keep_their_ids(read):
    history = read("2,1,1,pv,1600000005\n1,1,1,pv,1600000001\n1,2,1,pv,1600000005\n")
    assert [h.event.event_id for h in events(history)] == ["taobao-2", "taobao-1", "taobao-3"]


def test_lines_that_cannot_be_read_are_counted_with_the_reason(read):
    lines = REES46.splitlines()
    bad = [
        "2021-03-04 10:00:00 UTC,view,11",
        "yesterday UTC,view,11,,,,1,u1,s1",
        "2021-03-04 10:00:00 CET,view,11,,,,1,u1,s1",
        "2021-03-04 10:00:00 UTC,gaze,11,,,,1,u1,s1",
        "2021-03-04 10:00:00 UTC,view,,,,,1,u1,s1",
        "2021-03-04 10:00:00 UTC,view,11,,,,-1,u1,s1",
        "2021-03-04 10:00:00 UTC,view,11,,,,nan,u1,s1",
        f"2021-03-04 10:00:00 UTC,view,11,,,,1,{'u' * 129},s1",
        f"2021-03-04 10:00:00 UTC,view,11,,,{'b' * 257},1,u1,s1",
        "",
    ]
    content = "\n".join([lines[0], *bad, *lines[1:]]).encode() + b"\n2021-03-04 \xff\n"
    history = read(content)
    assert history.skipped == (
        Skipped(2, "3 columns, not 9"),
        Skipped(3, "'yesterday UTC' is not a time such as 2019-10-01 00:00:00 UTC"),
        Skipped(4, "'2021-03-04 10:00:00 CET' is not in UTC"),
        Skipped(5, "'gaze' is none of view, cart, remove_from_cart, purchase"),
        Skipped(6, "product_id is missing"),
        Skipped(7, "'-1' is not a price"),
        Skipped(8, "'nan' is not a price"),
        Skipped(9, "user_id is longer than 128"),
        Skipped(10, "brand is longer than 256"),
        Skipped(11, "1 columns, not 9"),
        Skipped(21, "not UTF-8"),
    )
    assert len(events(history)) == 7


def test_epochs_of_another_unit_are_refused(read):
    history = read("timestamp,visitorid,event,itemid,transactionid\n1500000000123,5,view,50,\nx,5,view,50,\n")
    assert history.skipped == (Skipped(3, "'x' is not a time"),)
    history = read(TAOBAO + "7,70,700,pv,1600000000123\n")
    assert history.skipped == (Skipped(9, "'1600000000123' is not a time"),)
    history = read(RETAILROCKET + "1500000000123,5,transaction,50,\n")
    assert history.skipped == (Skipped(7, "a transaction without transactionid"),)


def test_a_gzip_file_that_is_cut_off_gives_what_it_holds(read):
    packed = gzip.compress("".join(f"7,{i * 7919 % 10007},1,pv,{1_600_000_000 + i}\n" for i in range(5_000)).encode())
    history = read(packed[: len(packed) // 2])
    assert 100 < len(events(history)) < 5_000
    assert [s.reason for s in history.skipped][-1] == "the gzip stream is damaged or cut off here"


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "invoice,stock,when\n", "\x00\x01\x02" * 10])
def test_an_unknown_shape_lists_the_known_ones(read, content):
    with pytest.raises(UserError, match=r"known shapes: rees46 \(event_time.*; taobao \(.*; retailrocket \("):
        read(content)


def test_a_file_without_a_readable_line_is_refused(read, tmp_path):
    with pytest.raises(UserError, match=r"no line that can be read as retailrocket: line 2: 1 columns, not 5"):
        read("timestamp,visitorid,event,itemid,transactionid\nnonsense\n")
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_dataset(tmp_path / "missing.csv")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_dataset(tmp_path)


def test_limit_takes_lines_from_the_head(read):
    assert len(events(read(REES46, limit=2))) == 2
    assert len(events(read(TAOBAO.partition("\n")[2], limit=2))) == 2


def test_more_rows_than_fit_are_refused(read, monkeypatch):
    monkeypatch.setattr(datasets, "MAX_ROWS", 3)
    with pytest.raises(UserError, match="more than 3 rows: replay its head with --limit 3"):
        read(TAOBAO)
    assert len(events(read(TAOBAO, limit=3))) == 3


def test_synthetic_consents_precede_the_first_event_and_are_named_so(read):
    content = "".join(f"u{i},1,1,pv,{1_600_000_000 + i // 10}\n" for i in range(2_000))
    history = read(content)
    grants = [h.event for h in history.tell() if h.topic == "shop.customers"]
    given = Counter((g.purpose, g.channel, g.status) for g in grants)
    assert given.keys() == {
        ("marketing_message", "email", "granted"),
        ("onsite_personalization", None, "granted"),
    }
    assert all(0.66 < number / 2_000 < 0.74 for number in given.values())
    both = Counter(g.customer_id for g in grants).values()
    assert 0.45 < sum(number == 2 for number in both) / 2_000 < 0.53  # one says nothing of the other
    assert len({g.event_id for g in grants}) == len(grants)
    assert all(isinstance(g, ConsentUpdate) and g.event_id.startswith("synthetic-consent-") for g in grants)
    first: dict[str, int] = {}
    for h in events(history):
        first.setdefault(h.event.customer_id, h.at_ms)
    assert all(g.occurred_at == first[g.customer_id] - 1_000 for g in grants)
    assert [h for h in read(content, consent_share=0).tell() if h.topic == "shop.customers"] == []
    assert sum(h.topic == "shop.customers" for h in read(content, consent_share=1).tell()) == 4_000
    assert chosen("taobao", "u1", 0.7, EMAIL) == chosen("taobao", "u1", 0.7, EMAIL)


def test_an_order_of_more_than_100_lines_becomes_several(read):
    history = read("".join(f"u,{i},1,buy,1600000000\n" for i in range(250)))
    assert [len(order.items) for order in orders(history)] == [100, 100, 50]


def test_a_shifted_history_moves_times_and_keeps_ids(read):
    history = read(REES46)
    moved = shifted(history, 5 * MINUTE)
    assert moved.span.last_ms == history.span.last_ms + 5 * MINUTE
    for a, b in zip(history.tell(), moved.tell(), strict=True):
        assert (b.at_ms, b.event.occurred_at) == (a.at_ms + 5 * MINUTE,) * 2
        assert (a.topic, a.key, a.event.event_id) == (b.topic, b.key, b.event.event_id)
    assert list(moved.tell()) == list(moved.tell())
