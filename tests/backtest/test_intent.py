"""The backtest of intent: on a small log of known habits, as live, and on a public one."""

import json
from pathlib import Path
from random import Random

import pytest

from pipeline.backtest.clicklog import Interaction
from pipeline.backtest.intent import Stream, run
from pipeline.backtest.result import Gate, Result, to_json
from pipeline.config.errors import UserError
from pipeline.heads.intent import GAP
from pipeline.replay.rows import Action

DATA = Path(__file__).parents[2].parent / "shared" / "data"
START = 1_700_000_000_000
MINUTE = 60_000


def visits(count: int, seed: int = 1) -> list[tuple[int, str, str, str, str]]:
    """Visits of 30 persons. One that stays in its category buys two times of three, one that roams never does."""
    random = Random(seed)
    rows = []
    for number in range(count):
        at = START + number * 7 * MINUTE
        person, stays = f"p{number % 30}", random.random() < 0.5
        for step in range(6):
            category = "shoes" if stays else f"c{step}"
            rows.append((at + step * MINUTE, person, "view_item", f"i{number}-{step}", category))
        if stays and random.random() < 2 / 3:
            rows.append((at + 6 * MINUTE, person, "purchase", f"i{number}-0", "shoes"))
    return rows


def written(path: Path, rows: list[tuple[int, str, str, str, str]], *others: str) -> Path:
    lines = ["occurred_at,person,type,item,category", *(",".join(map(str, row)) for row in rows), *others, ""]
    path.write_text("\n".join(lines))
    return path


def gates_of(result: Result) -> dict[str, Gate]:
    return {gate.name: gate for gate in result.gates}


def test_a_habit_is_learned_and_stands_above_the_rates_that_need_no_model(tmp_path):
    result = run(written(tmp_path / "log.csv", visits(1_500), "yesterday,p1,view_item,i1,shoes"))
    assert result.skipped == {"a field is not a time such as 2024-03-01T12:30:00+01:00": 1}
    assert result.metrics["auc"] > 0.75
    assert result.metrics["mean_prediction"] == pytest.approx(result.metrics["rate"], abs=0.05)
    assert result.anchors["own_rate"]["auc"] < 0.6
    assert gates_of(result)["log-loss below the base rate's: upper bound"].met
    assert gates_of(result)["AUC above that of item_conversion: lower bound"].met


def test_without_a_habit_nothing_is_found_and_the_gates_say_so(tmp_path):
    random = Random(2)
    rows = [row for row in visits(600) if row[2] != "purchase"]
    bought = [(at + MINUTE, person, "purchase", item, category) for at, person, _, item, category in rows]
    rows += [row for row in bought[5::6] if random.random() < 0.3]
    result = run(written(tmp_path / "log.csv", rows))
    assert result.metrics["auc"] == pytest.approx(0.5, abs=0.08)
    assert not gates_of(result)["log-loss below the base rate's: upper bound"].met


def test_a_prediction_does_not_know_what_comes_after_it():
    rows = [Interaction(at, person, kind_of(kind), item, category) for at, person, kind, item, category in visits(900)]
    rows.sort(key=lambda row: row.at)
    cut = rows[4 * len(rows) // 5].at
    told = Stream()
    changed = Stream()
    for row in rows:
        told.take(row)
        changed.take(row if row.at < cut else Interaction(row.at, row.person, Action.BUY, "other", "other"))
    before = [(one.at, one.chance, one.own_rate, one.item_rate, one.counts) for one in told.asked if one.at < cut]
    assert before == [
        (one.at, one.chance, one.own_rate, one.item_rate, one.counts) for one in changed.asked[: len(before)]
    ]
    assert len({chance for _, chance, *_ in before}) > 100, "and they are those of a model"


def test_a_label_is_learned_half_an_hour_after_the_visit_and_not_before():
    stream = Stream()
    for row in (view(0), view(1), view(2)):
        stream.take(row)
    stream.pass_time(START + 2 * MINUTE + GAP - 1)
    assert stream.asked[0].label is None
    stream.pass_time(START + 2 * MINUTE + GAP)
    assert stream.asked[0].label == 0


def test_the_same_log_gives_the_same_figures(tmp_path):
    log = written(tmp_path / "log.csv", visits(400))
    once, again = run(log), run(log)
    assert (once.metrics, once.anchors) == (again.metrics, again.anchors)


def test_a_log_that_is_too_small_says_so_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"log\.csv is too small: the last 60 % of its time have \d+ predictions"):
        run(written(tmp_path / "log.csv", visits(20)))


@pytest.mark.parametrize(("name", "rows"), [("taobao_dev.csv.gz", 65_012), ("rees46_2019_oct_head.csv.gz", 17_434)])
def test_a_public_log(name, rows):
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not beside the repository, in ../shared/data")
    result = run(DATA / name)
    assert result.rows == rows
    said = json.loads(to_json(result))
    assert {"auc", "auc_interval", "pr_auc", "log_loss", "base_loss", "ece", "mean_prediction", "rate"} <= set(said)
    if name.startswith("taobao"):
        assert [gate.name for gate in result.gates if not gate.met] == []
        assert result.anchors["own_rate"]["above_by"][1] > 0, "above the shrunk rate as well"


def view(minute: int) -> Interaction:
    return Interaction(START + minute * MINUTE, "p", Action.VIEW, f"i{minute}", "shoes")


def kind_of(kind: str) -> Action:
    return Action.BUY if kind == "purchase" else Action.VIEW
