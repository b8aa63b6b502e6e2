"""`pipeline validate` says what to mend in a file of events, and what of a file can be sent."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["first-cart.jsonl", "first-order.jsonl"])
def test_the_examples_are_valid(name: str) -> None:
    done = CliRunner().invoke(main, ["validate", str(EXAMPLES / name)])
    assert done.exit_code == 0, done.output
    assert " 0 bad." in done.output


def test_each_bad_line_is_told_once_with_an_example_that_is_valid(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["validate", str(EXAMPLES / "mistakes.jsonl")])
    assert done.exit_code == 1
    told = [line for line in done.stdout.splitlines() if ": expected " in line]
    assert [line.split(":")[0] for line in told] == [f"line {number}" for number in range(1, 7)]
    assert "line 7: warning: $.items[0].itemBrand is unknown" in done.stdout
    assert done.stderr == "pipeline: 6 of 7 lines would be refused\n"
    examples = [line.partition("for example ")[2] for line in done.stdout.splitlines() if "for example" in line]
    assert [json.loads(text)["type"] for text in examples] == [
        "add_to_cart",
        "view_item",
        "page_view",
        "purchase",
        "consent_update",
    ]


def test_standard_input_is_read_and_nothing_is_no_file_of_events() -> None:
    event = '{"type": "like", "site_id": "s", "occurred_at": "now", "customer_id": "c", "items": []}\n'
    assert CliRunner().invoke(main, ["validate", "-"], input=event).exit_code == 0
    empty = CliRunner().invoke(main, ["validate", "-"], input="\n")
    assert (empty.exit_code, empty.stderr) == (1, "pipeline: there is no line in it\n")
