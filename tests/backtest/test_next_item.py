"""The backtest of the next item: its queries, figures and gates, on small logs of known habits and on a public one."""

import json
from pathlib import Path

import pytest

from pipeline.backtest import next_item
from pipeline.backtest.next_item import run
from pipeline.backtest.result import Gate, Result, to_json
from pipeline.config.durations import DAY, MINUTE
from pipeline.config.errors import UserError

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def written(folder: Path, rows: list[tuple[int, str, str, str]]) -> Path:
    """A log of views: at, person, item, category."""
    path = folder / "log.csv"
    lines = ["occurred_at,person,type,item,category"]
    lines += [f"{at},{person},view_item,{item},{category}" for at, person, item, category in sorted(rows)]
    path.write_text("\n".join(lines))
    return path


def pairs(persons: int) -> list[tuple[int, str, str, str]]:
    """Each person looks at an item and at the one that belongs to it, of the other category; then leaves for good."""
    rows = []
    for n in range(persons):
        item = n * 7 % 30
        rows.append((n * DAY // 50, f"p{n}", f"camera-{item:02d}", "cameras"))
        rows.append((n * DAY // 50 + MINUTE, f"p{n}", f"case-{item:02d}", "cases"))
    return rows


def reloads_and_switches() -> list[tuple[int, str, str, str]]:
    """One person looks at one lamp 150 times, then as often at a lamp and a tent by turns."""
    rows = [(n * MINUTE, "p", "lamp", "light") for n in range(150)]
    return rows + [(n * MINUTE, "p", ("lamp", "tent")[n % 2], "light") for n in range(150, 300)]


def gates_of(result: Result) -> dict[str, Gate]:
    return {gate.name: gate for gate in result.gates}


def test_what_belongs_together_is_found_where_the_popular_is_not(tmp_path):
    result = run(written(tmp_path, pairs(400)))
    assert result.metrics["headline"] == "novel"
    assert result.metrics["new_items_known"] == 1.0
    assert result.metrics["novel"]["queries"] == 240
    assert result.metrics["recall_at_20"] == 1.0
    assert result.metrics["mrr_at_20"] > 0.9
    assert result.anchors["novel"]["covisit"]["mrr_at_20"] == 1.0
    gates = gates_of(result)
    assert gates["novel: recall@20 above popularity"].met
    assert not gates["novel: recall@20 above covisit"].met, "nothing is above what finds all"
    assert gates["category: recall@5 at a switch above the recent ones"].met


def test_a_reload_is_no_query_and_the_item_of_now_no_answer(tmp_path):
    result = run(written(tmp_path, reloads_and_switches()))
    assert result.metrics["repeats"]["queries"] == 149, "of the last 180 lines"
    assert result.metrics["repeats"]["mrr_at_20"] == pytest.approx(148 / 149, abs=1e-3), "the first tent is new to all"


def test_a_few_queries_of_new_items_make_no_headline_and_no_gate(tmp_path):
    late = 300 * MINUTE
    rows = reloads_and_switches()
    rows += [(late + n * MINUTE, f"q{n // 2}", ("lamp", "tent")[n % 2], "light") for n in range(10)]
    result = run(written(tmp_path, rows))
    assert (result.metrics["novel"]["queries"], result.metrics["new_items_known"]) == (
        5,
        pytest.approx(5 / 6, abs=1e-4),
    )
    assert result.metrics["headline"] == "repeats"
    assert not [gate for gate in result.gates if gate.name.startswith(("novel", "category"))]


def test_a_log_whose_items_nobody_saw_before_is_judged_by_what_people_come_back_to(tmp_path):
    rows = [(n * DAY, f"p{n % 7}", f"of-{n % 7}-{n // 14 % 3 if n % 2 else n}", "") for n in range(420)]
    result = run(written(tmp_path, rows))
    assert result.metrics["headline"] == "repeats"
    assert result.metrics["new_items_known"] < 0.25
    assert not [gate for gate in result.gates if gate.name.startswith(("novel", "category"))]


def test_the_result_is_json_and_the_same_at_each_run_but_for_its_times(tmp_path):
    path = written(tmp_path, pairs(200))
    told = [json.loads(to_json(run(path))) for _ in range(2)]
    for result in told:
        assert result["rows"] == 400
        del result["seconds"]
        for timed in [name for name in result if "_us_" in name]:
            del result[timed]
        result["gates"] = [gate for gate in result["gates"] if not gate["name"].startswith("CPU")]
    assert told[0] == told[1]


def test_of_a_long_log_some_queries_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(next_item, "MOST_QUERIES", 300)
    result = run(written(tmp_path, pairs(600)))
    assert 110 <= result.metrics["repeats"]["queries"] <= 190, "half of the lines are queries"


@pytest.mark.parametrize(("persons", "queries"), [(0, 0), (160, 97)])
def test_a_log_with_too_few_queries_is_refused_with_what_is_needed(tmp_path, persons, queries):
    rows = [(0, "p", "lamp", "light"), *pairs(persons)]
    words = f"is too small: {queries} times somebody goes on to another item .* at least 100 are needed"
    with pytest.raises(UserError, match=words):
        run(written(tmp_path, rows))


def of_public(name: str) -> Result:
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not beside the repository, in ../shared/data")
    return run(DATA / name)


def test_a_public_log_of_views_meets_every_gate_on_new_items():
    result = of_public("rees46_2019_oct_head.csv.gz")
    assert result.metrics["headline"] == "novel"
    assert result.metrics["recall_at_20"] == pytest.approx(0.33, abs=0.02)
    assert result.metrics["mrr_at_20"] == pytest.approx(0.118, abs=0.01)
    assert len(result.gates) == 10
    assert [gate.name for gate in result.gates if not gate.met and not gate.name.startswith("CPU")] == []
