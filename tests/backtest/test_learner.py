"""The learner's check: crosses are found, figures stand beside River's, a line that cannot be read costs itself."""

from pathlib import Path
from random import Random

import pytest

from pipeline.backtest.learner import CODES, COUNTS, LABEL, SHARES, run
from pipeline.config.errors import UserError

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "online_shoppers_intention.csv.gz"
HEADER = (*COUNTS, *SHARES, *CODES, LABEL)


def written(path: Path, count: int, *others: str) -> Path:
    """Sessions that buy where many products were looked at, and far more so in May, which alone says nothing."""
    random = Random(1)
    lines = [",".join(HEADER)]
    for _ in range(count):
        values = dict.fromkeys(HEADER, "0")
        many, may = random.random() < 0.5, random.random() < 0.4
        values |= {"ProductRelated": "40" if many else "2", "Month": "May" if may else "June", "Region": "3"}
        values[LABEL] = str(random.random() < (0.8 if many and may else 0.3 if many else 0.1)).upper()
        lines.append(",".join(values[name] for name in HEADER))
    path.write_text("\n".join([*lines, *others, ""]))
    return path


def test_the_strongest_column_is_crossed_with_the_others(tmp_path):
    result = run(written(tmp_path / "sessions.csv", 1_500))
    assert "ProductRelated x Month" in result.metrics["crosses"]
    assert result.metrics["auc"] > 0.75
    assert result.metrics["log_loss"] < result.metrics["base_loss"]


def test_a_line_that_cannot_be_read_costs_itself(tmp_path):
    number = ",".join(["-1", *["0"] * (len(HEADER) - 1)])
    label = ",".join([*["0"] * (len(HEADER) - 1), "perhaps"])
    result = run(written(tmp_path / "sessions.csv", 300, number, label, "1,2"))
    assert result.rows == 300
    assert result.skipped == {
        "Revenue is not 0, 1, TRUE or FALSE": 1,
        "a count, duration or rate is not a number from 0": 1,
        "not 18 fields": 1,
    }


@pytest.mark.parametrize(
    ("count", "header", "words"),
    [(20, "", "is too small: it has 16 lines to score"), (0, "at,who", "lacks the columns Administrative")],
)
def test_what_cannot_be_judged_is_said_in_one_line(tmp_path, count, header, words):
    path = written(tmp_path / "sessions.csv", count)
    if header:
        path.write_text(header + "\n")
    with pytest.raises(UserError, match=words):
        run(path)


def test_the_public_sessions_pass_the_gates():
    if not DATA.is_file():
        pytest.skip(f"{DATA.name} is not beside the repository, in ../shared/data")
    result = run(DATA)
    assert result.rows == 12_330
    assert [gate.name for gate in result.gates if not gate.met] == []
