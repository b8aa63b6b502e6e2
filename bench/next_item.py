"""What the next item costs: a touch and a row on the learner's side, a row and a query on a worker's; what is held."""

import random
import time
import tracemalloc
from collections.abc import Iterator
from itertools import accumulate, islice

from bench.report import figure
from pipeline.next_item.shelf import Shelf
from pipeline.next_item.tables import Tables
from pipeline.next_item.touch import MAX_BEFORE, Touch
from pipeline.worker.items import SUGGESTED

ITEMS = 20_000
CATEGORY = 50
"""Items of a category."""
NEAR = 0.7
"""Chance that a visit goes on within the category."""
VISIT = 5
"""Items of a visit, on average."""
TOUCHES_A_TRANSACTION = 2_000
TOUCHES_A_QUERY = 10
SITE = "shop"
ALL_ROWS = 1_000_000_000

_cpu = time.thread_time_ns


def measure(touches: int) -> None:
    """Print CPU us of each step, and bytes, on touches of a shop whose items are popular by Zipf's law."""
    tables, shelf = Tables(), Shelf()
    observing = taking = putting = rows = 0
    queries: list[int] = []
    stream = _touches(touches)
    while transaction := list(islice(stream, TOUCHES_A_TRANSACTION)):
        began = _cpu()
        for touch in transaction:
            tables.observe(touch)
        learned = _cpu()
        changed = tables.changed(ALL_ROWS)
        taken = _cpu()
        for key, value in changed:
            shelf.put(key, value)
        putting += _cpu() - taken
        taking += taken - learned
        observing += learned - began
        rows += len(changed)
        queries += [_query(shelf, touch) for touch in transaction[::TOUCHES_A_QUERY]]
    queries.sort()
    figure("next_item.observe", observing / touches / 1e3, "us/touch")
    figure("next_item.row", taking / rows / 1e3, "us/row taken")
    figure("next_item.put", putting / rows / 1e3, "us/row put")
    figure("next_item.rows_written", rows / touches, "rows/touch")
    figure("next_item.query.p50", queries[len(queries) // 2] / 1e3, "us")
    figure("next_item.query.p99", queries[len(queries) * 99 // 100] / 1e3, "us")
    figure("next_item.rows", len(shelf), "rows")
    figure("next_item.shelf", shelf.size, "bytes of keys and values")
    figure("next_item.row_bytes", shelf.size / len(shelf), "bytes/row")
    figure("next_item.tables", _held(shelf), "bytes in the learner")


def _query(shelf: Shelf, touch: Touch) -> int:
    """CPU ns of a query of whoever made a touch, as a worker asks it."""
    recent = dict.fromkeys((*reversed(touch.before), touch.item), 64)
    began = _cpu()
    shelf.suggest(touch.site, recent, SUGGESTED, lambda _: True)
    return _cpu() - began


def _held(shelf: Shelf) -> int:
    """What the tables take that are rebuilt from the rows."""
    rows = list(shelf.rows())
    tracemalloc.start()
    tables = Tables()
    for key, value in rows:
        tables.restore(key, value)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held if len(tables) == len(rows) else 0


def _touches(touches: int) -> Iterator[Touch]:
    chance = random.Random(7)
    weights = list(accumulate(1 / place for place in range(1, ITEMS + 1)))
    items = chance.sample(range(ITEMS), ITEMS)
    before: tuple[str, ...] = ()
    item = 0
    for _ in range(touches):
        if not before or chance.random() < 1 / VISIT:
            before, item = (), chance.choices(items, cum_weights=weights)[0]
        elif chance.random() < NEAR:
            item = item - item % CATEGORY + int(CATEGORY ** chance.random()) - 1
        else:
            item = chance.choices(items, cum_weights=weights)[0]
        name = f"sku-{item:06}"
        new = name not in before
        before = tuple(other for other in before if other != name)[:MAX_BEFORE]
        yield Touch(SITE, name, f"category-{item // CATEGORY}", before, new)
        before = (name, *before)
