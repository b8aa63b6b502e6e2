"""What the learner counts and measures, for Prometheus."""

from collections.abc import Callable
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipeline.learner.desk import Desk
from pipeline.scoring.example import Example
from pipeline.scoring.snapshot import Quality

_DELAYS = (60.0, 300.0, 1_800.0, 7_200.0, *(86_400.0 * days for days in (1, 3, 7, 14, 30, 90, 180, 365)))
UNKNOWN = ""
"""In place of a head that this release does not have: what names it comes from outside."""


class NextItemMetrics:
    """Metrics of the next item's tables. No label names an item."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._learned = Counter("pipeline_next_item_touches_total", "Touches of products learned.", registry=registry)
        self._refused = Counter(
            "pipeline_next_item_refused_total", "Records of touches not learned.", ["reason"], registry=registry
        )
        self._rows = Gauge("pipeline_next_item_rows", "Rows of the tables.", registry=registry)
        self._published = Counter(
            "pipeline_next_item_published_total", "Rows and tombstones written, the position too.", registry=registry
        )
        self._lag = Gauge(
            "pipeline_next_item_lag_records", "Records of touches not learned yet.", ["partition"], registry=registry
        )
        self._unreadable_rows = Counter(
            "pipeline_next_item_unreadable_rows_total", "Rows that could not be read back.", registry=registry
        )
        for reason in ("unreadable", "expired", "unplaced"):
            self._refused.labels(reason)

    def lag(self, partition: int, records: Callable[[], float]) -> None:
        """Measure how far a partition of the touches is behind with `records`, when it is asked for."""
        self._lag.labels(partition).set_function(records)

    def learned(self, touches: int) -> None:
        """Count touches."""
        self._learned.inc(touches)

    def unreadable(self) -> None:
        """Count a record that is of no touches that this release knows."""
        self._refused.labels("unreadable").inc()

    def expired(self, records: int) -> None:
        """Count records that retention took unread."""
        self._refused.labels("expired").inc(records)

    def unplaced(self, records: int) -> None:
        """Count records of which nobody knows whether they were learned."""
        self._refused.labels("unplaced").inc(records)

    def unreadable_rows(self, number: int) -> None:
        """Count rows of the tables that could not be read back."""
        self._unreadable_rows.inc(number)

    def published(self, entries: int) -> None:
        """Count what was written."""
        self._published.inc(entries)

    def rows(self, number: int) -> None:
        """Show how large the tables are."""
        self._rows.set(number)


class LearnerMetrics:
    """Metrics of the learner. Every label is a head of this release, a partition, or a reason of ours."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ratio = self._gauge(registry, "log_loss_ratio", "Loss over that of the base rate, last examples.")
        self._error = self._gauge(registry, "calibration_error", "Expected calibration error, last examples.")
        self._auc = self._gauge(registry, "auc", "Area under the ROC curve, last examples.")
        self._published = self._gauge(registry, "snapshot_timestamp_seconds", "When the newest snapshot was published.")
        self._version = self._gauge(registry, "version", "The version that is served.")
        self._drift = self._gauge(registry, "drift", "1 while a drift alarm stands.")
        self._share = self._gauge(registry, "served_share", "Share of the last examples that something was said of.")
        self._served_ratio = self._gauge(
            registry, "served_log_loss_ratio", "Loss of what was served over that of the base rate, last examples."
        )
        self._served_auc = self._gauge(registry, "served_auc", "Area under the ROC curve, of what was served.")
        self._served_error = self._gauge(
            registry, "served_calibration_error", "Expected calibration error, of what was served."
        )
        self._held = Gauge(
            "pipeline_model_held",
            "1 while another version than the newest is served: pinned, or gone back to for its loss.",
            ["head", "reason"],
            registry=registry,
        )
        self._examples = Counter(
            "pipeline_model_examples_total",
            "Examples read, by whether the prediction had been scored by a model.",
            ["head", "scored"],
            registry=registry,
        )
        self._refused = Counter(
            "pipeline_model_refused_total",
            "Examples that were not learned, and snapshots that were not published.",
            ["head", "reason"],
            registry=registry,
        )
        self._delay = Histogram(
            "pipeline_model_label_delay_seconds",
            "Prediction to label, time of the log.",
            ["head"],
            buckets=_DELAYS,
            registry=registry,
        )
        self._counted: dict[str, tuple[tuple[Counter, Counter], Histogram]] = {}
        self._lag = Gauge(
            "pipeline_learner_lag_records", "Examples that are not learned yet.", ["partition"], registry=registry
        )

    @staticmethod
    def _gauge(registry: CollectorRegistry, name: str, meaning: str) -> Gauge:
        return Gauge(f"pipeline_model_{name}", meaning, ["head"], registry=registry)

    def lag(self, partition: int, records: Callable[[], float]) -> None:
        """Measure how far a partition of the examples is behind with `records`, when it is asked for."""
        self._lag.labels(partition).set_function(records)

    def example(self, example: Example) -> None:
        """Count an example of a head of this release."""
        if example.head not in self._counted:  # a label looked up costs more than it counts
            counters = self._examples.labels(example.head, "false"), self._examples.labels(example.head, "true")
            self._counted[example.head] = counters, self._delay.labels(example.head)
        scored, delay = self._counted[example.head]
        scored[example.served is not None].inc()
        delay.observe(max(0, example.at - example.made_at) / 1000)

    def refused(self, head: str, reason: str, number: int = 1) -> None:
        """Count examples that were not learned, or a snapshot that was not published."""
        self._refused.labels(head, reason).inc(number)

    def stands(self, desk: Desk) -> None:
        """Show how a head stands."""
        newest, served = desk.newest, desk.served
        self._turned_out(desk)
        self._held.labels(desk.name, "pin").set(desk.pin > 0)
        self._held.labels(desk.name, "loss").set(desk.standing.back > 0)
        if served is not None:
            self._version.labels(desk.name).set(served.snapshot.version)
        if newest is None:
            return
        quality = newest.snapshot.quality
        self._published.labels(desk.name).set(newest.published / 1000)
        self._drift.labels(desk.name).set(quality.drifting)
        if quality.base_loss > 0:
            self._ratio.labels(desk.name).set(quality.loss / quality.base_loss)
        if quality.ece is not None:
            self._error.labels(desk.name).set(quality.ece)
        if quality.auc is not None:
            self._auc.labels(desk.name).set(quality.auc)

    def _turned_out(self, desk: Desk) -> None:
        """Show how good what was served of a head turned out to be: not a number where too few examples tell."""
        if (outcome := desk.served_quality) is None:
            return
        share, quality = outcome.share, outcome.quality or Quality()
        self._share.labels(desk.name).set(share)
        self._served_ratio.labels(desk.name).set(quality.loss / quality.base_loss if quality.base_loss else nan)
        self._served_auc.labels(desk.name).set(nan if quality.auc is None else quality.auc)
        self._served_error.labels(desk.name).set(nan if quality.ece is None else quality.ece)
