"""`pipeline replay` as a user types it: what it prints, what it writes, and what it refuses in one line."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings
from pipeline.kafka.topics import apply

LOG = """user_id,item_id,category_id,event,ts
7,70,700,pv,1600000000
7,70,700,cart,1600000002
7,70,700,buy
7,70,700,buy,1600000009
"""


@pytest.fixture
def settings(settings_of) -> Settings:
    made = settings_of()
    asyncio.run(apply(made, Mode.REPLAY))
    return made


def replay(settings: Settings, *args: str) -> Result:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    return CliRunner().invoke(main, ["replay", *args, "--namespace", settings.namespace.name], env=environment)


def test_a_log_is_replayed_and_summed_up(settings, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text(LOG)
    done = replay(settings, str(file), "--consents", "1")
    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.stdout.splitlines()[1:5]] == [
        ["shop.carts", "1"],
        ["shop.clicks", "1"],
        ["shop.customers", "2"],
        ["shop.orders", "1"],
    ]
    assert "Line 4 was skipped: 4 columns, not 5.\n" in done.stdout
    assert "5 events of site taobao and 10 clock records" in done.stdout
    assert "From 2020-09-13 12:26:39 UTC to 2020-09-13 12:26:49 UTC; the clock stands at 2020-09-17 12:26:49 UTC." in (
        done.stdout
    )


def test_a_simulated_shop_with_its_truth(settings, tmp_path):
    truth = tmp_path / "truth.jsonl"
    done = replay(
        settings, "simulated", "--seed", "3", "--sessions", "400", "--customers", "50", "--days", "1", "--shift",
        "--truth", str(truth),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    kinds = Counter(line["type"] for line in lines)
    assert kinds["session"] == pytest.approx(400, abs=5)
    assert kinds["cart"] > 20
    now = time.time() * 1_000
    newest = max(line["at_ms"] for line in lines if line["type"] == "session")
    assert now - 4 * 3_600_000 < newest < now
    assert f"{len(lines)} lines of truth" in done.stdout


def test_complete_journey_by_its_name(settings):
    done = replay(settings, "complete-journey", "--households", "5")
    assert done.exit_code == 0, done.output
    assert "events of site complete-journey and" in done.stdout
    assert "shop.orders" in done.stdout


def test_the_limit_cuts_the_simulation(settings):
    done = replay(settings, "simulated", "--limit", "300")
    assert "300 events of site simulated" in done.stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (
            ["simulated", "--consents", "0.5"],
            "--consents goes with `pipeline replay complete-journey` or `",
        ),
        (
            ["complete-journey", "--limit", "2"],
            "--limit goes with `pipeline replay simulated` or `",
        ),
        (["log.csv", "--seed", "2"], "--seed goes with `pipeline replay simulated` only."),
        (["simulated", "--speed", "fast"], "'fast' is neither max nor a positive number such as 60"),
        (["simulated", "--speed", "0"], "'0' is neither max nor a positive number such as 60"),
        (["no-such-file.csv"], "no-such-file.csv cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_is_said(args, says):
    done = CliRunner().invoke(main, ["replay", *args])
    assert done.exit_code != 0
    assert says in done.stderr


def test_truth_that_cannot_be_written_is_one_line(settings):
    done = replay(settings, "simulated", "--sessions", "5", "--truth", str(Path("/nowhere/truth.jsonl")))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == "pipeline: /nowhere/truth.jsonl cannot be written: No such file or directory"


def test_help_shows_an_example():
    done = CliRunner().invoke(main, ["replay", "--help"])
    assert "pipeline replay simulated --namespace history --shift" in done.stdout
