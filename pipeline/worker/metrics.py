"""What the worker counts and measures, for Prometheus. No label ever names a person."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from pipeline.config.namespace import DECISIONS
from pipeline.engine.partition import Batch
from pipeline.triggers.contract import Outcome

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENESS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class WorkerMetrics:
    """Metrics of one worker process, served on `/metrics` where `port` is not 0."""

    def __init__(self, port: int, mode: str) -> None:
        registry = CollectorRegistry()
        self._mode = mode
        self._discarded = Counter(
            "pipeline_events_discarded_total", "Events not used.", ["topic", "reason"], registry=registry
        )
        self._decisions = Counter(
            "pipeline_decisions_total", "Decisions.", ["kind", "outcome", "reason", "mode"], registry=registry
        )
        self._cancelled = Counter(
            "pipeline_triggers_cancelled_total", "Cancelled triggers.", ["kind", "reason"], registry=registry
        )
        self._transactions = Counter("pipeline_transactions_total", "Transactions.", ["outcome"], registry=registry)
        self._position = Gauge("pipeline_log_position", "Our position in the log.", ["partition"], registry=registry)
        self._lag = Gauge("pipeline_log_lag_records", "Frames behind the log's end.", ["partition"], registry=registry)
        self._clock_lag = Gauge(
            "pipeline_log_clock_lag_seconds", "Wall clock less log clock.", ["partition"], registry=registry
        )
        self._remaining = Gauge(
            "pipeline_restore_remaining_rows", "Rows still to restore.", ["partition"], registry=registry
        )
        self._held = Gauge("pipeline_site_held", "Triggers of a site are held.", ["site", "reason"], registry=registry)
        self._latency = Histogram(
            "pipeline_event_to_trigger_seconds",
            "Broker time of an event to the commit of what it caused.",
            ["kind"],
            buckets=_LATENCY,
            registry=registry,
        )
        self._lateness = Histogram(
            "pipeline_timer_lateness_seconds", "Due to commit.", ["kind"], buckets=_LATENESS, registry=registry
        )
        self._held_sites: set[str] = set()
        if port:
            start_http_server(port, registry=registry)

    def transaction(self, outcome: str) -> None:
        """Count a transaction: commit, abort or fenced."""
        self._transactions.labels(outcome).inc()

    def restoring(self, partition: int, rows: int) -> None:
        """Rows that are left to restore."""
        self._remaining.labels(partition).set(rows)

    def lag(self, partition: int, frames: int) -> None:
        """Frames between the position and the log's end."""
        self._lag.labels(partition).set(frames)

    def clock(self, partition: int, now: int, held_sites: list[str]) -> None:
        """The log's clock, and the sites whose triggers wait for their orders."""
        if self._mode == "live" and now:
            self._clock_lag.labels(partition).set(time.time() - now / 1000)
        for site in self._held_sites.symmetric_difference(held_sites):
            self._held.labels(site, "orders_silent").set(site in held_sites)
        self._held_sites = set(held_sites)

    def committed(self, partition: int, batch: Batch, position: int) -> None:
        """Count what a transaction made true."""
        now = time.time()
        self.transaction("commit")
        self._position.labels(partition).set(position)
        for (_, reason), number in batch.discarded.items():
            self._discarded.labels("pipeline.log", reason).inc(number)
        for output in batch.outputs:
            kind = output.kind.value
            if output.topic == DECISIONS:
                self._decisions.labels(kind, output.outcome.value, output.reason, self._mode).inc()
                continue
            if output.outcome is Outcome.CANCELLED:
                self._cancelled.labels(kind, output.reason).inc()
            if self._mode == "live" and output.caused_at:
                self._latency.labels(kind).observe(max(0.0, now - output.caused_at / 1000))
            elif self._mode == "live" and output.due:
                self._lateness.labels(kind).observe(max(0.0, now - output.due / 1000))
