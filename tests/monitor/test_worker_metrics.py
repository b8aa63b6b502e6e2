"""What the worker's metrics say of partitions that come and go, of clocks, holds and cancellations."""

import time
from collections import Counter
from math import inf

import pytest
from aiokafka.errors import ProducerFenced
from prometheus_client import CollectorRegistry

from pipeline.config.namespace import DECISIONS, Mode, new_namespace, trigger_topic
from pipeline.engine.batch import NO_SOURCE, Batch, Output
from pipeline.log.rows import Report
from pipeline.monitor.labels import MAX_SITES, OTHER_SITES, SiteLabels
from pipeline.state.partition import Clock
from pipeline.triggers.contract import Kind, Outcome, Reason
from pipeline.worker.metrics import WorkerMetrics

KIND = Kind.CART_ABANDONED
ORDERS = next(i for i, s in enumerate(new_namespace("live", Mode.LIVE, 1).sources) if s.topic == "shop.orders")


class Watched:
    """The metrics of a worker, and their values."""

    def __init__(self, mode: Mode = Mode.LIVE) -> None:
        self.registry = CollectorRegistry()
        self.namespace = new_namespace("live", mode, 1)
        self.metrics = WorkerMetrics(self.registry, self.namespace)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"pipeline_{name}", labels)


def ago(seconds: float, orders: float | None = None) -> Clock:
    """A clock that stands so many seconds before now, as its sources do; orders stand where they are said to."""
    now = int((time.time() - seconds) * 1000)
    marks = dict.fromkeys(new_namespace("live", Mode.LIVE, 1).clocked(), now)
    if orders is not None:
        marks[ORDERS] = int((time.time() - orders) * 1000)
    return Clock(now=min(marks.values()), marks=marks)


def batch(*outputs: Output, discarded: dict[tuple[int, str], int] | None = None) -> Batch:
    return Batch([], list(outputs), [], [], [], Counter(discarded or {}), Counter({("email", Report.SENT): 2}), 0, True)


def output(outcome: Outcome, reason: Reason, topic: str = trigger_topic(KIND), **times: int | bool) -> Output:
    fields = {"caused_at": 0, "at": 0, "due": 0, "after_send": False} | times
    return Output(topic, b"", b"", [], outcome, reason.value, KIND, **fields)


def test_the_lag_of_a_clock_grows_although_nobody_reports_it() -> None:
    watched = Watched()
    watched.metrics.clock(0, ago(5), [])
    first = watched.value("log_clock_lag_seconds", partition="0")
    time.sleep(0.05)
    second = watched.value("log_clock_lag_seconds", partition="0")
    assert 5 <= first < second < 15


def test_the_watermark_lag_names_the_source_that_holds_the_clock() -> None:
    watched = Watched()
    watched.metrics.clock(0, ago(1, orders=300), [])
    assert 300 <= watched.value("source_watermark_lag_seconds", topic="shop.orders", partition="0") < 310
    assert 1 <= watched.value("source_watermark_lag_seconds", topic="shop.clicks", partition="0") < 11


def test_a_partition_that_lags_does_not_blame_the_sources() -> None:
    watched = Watched()
    watched.metrics.clock(0, ago(500), [])
    watched.metrics.clock(1, ago(1), [])
    assert watched.value("source_watermark_lag_seconds", topic="shop.clicks", partition="0") < 11


def test_a_clock_that_has_not_started_lags_without_end() -> None:
    watched = Watched()
    watched.metrics.opened(0)
    assert watched.value("log_clock_lag_seconds", partition="0") == inf
    assert watched.value("source_watermark_lag_seconds", topic="shop.orders", partition="0") == inf


def test_a_replay_has_no_lag_against_the_wall_clock() -> None:
    watched = Watched(Mode.REPLAY)
    watched.metrics.clock(0, ago(5), [])
    assert watched.value("log_clock_lag_seconds", partition="0") is None


def test_what_belongs_to_a_partition_goes_with_it() -> None:
    watched = Watched()
    for partition in (0, 1):
        watched.metrics.clock(partition, ago(1), ["shop"])
        watched.metrics.restoring(partition, 0)
        watched.metrics.position(partition, 7, 100)
        watched.metrics.lag(partition, 3)
    of_a_partition = (
        "log_position",
        "log_lag_records",
        "log_clock_lag_seconds",
        "state_bytes",
        "restore_remaining_rows",
    )
    watched.metrics.closed(0)
    assert [watched.value(name, partition="0") for name in of_a_partition] == [None] * 5
    assert None not in [watched.value(name, partition="1") for name in of_a_partition]
    assert watched.value("source_watermark_lag_seconds", topic="shop.clicks", partition="0") is not None
    watched.metrics.closed(1)
    assert watched.value("source_watermark_lag_seconds", topic="shop.clicks", partition="0") is None
    assert watched.value("site_held", site="shop", reason="orders_silent") == 0


