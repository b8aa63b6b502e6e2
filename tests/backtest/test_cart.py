"""The backtest of the cart hazard: its protocol and figures, on small logs of known habits and on a public one."""

from pathlib import Path
from random import Random

import pytest

from pipeline.backtest.cart import from_opening, run
from pipeline.backtest.cart_stream import Stream
from pipeline.backtest.clicklog import ClickLog, Interaction, read_clicklog
from pipeline.config.errors import UserError
from pipeline.replay.rows import Action
from pipeline.scoring.hazard import DAY, HOUR, MINUTE

DATA = Path(__file__).parents[2].parent / "shared" / "data"
T = 1_700_000_000_000
NAMES = {Action.VIEW: "view_item", Action.ADD: "add_to_cart", Action.REMOVE: "remove_from_cart", Action.BUY: "purchase"}


def habits(persons: int = 120, seed: int = 3) -> list[Interaction]:
    """Ten days. Who looks at the cart again two minutes after it was touched orders it most times, else hardly ever."""
    random, rows = Random(seed), []
    for number in range(persons):
        for day in range(10):
            if random.random() < 0.5:
                continue
            at, name = T + day * DAY + random.randrange(20 * HOUR), f"p{number}"
            again = random.random() < 0.3
            rows += [Interaction(at, name, Action.VIEW, "lamp"), Interaction(at + 20_000, name, Action.ADD, "lamp")]
            rows.append(Interaction(at + 2 * MINUTE, name, Action.VIEW, "lamp" if again else "tent"))
            if random.random() < (0.6 if again else 0.03):
                rows.append(Interaction(at + random.randrange(4, 120) * MINUTE, name, Action.BUY, "lamp"))
    return sorted(rows, key=lambda row: row.at)


def written(folder: Path, rows: list[Interaction], *more: str) -> Path:
    path = folder / "log.csv"
    lines = [f"{row.at},{row.person},{NAMES[row.kind]},{row.item}" for row in rows]
    path.write_text("\n".join(["occurred_at,person,type,item", *lines, *more]))
    return path


def passed(rows: list[Interaction], until: int | None = None) -> Stream:
    stream = Stream()
    for row in rows:
        stream.take(row)
    stream.pass_time(until or rows[-1].at)
    return stream


def test_a_habit_is_found_within_the_bins_and_both_gates_are_met(tmp_path: Path) -> None:
    result = run(written(tmp_path, habits()))
    assert [gate.met for gate in result.gates] == [True, True]
    assert result.metrics["auc"] > 0.75
    assert result.metrics["log_loss"] < result.anchors["constant_a_bin"]["log_loss"] - 0.005
    assert result.metrics["n"] == sum(one["n"] for one in result.metrics["bins"])
    assert abs(result.metrics["mean_prediction"] - result.metrics["rate"]) < 0.02


def test_where_orders_come_by_chance_the_first_gate_is_missed(tmp_path: Path) -> None:
    random, rows = Random(1), []
    for number in range(400):
        at = T + random.randrange(10 * DAY)
        rows.append(Interaction(at, f"p{number}", Action.ADD, "lamp"))
        if random.random() < 0.3:
            rows.append(Interaction(at + random.randrange(1, 60) * MINUTE, f"p{number}", Action.BUY, "lamp"))
    result = run(written(tmp_path, sorted(rows, key=lambda row: row.at)))
    assert not result.gates[0].met


def test_what_is_said_knows_nothing_of_what_comes_later() -> None:
    rows = habits()
    cut = T + 6 * DAY
    whole, part = passed(rows), passed([row for row in rows if row.at < cut], cut)
    known = [(one.person, one.made_at, one.bin, one.chance, one.anchors, one.label) for one in part.asked]
    same = {(one.person, one.made_at, one.bin): one for one in whole.asked}
    assert len(known) > 500
    for person, made_at, number, chance, anchors, label in known:
        one = same[person, made_at, number]
        assert (one.chance, one.anchors, one.label) == (chance, anchors, label)


def test_an_order_of_anything_closes_the_cart_and_a_removal_touches_or_empties_it() -> None:
    rows = [
        Interaction(T, "a", Action.ADD, "lamp"),
        Interaction(T + 2 * MINUTE, "a", Action.BUY, "tent"),
        Interaction(T, "b", Action.ADD, "lamp"),
        Interaction(T + 2 * MINUTE, "b", Action.REMOVE, "lamp"),
        Interaction(T, "c", Action.ADD, "lamp"),
        Interaction(T, "c", Action.ADD, "tent"),
        Interaction(T + 2 * MINUTE, "c", Action.REMOVE, "lamp"),
    ]
    stream = passed(sorted(rows, key=lambda row: row.at), T + 6 * MINUTE)
    found = sorted((one.person, (one.made_at - T) // MINUTE, one.bin, one.label) for one in stream.asked)
    assert found == [(0, 0, 0, 0), (0, 1, 1, 1), (1, 0, 0, 0), (2, 0, 0, 0), (2, 2, 0, 0), (2, 3, 1, 0)]


def test_the_hazard_from_the_opening_goes_by_the_opening_whatever_touches_the_cart() -> None:
    rows = [Interaction(T, name, Action.ADD, "lamp") for name in "abcd"]
    rows += [Interaction(T + 40_000, "a", Action.ADD, "tent"), Interaction(T + 90_000, "a", Action.BUY, "lamp")]
    rows += [Interaction(T + 4 * DAY, "z", Action.VIEW, "lamp")]
    found = from_opening(ClickLog("interactions", tuple(rows), len(rows), {}))
    assert found["hazards"][:3] == [0.0, 0.25, 0.0]
    assert found["at_risk"] == [4, 4, 3, 3, 3, 3, 3, 3, 3]
    assert found["ordered_within"]["72 h"] == 0.25


def test_a_line_that_cannot_be_read_costs_that_line(tmp_path: Path) -> None:
    rows = habits(persons=40)
    clean = run(written(tmp_path, rows))
    spoilt = run(written(tmp_path, rows, "yesterday,p1,view_item,lamp", f"{T},p1,sold,lamp"))
    assert sum(spoilt.skipped.values()) == 2
    assert (spoilt.rows, spoilt.metrics["auc"]) == (clean.rows, clean.metrics["auc"])


def test_a_log_without_enough_carts_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 100 are needed"):
        run(written(tmp_path, habits()[:40]))


def test_on_the_public_log_both_gates_hold_and_the_opening_hazards_are_the_known_ones() -> None:
    path = DATA / "taobao_dev.csv.gz"
    if not path.exists():
        pytest.skip("the public log is not beside the repository, in ../shared/data")
    result = run(path)
    assert [gate.met for gate in result.gates] == [True, True]
    assert result.metrics["auc"] > result.anchors["river_pooled"]["auc"]
    known = [0.0, 0.008, 0.019, 0.029, 0.028, 0.041, 0.168, 0.292]  # published of the bins up to 2, 24 and 72 h
    *soon, to_6h, to_24h, last = from_opening(read_clicklog(path))["hazards"]
    assert [*soon, 1 - (1 - to_6h) * (1 - to_24h), last] == pytest.approx(known, abs=0.04)
    assert result.seconds < 60
