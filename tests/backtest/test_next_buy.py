"""The backtest of the next buy: days of persons, each beside the person's own rate."""

from pathlib import Path
from random import Random

import pytest

from pipeline.backtest.clicklog import Interaction
from pipeline.backtest.next_buy import Stream, run
from pipeline.config.errors import UserError
from pipeline.replay.rows import Action
from pipeline.scoring.hazard import DAY, HOUR

DATA = Path(__file__).parents[2].parent / "shared" / "data"
T = 19_700 * DAY


def habits(persons: int = 150, days: int = 12) -> list[Interaction]:
    """A third of the persons buys on four of ten days, the others hardly ever; all are here each day."""
    random, rows = Random(2), []
    for number in range(persons):
        for day in range(days):
            at = T + day * DAY + random.randrange(20 * HOUR)
            rows.append(Interaction(at, f"p{number}", Action.VIEW, "lamp"))
            if random.random() < (0.4 if number % 3 == 0 else 0.03):
                rows.append(Interaction(at + HOUR, f"p{number}", Action.BUY, "lamp"))
    return sorted(rows, key=lambda row: row.at)


def written(folder: Path, rows: list[Interaction]) -> Path:
    path = folder / "log.csv"
    lines = [
        f"{row.at},{row.person},{'view_item' if row.kind is Action.VIEW else 'purchase'},{row.item}" for row in rows
    ]
    path.write_text("\n".join(["occurred_at,person,type,item", *lines]))
    return path


def asked(rows: list[Interaction]) -> Stream:
    stream = Stream()
    for row in rows:
        stream.take(row)
    return stream


def test_those_who_buy_often_are_found_and_the_gate_is_met(tmp_path: Path) -> None:
    result = run(written(tmp_path, habits()))
    assert result.gates[0].met
    assert result.metrics["auc"] > 0.7
    assert result.metrics["log_loss"] < result.metrics["base_loss"]


def test_each_day_of_each_person_is_asked_about_once_from_the_day_after_the_first() -> None:
    rows = [
        Interaction(T + HOUR, "a", Action.BUY, "lamp"),
        Interaction(T + DAY + HOUR, "b", Action.VIEW, "lamp"),
        Interaction(T + 2 * DAY + HOUR, "a", Action.BUY, "lamp"),
        Interaction(T + 4 * DAY, "b", Action.BUY, "lamp"),
    ]
    found = [(one.person, (one.day * DAY - T) // DAY, one.label) for one in asked(rows).asked]
    assert found == [(0, 1, 0), (0, 2, 1), (1, 2, 0), (0, 3, 0), (1, 3, 0)]


def test_what_is_said_knows_nothing_of_what_comes_later() -> None:
    rows = habits()
    part = asked([row for row in rows if row.at < T + 8 * DAY]).asked
    whole = asked(rows).asked[: len(part)]
    assert len(part) > 500
    assert [(one.day, one.person, one.chance, one.anchors) for one in part] == [
        (one.day, one.person, one.chance, one.anchors) for one in whole
    ]


def test_a_log_that_is_too_small_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 100 are needed"):
        run(written(tmp_path, habits(persons=3, days=4)))


def test_on_the_public_log_it_is_not_far_under_the_own_rate() -> None:
    path = DATA / "taobao_dev.csv.gz"
    if not path.exists():
        pytest.skip("the public log is not beside the repository, in ../shared/data")
    result = run(path)
    assert result.gates[0].met
    assert result.anchors["shrunk_rate"]["auc"] == pytest.approx(0.609, abs=0.02)
