"""`python -m bench.models`: every head on every log that is at hand, its gates beside their anchors, one JSON a line.

Public logs may not be redistributed, so they are looked for in a folder. The simulated shop needs none.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.complete_journey import write_orders
from bench.report import say


class Run(NamedTuple):
    """A backtest, and the file that it takes; none for the simulated shop, JOURNEY is made of a package."""

    backtest: str
    file: str | None


JOURNEY = "complete-journey"

RUNS = (
    Run("learner", "online_shoppers_intention.csv.gz"),
    Run("intent", "taobao_dev.csv.gz"),
    Run("cart", "taobao_dev.csv.gz"),
    Run("next-buy", "taobao_dev.csv.gz"),
    Run("next-item", "taobao_dev.csv.gz"),
    Run("next-item", "rees46_2019_oct_head.csv.gz"),
    Run("reorder", "cdnow_master.txt.gz"),
    Run("reorder", "online_retail.csv.gz"),
    Run("reorder-delayed", "cdnow_master.txt.gz"),
    Run("reorder-delayed", "online_retail.csv.gz"),
    Run("reorder", JOURNEY),
    Run("reorder-delayed", JOURNEY),
    Run("recovery", None),
    Run("cart-timing", None),
)


def main() -> None:
    """Run all; a gate that is missed is said, with its distance, and is no error. A backtest that fails is one."""
    parser = argparse.ArgumentParser(prog="python -m bench.models", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder (default: %(default)s)")
    parser.add_argument("--only", action="append", help="this backtest; may be given again")
    arguments = parser.parse_args()
    runs = [run for run in RUNS if not arguments.only or run.backtest in arguments.only]
    failed = 0
    with TemporaryDirectory(prefix="bench-models-") as folder:
        for run in runs:
            file = _file(run, arguments.data, Path(folder))
            if file is not None and not file.exists():
                say(f"{run.backtest}: {file} is not there, skipped")
                continue
            failed += not _show(run, file)
    if failed:
        sys.exit(f"{failed} of the backtests failed")


def _file(run: Run, data: Path, made: Path) -> Path | None:
    if run.file != JOURNEY:
        return None if run.file is None else data / run.file
    file = made / f"{JOURNEY}.csv"
    if not file.exists():
        write_orders(file)
    return file


def _show(run: Run, file: Path | None) -> bool:
    command = [sys.executable, "-m", "pipeline", "backtest", run.backtest]
    done = subprocess.run(  # a command of ours
        command + ([] if file is None else ["--data", str(file)]), capture_output=True, text=True, check=False
    )
    if done.returncode:
        say(f"{run.backtest} {run.file or ''}: {done.stderr.strip()}")
        return False
    result: dict[str, Any] = json.loads(done.stdout)
    gates = result.pop("gates")
    print(json.dumps({"log": run.file, **result}), flush=True)
    for gate in gates:
        print(json.dumps({"gate": f"{run.backtest}: {gate['name']}", "log": run.file, **gate}), flush=True)
    return True


if __name__ == "__main__":
    main()
