"""Reorder backtests: logs of orders are read as they are, and a prediction knows nothing of what comes after it."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest

from pipeline.backtest import bgnbd, reorder, reorder_delayed
from pipeline.backtest.orderlog import Order, OrderLog, read_orderlog
from pipeline.backtest.reorder import FEWEST, Cut, cut_of
from pipeline.backtest.reorder_stream import Stream
from pipeline.backtest.result import Result
from pipeline.config.errors import UserError
from pipeline.scoring.hazard import DAY

DATA = Path(__file__).parents[2].parent / "shared" / "data"
START = 19_000 * DAY


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "orders"
    path.write_text(text)
    return path


@cache
def shop(customers: int = 300, days: int = 430) -> OrderLog:
    """Customers who come at a pace of their own, from every few days to every few months, and leave some time."""
    random = Random(3)
    orders = []
    for number in range(customers):
        pace, at = random.choice((6, 20, 60, 150)), random.uniform(0, days - 30)
        while at < days:
            day = START + int(at) * DAY
            orders.append(Order(day, day + DAY, f"c{number}", random.randrange(500, 9_000), 1))
            at += 1 + random.expovariate(1 / pace)
            if random.random() < 0.1:
                break
    return OrderLog("orders", tuple(sorted(orders, key=lambda order: order.at)), len(orders), {})


def written(tmp_path: Path, log: OrderLog) -> Path:
    lines = [f"{order.at},{order.person},{number},{order.value / 100}" for number, order in enumerate(log.orders)]
    return file_of(tmp_path, "\n".join(["occurred_at,person,order,value", *lines]))


def test_cdnow_s_shape_is_read(tmp_path: Path) -> None:
    log = read_orderlog(
        file_of(tmp_path, " customer_id  date number_of_cds  dollar_value\n 00001 19970101  2   11.77\n")
    )
    at = round(datetime(1997, 1, 1, tzinfo=UTC).timestamp() * 1000)
    assert log.shape == "cdnow"
    assert log.orders == (Order(at, at + DAY, "00001", 1177, 2),)


def test_lines_of_an_invoice_are_one_order_and_cancellations_none(tmp_path: Path) -> None:
    text = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,A,cup,6.0,2010-12-01 08:26:00,2.55,17.0,UK
1,B,"cup, blue",2.0,2010-12-01 08:26:00,1.00,17.0,UK
C2,B,cup,-2.0,2010-12-02 08:26:00,1.00,17.0,UK
3,B,cup,2.0,2010-12-02 08:26:00,1.00,,UK
"""
    log = read_orderlog(file_of(tmp_path, text))
    assert [(order.person, order.value, order.items) for order in log.orders] == [("17", 1730, 2)]
    assert log.skipped == {"a cancellation": 1, "no customer": 1}


def test_our_own_shape_takes_three_kinds_of_time_and_columns_in_any_order(tmp_path: Path) -> None:
    text = """value,order,person,occurred_at,items,colour
10.0,a,p,2024-03-01T23:30:00+02:00,3,red
10.005,b,p,2024-03-02,1,red
10,c,p,1709424000000,,red
"""
    log = read_orderlog(file_of(tmp_path, text))
    assert [(order.value, order.items) for order in log.orders] == [(1000, 3), (1000, 1), (1000, 1)]
    ends = [datetime.fromtimestamp(order.day_end / 1000, UTC).isoformat() for order in log.orders]
    assert ends == ["2024-03-01T22:00:00+00:00", "2024-03-03T00:00:00+00:00", "2024-03-04T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("soon,p,a,1", "occurred_at is not a time"),
        ("2024-03-01T10:00:00,p,a,1", "occurred_at has no offset"),
        ("2024-03-01,,a,1", "person is missing"),
        ("2024-03-01,p,,1", "order is missing"),
        ("2024-03-01,p,a,-1", "value is negative"),
        ("2024-03-01,p,a,much", "value is not a number"),
        ("2024-03-01,p,a", "not 4 fields"),
    ],
)
def test_a_malformed_line_costs_that_line(tmp_path: Path, line: str, reason: str) -> None:
    log = read_orderlog(file_of(tmp_path, f"occurred_at,person,order,value\n2024-03-01,p,b,1\n{line}\n"))
    assert len(log.orders) == 1
    assert log.skipped == {reason: 1}


def test_a_short_line_of_blanks_costs_that_line(tmp_path: Path) -> None:
    text = "customer_id date number_of_cds dollar_value\n1 19970101 1 2.00\n2 19970101 1\n3 19970199 1 2.00\n"
    assert read_orderlog(file_of(tmp_path, text)).skipped == {"date is not a time": 1, "not 4 fields": 1}


def test_a_header_of_no_known_shape_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"customer_id date number_of_cds dollar_value; InvoiceNo,.*; occurred_at,"):
        read_orderlog(file_of(tmp_path, "who,when\n1,2\n"))


def test_a_log_without_orders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ends after its header"):
        read_orderlog(file_of(tmp_path, "occurred_at,person,order,value\n"))


