"""The demonstration, run as a user runs it: on a small log of a published shape, in an empty folder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"


def shop(users: int) -> str:
    """Every user looks, fills a cart, and each third one orders; a minute a user."""
    lines = [HEADER]
    for user in range(users):
        hour, minute = 8 + user // 60, user % 60
        tail = f"{100 + user % 7},1,tools.drill,acme,{10 + user % 5}.50,{5000 + user},s{user}"
        lines.append(f"2019-10-01 {hour:02}:{minute:02}:00 UTC,view,{tail}")
        lines.append(f"2019-10-01 {hour:02}:{minute:02}:10 UTC,cart,{tail}")
        if user % 3 == 0:
            lines.append(f"2019-10-01 {hour:02}:{minute:02}:50 UTC,purchase,{tail}")
    return "\n".join(lines) + "\n"


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that work in a folder or name it."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(folder) in words or process.info["cwd"] == str(folder):
            found.append(words)
    return found


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "log.csv").write_text(shop(120), encoding="utf-8")
    command = [sys.executable, "-m", "pipeline", "demo", "--data", "log.csv"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False), folder


def test_the_demonstration_ends_well_within_two_minutes(
    demonstration: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = demonstration
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_shows_what_was_decided_a_story_and_the_proof(
    demonstration: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    out = demonstration[0].stdout
    rows = [re.split(" {2,}", line) for line in out.splitlines() if line.startswith("cart reminder ")]
    counts = {(outcome, because): int(number.replace(",", "")) for _, outcome, because, number in rows}
    assert counts["suppressed", "an order closed the cart"] == 40
    assert counts["emitted", "silence for the step's length"] > 80
    pages = {re.split(" {2,}", line)[1] for line in out.splitlines() if line.startswith("personalization  ")}
    assert {"emitted", "suppressed"} <= pages  # some allow it, some do not
    assert re.search(r"cart reminders timed: 0 by the model, \d+ by the rules", out)
    assert "No cart was timed by its hazard in this run" in out
    assert "No win-back was timed by a model's due date in this run: 0 were timed by the rules" in out
    assert "put 1 x" in out
    assert "decisions" in out.partition("The proof")[2]
    assert "All stopped." in out


def test_it_shows_a_profile_from_redis_which_agrees_with_kafka(
    demonstration: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    out = demonstration[0].stdout
    shown = out.partition("with one GET of profile:demo:rees46:c:")[2]
    profile = json.loads("{" + shown.partition("{")[2].partition("\nWhat was learned")[0])
    assert shown.startswith(profile["customer_id"] + ":")
    profiles = next(line.split() for line in out.splitlines() if line.startswith("profiles "))
    assert profiles == ["profiles", "120", "0", "0", "0", "0", "0"]


def test_nothing_is_left_running(demonstration: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert left_running(demonstration[1]) == []
