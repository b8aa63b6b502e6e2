"""`pipeline backtest`: run a head over a log of your own, with the features, learner and scores of the live path."""

import importlib
from collections.abc import Callable
from pathlib import Path

import click

from pipeline.backtest.result import Result, to_json
from pipeline.cli.main import example
from pipeline.config.errors import UserError

BACKTESTS = {
    "intent": "pipeline.backtest.intent",
    "cart": "pipeline.backtest.cart",
    "reorder": "pipeline.backtest.reorder",
    "reorder-delayed": "pipeline.backtest.reorder_delayed",
    "next-item": "pipeline.backtest.next_item",
    "next-buy": "pipeline.backtest.next_buy",
    "learner": "pipeline.backtest.learner",
    "recovery": "pipeline.backtest.recovery",
    "cart-timing": "pipeline.backtest.cart_timing",
}
"""Name: the module whose `run` takes the file. It is imported when it is used."""

SIMULATED = ("recovery", "cart-timing")
"""These run on the simulated shop, whose truth is known, and take no file."""


@click.command(
    epilog=example(
        "pipeline backtest intent --data clicks.csv.gz",
        "pipeline backtest reorder --data orders.csv",
        "pipeline backtest cart-timing",
    )
)
@click.argument("head", type=click.Choice(list(BACKTESTS)))
@click.option(
    "--data",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The log: .csv or .csv.gz, of a shape that docs/models.md lists. Not for "
    f"{' and '.join(SIMULATED)}, which run on the simulated shop.",
)
def backtest(head: str, file: Path | None) -> None:
    """Predict, then learn, through a log of the past; print the figures, their anchors and the gates as JSON.

    Each prediction is made with what was known at its time. Labels are learned when they would have been known.
    """
    if file is None and head not in SIMULATED:
        raise UserError(f"{head} needs a log: --data FILE")
    run: Callable[[Path | None], Result] = importlib.import_module(BACKTESTS[head]).run
    click.echo(to_json(run(file)))