@pytest.mark.parametrize(("run", "needed"), [(reorder.run, 100), (reorder_delayed.run, 200)])
def test_a_log_that_is_too_small_is_refused_with_what_is_needed(
    tmp_path: Path, run: Callable[[Path], Result], needed: int
) -> None:
    with pytest.raises(UserError, match=f"is too small: .*: at least {needed} are needed"):
        run(file_of(tmp_path, "occurred_at,person,order,value\n2024-03-01,p,b,1\n2024-05-01,q,c,1\n"))


def test_many_customers_none_of_whom_comes_back_are_refused_with_what_is_needed(tmp_path: Path) -> None:
    lines = [f"2024-{month:02}-01,p{month}-{number},{number},1" for month in range(1, 11) for number in range(30)]
    with pytest.raises(
        UserError, match=r"150 customers .* 0 of them again in those: .* some who do and some who do not"
    ):
        reorder.run(file_of(tmp_path, "\n".join(["occurred_at,person,order,value", *lines])))


def test_rows_are_the_lines_that_could_be_used_beside_what_was_predicted(tmp_path: Path) -> None:
    path = written(tmp_path, shop())
    path.write_text(path.read_text() + f"\n\n{START},c0,0,1\nsoon,c0,x,1\n")
    ranked, delayed = reorder.run(path), reorder_delayed.run(path)
    used = len(shop().orders) + 1  # a blank line is no row, and that one cannot be read
    assert ranked.rows == delayed.rows == used
    assert ranked.skipped == delayed.skipped == {"occurred_at is not a time": 1}
    parts = ranked.metrics["one_time_buyers"]["customers"], ranked.metrics["repeaters"]["customers"]
    assert FEWEST < ranked.metrics["customers"] == sum(parts) <= 300
    assert reorder_delayed.FEWEST < delayed.metrics["predictions"] < used


@pytest.mark.parametrize(("weeks", "held"), [(78, 39), (53, 13), (104, 52), (200, 91), (30, 15), (26, 13)])
def test_whole_quarters_are_held_out(weeks: int, held: int) -> None:
    ends = START + DAY, START + weeks * 7 * DAY
    orders = tuple(Order(end - DAY, end, "p", 1, 1) for end in ends)
    cut = cut_of(OrderLog("orders", orders, 2, {}))
    assert cut.horizon == held * 7 * DAY
    assert cut.at == ends[-1] - cut.horizon


def test_a_prediction_at_a_purchase_knows_nothing_of_what_follows() -> None:
    log = shop()
    early = tuple(order for order in log.orders if order.at < START + 200 * DAY)
    whole = reorder_delayed.ask(log, Stream())
    part = reorder_delayed.ask(OrderLog("orders", early, len(early), {}), Stream())
    assert len(part) > 200
    assert whole[: len(part)] == part


def test_a_score_at_the_cut_knows_nothing_of_what_follows() -> None:
    log, cut = shop(), Cut(START + 300 * DAY, 91 * DAY)
    early = tuple(order for order in log.orders if order.at < cut.at)
    whole, part = reorder.score(log, cut), reorder.score(OrderLog("orders", early, len(early), {}), cut)
    assert np.array_equal(whole.orders, part.orders)
    assert np.array_equal(whole.chance, part.chance)
    assert whole.days.sum() > 0 == part.days.sum()


def test_customers_of_a_known_pace_are_told_apart(tmp_path: Path) -> None:
    result = reorder.run(written(tmp_path, shop()))
    assert result.metrics["auc"] > 0.7
    assert {gate.name for gate in result.gates} == {"auc above bgnbd", "auc above formula"}
    delayed = reorder_delayed.run(written(tmp_path, shop(600)))  # until the head has learned enough it says the prior
    assert delayed.metrics["auc"] > 0.6
    assert delayed.metrics["log_loss"] < delayed.anchors["logistic_at_the_end"]["log_loss"]


def test_bgnbd_finds_the_shop_that_it_assumes() -> None:
    random = np.random.default_rng(2)
    number, age, weeks = 4_000, 40.0, 30.0
    rates, leaving = random.gamma(0.8, 1 / 6.0, number), random.beta(1.5, 4.0, number)
    repeats, last, later = np.zeros(number), np.zeros(number), np.zeros(number)
    for who in range(number):
        at = random.exponential(1 / rates[who])
        while at < age + weeks:
            if at < age:
                repeats[who], last[who] = repeats[who] + 1, at
            else:
                later[who] += 1
            if random.random() < leaving[who]:
                break
            at += random.exponential(1 / rates[who])
    parameters = bgnbd.fit(repeats, last, np.full(number, age))
    assert parameters[0] == pytest.approx(0.8, rel=0.25)
    expected = bgnbd.expected(parameters, repeats, last, np.full(number, age), weeks)
    assert expected.mean() == pytest.approx(later.mean(), rel=0.1)


def test_the_whole_of_cdnow_is_read() -> None:
    path = DATA / "cdnow_master.txt.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the repository, in ../shared/data")
    log = read_orderlog(path)
    assert (len(log.orders), log.skipped) == (69_659, {})
    with gzip.open(path, "rt") as file:
        assert sum(order.items for order in log.orders) == sum(int(line.split()[2]) for line in list(file)[1:])
