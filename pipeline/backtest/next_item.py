"""The next item over a click log, by the live path: suggest, look what comes, learn; beside four baselines.

Each interaction with another item than the person's last one is a query, the same for all; a reload is none. The last
60 % of the rows are scored; of more than MOST_QUERIES about as many are drawn. Three questions, each of its own lists:

- repeats: the item that comes, among all but the last one;
- novel: queries whose item is new to the person but known to the shop, among what is new to the person. It is the
  headline where at least ENOUGH_KNOWN of the items that are new to their person are known to the shop, and FEWEST are;
- category: the category that comes at a switch, beside the person's recent ones: the same path, of which the items are
  the categories. It is asked here alone.

A log with fewer than FEWEST queries is too small, and a question with fewer is not judged.

Intervals are 95 %, by bootstrap over persons, and paired where they are of a difference.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter, thread_time_ns
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from pipeline.backtest import next_item_baselines as baselines
from pipeline.backtest.clicklog import Interaction, read_clicklog
from pipeline.backtest.next_item_live import LivePath
from pipeline.backtest.result import Gate, Result, at_most, surely_above
from pipeline.config.errors import UserError
from pipeline.learning.quality import interval

SCORED = 0.6
MOST_QUERIES = 50_000
ITEMS = 20
CATEGORIES = 5
ENOUGH_KNOWN = 0.25
FEWEST = 100
"""Queries below which nothing can be said."""

MRR_MARGIN = 0.005
MOST_MICROSECONDS = 1_000

HEAD = "head"
_PROTOCOLS = ("repeats", "novel", "category")
_ROUNDS = 1_000
_SEED = 7


class _Scores(Struct):
    """Of one question: who asked when, and by each ranking one over the rank of what came, 0 where it is not there."""

    person: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    found: dict[str, list[float]] = field(default_factory=dict)

    def add(self, person: int, at: int, target: str, lists: dict[str, list[str]]) -> None:
        self.person.append(person)
        self.at.append(at)
        for name, items in lists.items():
            found = 1 / (items.index(target) + 1) if target in items else 0.0
            self.found.setdefault(name, []).append(found)


class _Timing(Struct):
    query_cpu: list[int] = field(default_factory=list)
    query: list[float] = field(default_factory=list)


class _Run(Struct):
    """Everything of a run: the live path of items, and of categories, what the baselines know, and the scores."""

    items: LivePath = field(default_factory=LivePath)
    categories: LivePath = field(default_factory=LivePath)
    of_items: baselines.Baselines = field(default_factory=baselines.Baselines)
    recent: dict[str, dict[str, None]] = field(default_factory=dict)
    """Of each person the categories, the latest last."""
    scores: dict[str, _Scores] = field(default_factory=lambda: {name: _Scores() for name in _PROTOCOLS})
    timing: _Timing = field(default_factory=_Timing)
    numbers: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    """Queries whose item nobody had touched before."""


class _Difference(NamedTuple):
    value: float
    low: float
    high: float


def run(path: Path) -> Result:
    """Run the head and its baselines over a log of a shape of `clicklog`.

    Raises UserError where it cannot be read or is too small.
    """
    began = perf_counter()
    log = read_clicklog(path)
    rows = log.interactions
    state = _Run()
    first = round(len(rows) * (1 - SCORED))
    asked = np.random.default_rng(_SEED).random(len(rows)) < MOST_QUERIES / max(1, len(rows) - first)
    asked[:first] = False
    for number, row in enumerate(rows):
        if asked[number]:
            _ask(state, row)
        _learn(state, row)
    if (queries := len(state.scores["repeats"].at)) < FEWEST:
        raise UserError(
            f"{path} is too small: {queries} times somebody goes on to another item in the last 60 % of its lines, at "
            f"least {FEWEST} are needed"
        )
    metrics, anchors, gates = _judge(state)
    metrics["shape"] = log.shape
    return Result("next-item", len(rows), perf_counter() - began, log.skipped, metrics, anchors, gates)


def _learn(state: _Run, row: Interaction) -> None:
    state.items.tell(row)
    baselines.learn(state.of_items, row.person, row.item, row.at)
    if row.category:
        state.categories.tell(replace(row, item=row.category, category=""))
        recent = state.recent.setdefault(row.person, {})
        recent.pop(row.category, None)
        recent[row.category] = None


def _ask(state: _Run, row: Interaction) -> None:
    visit = state.of_items.visits.get(row.person)
    if visit is None:
        return
    person = state.numbers.setdefault(row.person, len(state.numbers))
    if row.item != next(reversed(visit.items)):
        _ask_item(state, row, person, visit.items)
    recent = state.recent.get(row.person, {})
    if row.category and recent and row.category != next(reversed(recent)):
        lists = {
            HEAD: state.categories.suggested(row.person, CATEGORIES, _other_than(next(reversed(recent)))),
            "recent": list(islice(reversed(recent), 1, 1 + CATEGORIES)),
        }
        state.scores["category"].add(person, row.at, row.category, lists)


def _ask_item(state: _Run, row: Interaction, person: int, touched: dict[str, None]) -> None:
    ranked = {name: list(ranking) for name, ranking in baselines.rank(state.of_items, row.person).items()}
    began, cpu = perf_counter(), thread_time_ns()
    suggested = state.items.suggested(row.person, ITEMS, _other_than(next(reversed(touched))))
    state.timing.query_cpu.append(thread_time_ns() - cpu)
    state.timing.query.append(perf_counter() - began)
    lists = {HEAD: suggested, **{name: ranking[:ITEMS] for name, ranking in ranked.items()}}
    state.scores["repeats"].add(person, row.at, row.item, lists)
    if row.item in touched:
        return
    if row.item not in state.of_items.touches:
        state.unknown += 1
        return

    def new(item: str) -> bool:
        return item not in touched

    lists = {name: list(islice(filter(new, ranking), ITEMS)) for name, ranking in ranked.items() if name != "own"}
    lists[HEAD] = state.items.suggested(row.person, ITEMS, new)
    state.scores["novel"].add(person, row.at, row.item, lists)


def _other_than(last: str) -> Callable[[str], bool]:
    return lambda item: item != last


def _judge(state: _Run) -> tuple[dict[str, Any], dict[str, Any], list[Gate]]:
    repeats, novel, category = (state.scores[name] for name in _PROTOCOLS)
    new = len(novel.at) + state.unknown
    known = len(novel.at) / new if new else 0.0
    enough = known >= ENOUGH_KNOWN and len(novel.at) >= FEWEST
    figures = {
        name: _figures(scores, CATEGORIES if name == "category" else ITEMS) for name, scores in state.scores.items()
    }
    headline = "novel" if enough else "repeats"
    cpu = np.array(state.timing.query_cpu) / 1_000
    wall = np.array(state.timing.query) * 1e6
    metrics: dict[str, Any] = {
        "headline": headline,
        **figures[headline][HEAD],
        **{name: {"queries": len(state.scores[name].at), **found.get(HEAD, {})} for name, found in figures.items()},
        "new_items_known": round(known, 4),
        "halves": {name: _halves(scores) for name, scores in state.scores.items()},
        "query_cpu_us_p50": round(float(np.percentile(cpu, 50)), 1),
        "query_cpu_us_p99": round(float(np.percentile(cpu, 99)), 1),
        "query_wall_us_p99": round(float(np.percentile(wall, 99)), 1),
        **_costs(state.items),
    }
    anchors = {name: {other: f for other, f in found.items() if other != HEAD} for name, found in figures.items()}
    gates = [*_repeat_gates(repeats), *(_novel_gates(novel) if enough else ()), *_category_gates(category)]
    gates.append(at_most("CPU of a query at p99, us", metrics["query_cpu_us_p99"], MOST_MICROSECONDS))
    return metrics, anchors, gates


def _repeat_gates(scores: _Scores) -> Iterator[Gate]:
    yield _above("repeats: recall@20 above own items", _difference(scores, "own", _hits))
    yield _above("repeats: MRR@20 within .005 of own items", _difference(scores, "own", _reciprocals), -MRR_MARGIN)


def _novel_gates(scores: _Scores) -> Iterator[Gate]:
    for other in ("popularity", "covisit", "vsknn"):
        yield _above(f"novel: recall@20 above {other}", _difference(scores, other, _hits))
        yield _above(f"novel: MRR@20 above {other}", _difference(scores, other, _reciprocals))


def _category_gates(scores: _Scores) -> Iterator[Gate]:
    if len(scores.at) >= FEWEST:
        yield _above("category: recall@5 at a switch above the recent ones", _difference(scores, "recent", _hits))


def _above(name: str, found: _Difference, limit: float = 0.0) -> Gate:
    """A gate on a difference: its lower bound is above the limit."""
    return surely_above(name, found.value, limit, found.low, found.high)


def _hits(found: list[float]) -> NDArray[np.float64]:
    return (np.array(found) > 0).astype(np.float64)


def _reciprocals(found: list[float]) -> NDArray[np.float64]:
    return np.array(found)


def _difference(scores: _Scores, other: str, of: Callable[[list[float]], NDArray[np.float64]]) -> _Difference:
    return _mean(scores, of(scores.found[HEAD]) - of(scores.found[other]))


def _mean(scores: _Scores, values: NDArray[np.float64]) -> _Difference:
    groups = np.array(scores.person)
    low, high = interval(groups, lambda rows: float(values[rows].mean()), _ROUNDS)
    return _Difference(*(round(number, 4) for number in (float(values.mean()), low, high)))


def _figures(scores: _Scores, k: int) -> dict[str, dict[str, float]]:
    """By ranking recall and mean reciprocal rank among the first k, with the interval of each."""
    figures: dict[str, dict[str, float]] = {}
    for name, found in scores.found.items():
        figures[name] = {}
        for measure, of in ((f"recall_at_{k}", _hits), (f"mrr_at_{k}", _reciprocals)):
            value, low, high = _mean(scores, of(found))
            figures[name] |= {measure: value, f"{measure}_low": low, f"{measure}_high": high}
    return figures


def _halves(scores: _Scores) -> dict[str, dict[str, float]]:
    """Recall of each ranking for either half of the persons, and either half of the queries by time."""
    person, place = np.array(scores.person), np.arange(len(scores.at))
    parts = {
        "persons, one half": person % 2 == 0,
        "persons, other half": person % 2 == 1,
        "time, first half": place < len(place) // 2,
        "time, second half": place >= len(place) // 2,
    }
    return {
        part: {name: round(float(_hits(found)[chosen].mean()), 4) for name, found in scores.found.items()}
        for part, chosen in parts.items()
        if chosen.any()
    }


def _costs(path: LivePath) -> dict[str, Any]:
    """CPU on the learner's side of a touch and of a row, on the worker's side of a row; and how much is held."""
    touches, rows = max(1, path.touches) * 1_000, max(1, path.rows) * 1_000
    return {
        "observe_cpu_us_mean": round(path.observe_cpu / touches, 2),
        "row_cpu_us_mean": round(path.rows_cpu / rows, 2),
        "put_cpu_us_mean": round(path.put_cpu / rows, 2),
        "touches": path.touches,
        "rows_written": path.rows,
        "rows_held": len(path.shelf),
        "shelf_bytes": path.shelf.size,
    }