def test_a_site_is_held_while_any_partition_holds_it() -> None:
    watched = Watched()
    watched.metrics.clock(0, ago(1), ["shop"])
    watched.metrics.clock(1, ago(1), [])
    assert watched.value("site_held", site="shop", reason="orders_silent") == 1
    watched.metrics.clock(0, ago(1), [])
    assert watched.value("site_held", site="shop", reason="orders_silent") == 0


def test_sites_beyond_the_bound_share_a_label() -> None:
    labels = SiteLabels()
    assert [labels.of(f"shop-{i}") for i in range(MAX_SITES)] == [f"shop-{i}" for i in range(MAX_SITES)]
    assert labels.of("one-more") == OTHER_SITES
    assert labels.of("shop-7") == "shop-7"
    assert labels.of("") == ""


def test_sites_of_the_shared_label_are_held_until_none_of_them_is() -> None:
    watched = Watched()
    sites = [f"shop-{i}" for i in range(MAX_SITES)]
    for held, shown in (([*sites, "x", "y"], 1), ([*sites, "y"], 1), (sites, 0)):
        watched.metrics.clock(0, ago(1), held)
        assert watched.value("site_held", site=OTHER_SITES, reason="orders_silent") == shown


def test_each_decision_is_counted_by_its_outcome_and_each_discard_by_its_feed() -> None:
    watched = Watched()
    emitted = output(Outcome.EMITTED, Reason.SILENT, DECISIONS)
    discarded = {(ORDERS, "duplicate"): 4, (NO_SOURCE, "timer_error"): 1, (10_000, "too_late"): 2}
    watched.metrics.committed(batch(emitted, emitted, discarded=discarded))
    decisions = {"kind": KIND.value, "outcome": "emitted", "reason": "silent", "mode": "live"}
    assert watched.value("decisions_total", **decisions) == 2
    assert watched.value("events_discarded_total", topic="shop.orders", reason="duplicate") == 4
    assert watched.value("events_discarded_total", topic="pipeline.log", reason="timer_error") == 1
    assert watched.value("events_discarded_total", topic="pipeline.log", reason="too_late") == 2  # a source made since
    assert watched.value("messages_total", channel="email", result="sent") == 2


def test_a_message_is_after_the_order_only_where_the_order_came_before_the_step_was_due() -> None:
    watched = Watched()
    bought = {"due": 1_000, "after_send": True, "caused_at": 1}
    for outcome in (
        output(Outcome.CANCELLED, Reason.ORDERED, at=5_000, **bought),  # the mail worked
        output(Outcome.CANCELLED, Reason.ORDERED, at=500, due=1_000, after_send=False, caused_at=1),  # never sent
        output(Outcome.CANCELLED, Reason.WITHDRAWN, at=500, **bought),
        output(Outcome.CANCELLED, Reason.ORDERED, at=500, **bought),  # the till reported late
    ):
        watched.metrics.committed(batch(outcome))
    assert watched.value("messages_after_order_total", kind=KIND.value) == 1
    ordered = {"kind": KIND.value, "reason": "ordered"}
    assert watched.value("triggers_cancelled_total", after_send="true", **ordered) == 2
    assert watched.value("triggers_cancelled_total", after_send="false", **ordered) == 1


def test_latency_is_of_what_an_event_caused_and_lateness_of_what_time_caused() -> None:
    watched = Watched()
    second_ago = int((time.time() - 1) * 1000)
    watched.metrics.committed(
        batch(
            output(Outcome.CANCELLED, Reason.ORDERED, caused_at=second_ago, due=1),
            output(Outcome.EMITTED, Reason.SILENT, due=second_ago),
        )
    )
    for name in ("event_to_trigger_seconds", "timer_lateness_seconds"):
        assert watched.value(f"{name}_count", kind=KIND.value) == 1
        assert 1 <= watched.value(f"{name}_sum", kind=KIND.value) < 10


@pytest.mark.parametrize(
    ("end", "outcome"), [(None, "commit"), (ProducerFenced(), "fenced"), (KeyboardInterrupt(), "abort")]
)
def test_a_transaction_is_counted_as_it_ends(end: BaseException | None, outcome: str) -> None:
    watched = Watched()
    try:
        with watched.metrics.transaction():
            if end is not None:
                raise end
    except (ProducerFenced, KeyboardInterrupt):
        pass
    counts = {name: watched.value("transactions_total", outcome=name) for name in ("commit", "abort", "fenced")}
    assert counts == {"commit": 0, "abort": 0, "fenced": 0} | {outcome: 1}
