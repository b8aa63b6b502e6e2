"""The backtests of the simulated shop: each rule is worth what the truth says, learned chances meet the true ones."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from pipeline.backtest import cart_timing, recovery, simulated
from pipeline.backtest.cart_stream import Stream
from pipeline.cli.backtest import backtest
from pipeline.config.durations import DAY, HOUR, MINUTE
from pipeline.config.errors import UserError
from pipeline.heads.cart import ENOUGH_LABELS, LATEST, SOONEST, THETA
from pipeline.replay.rows import Action
from pipeline.scoring.hazard import CART_EDGES
from pipeline.simulator.effect import Effect
from pipeline.simulator.parameters import Habits, SimulatedShop

SHOP = SimulatedShop(seed=3, sessions=16_000, customers=800, duration_ms=14 * DAY)
ANY = (THETA,) * len(CART_EDGES)
FIRST = CART_EDGES.index(SOONEST) + 1


@pytest.fixture(scope="module")
def result():
    return cart_timing.run(shop=SHOP)


def test_the_oracle_is_above_every_other_rule(result):
    """Each cart is worth most at its own best time; edges of bins come close, one time for all does not."""
    share = {name: anchor["share"] for name, anchor in result.anchors.items()}
    rest = [value for name, value in share.items() if name != "oracle"]
    learned = [form["share"] for form in result.metrics["forms"].values()]
    assert share["oracle"] == 1
    assert max(rest + learned) < 1
    assert share["fixed_30_min"] == pytest.approx(share["all_at_30_min"]) == 0
    assert share["oracle_at_edges"] >= max(share["all_at_120_min"], share["all_at_1440_min"])


def test_every_cart_is_written_to_or_was_ordered_before(result):
    for form in result.metrics["forms"].values():
        assert sum(form["written_to_after"].values()) + form["ordered_before"] == result.metrics["carts"]


def test_a_gate_is_judged_by_what_was_measured(result):
    share, gain = result.gates
    assert share.value == result.metrics["forms"][cart_timing.JUDGED]["share"]
    assert share.met == (share.value >= cart_timing.LEAST_SHARE)
    assert gain.met == (gain.low > 0)
    assert gain.low < gain.value < gain.high


def test_the_rule_writes_at_the_first_edge_at_which_waiting_is_not_worth_it():
    chances = dict.fromkeys(range(len(CART_EDGES)), 0.5)
    fires = cart_timing._fires
    assert fires(chances, ENOUGH_LABELS, ANY) == LATEST
    assert fires({**chances, FIRST: THETA}, ENOUGH_LABELS, ANY) == SOONEST
    assert fires({**chances, 0: 0.0, FIRST + 1: THETA}, ENOUGH_LABELS, ANY) == 30 * MINUTE
    assert fires(chances, ENOUGH_LABELS - 1, ANY) == cart_timing.FIXED
    assert fires({FIRST: 0.5}, ENOUGH_LABELS, ANY) is None


def test_at_break_even_waiting_through_a_bin_neither_gains_nor_loses():
    figures = Effect(margin=0.5, voucher=0.2, rescue=0.1, half_life=2 * HOUR)
    thetas = cart_timing.break_even(figures)
    number = CART_EDGES.index(2 * HOUR)
    lost = figures.rescued(30 * MINUTE) - figures.rescued(2 * HOUR)
    assert thetas[number] * figures.voucher == pytest.approx(lost * (figures.margin - figures.voucher))
    assert list(thetas[FIRST : FIRST + 3]) == sorted(thetas[FIRST : FIRST + 3])


def test_what_is_learned_from_is_what_the_shop_publishes():
    """Each order is there once, in its time, and each of an account has a cadence to be compared with."""
    history = simulated.simulated(msgspec.structs.replace(SHOP, sessions=2_000))
    orders = [row for row in history.interactions if row.kind is Action.BUY]
    owners = {person for person, _ in history.carts}
    assert len(orders) == sum(cart.orders_at_ms is not None for cart in history.carts.values())
    assert {order.at for order in history.orders} <= {row.at for row in orders}
    assert {(order.person, order.at) for order in history.orders} == history.cadences.keys()
    assert len(owners) <= len({row.person for row in history.interactions})
    assert [row.at for row in history.interactions] == sorted(row.at for row in history.interactions)


def test_the_head_is_told_of_a_cart_what_is_true_of_it():
    history = simulated.simulated(msgspec.structs.replace(SHOP, sessions=3_000))
    stream = Stream()
    for row in history.interactions:
        stream.take(row)
    stream.pass_time(history.interactions[-1].at)
    told = [
        (one.inputs[-4:], (truth.value, truth.lines, truth.device == "mobile", truth.known))
        for one in stream.asked
        if one.bin == 0 and (truth := history.carts.get((one.person, one.made_at))) is not None
    ]
    assert len(told) > 200
    assert all(seen == true for seen, true in told)


def test_a_visitor_who_opens_an_account_is_one_person():
    """The order of a registered visitor belongs to the cart that he opened while he was unknown."""
    history = simulated.simulated(msgspec.structs.replace(SHOP, sessions=2_000, customers=0))
    numbers: dict[str, int] = {}
    for row in history.interactions:
        numbers.setdefault(row.person, len(numbers))
    bought = {(numbers[row.person], row.at) for row in history.interactions if row.kind is Action.BUY}
    carts = {
        (person, cart.orders_at_ms) for (person, _), cart in history.carts.items() if cart.orders_at_ms is not None
    }
    assert len(history.orders) > 10
    assert carts == bought


def test_learned_chances_are_the_true_ones_in_the_mean():
    """Both heads, on shops small enough for a test: off by at most a third, which a wrong bin or clock would exceed."""
    orders = SimulatedShop(
        seed=5, sessions=25_000, customers=800, duration_ms=240 * DAY, habits=Habits(known_visits=0.9)
    )
    found = recovery.run(carts=SHOP, orders=orders)
    for head in ("cart", "reorder"):
        figures = found.metrics[head]
        assert figures["mean_prediction"] == pytest.approx(figures["mean_true"], rel=0.33)
        assert figures["rate"] == pytest.approx(figures["mean_true"], rel=0.33)
        assert sum(part["n"] for part in figures["bins"]) == figures["n"]


def test_a_shop_too_small_to_compare_is_said():
    few = msgspec.structs.replace(SHOP, sessions=300)
    with pytest.raises(UserError, match="simulate more"):
        recovery.run(carts=few, orders=few)
    with pytest.raises(UserError, match="simulate more"):
        cart_timing.run(shop=few)


def test_backtests_of_the_simulated_shop_take_no_file(tmp_path: Path):
    file = tmp_path / "log.csv"
    file.write_text("a,b\n")
    for module in (cart_timing, recovery):
        with pytest.raises(UserError, match="leave out --data"):
            module.run(file)
    assert CliRunner().invoke(backtest, ["recovery", "--data", str(file)]).exception.args == (
        "this backtest runs on the simulated shop: leave out --data",
    )


def test_other_backtests_need_a_file():
    failed = CliRunner().invoke(backtest, ["cart"])
    assert failed.exit_code != 0
    assert isinstance(failed.exception, UserError)
    assert "--data FILE" in str(failed.exception)
