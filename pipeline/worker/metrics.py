"""What the worker counts and measures, for Prometheus. No label ever names a person."""

import time
from collections import Counter as CounterOf
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from aiokafka.errors import ProducerFenced
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipeline.config.namespace import DECISIONS, LOG, Mode, Namespace
from pipeline.engine.batch import Batch, Output
from pipeline.log.rows import Report
from pipeline.monitor.labels import SiteLabels
from pipeline.state.partition import Clock
from pipeline.triggers.contract import Kind, Outcome, Reason

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENESS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_OUTCOMES = ("commit", "abort", "fenced")
_RESULTS = {report.value: report.name.lower() for report in Report}


class WorkerMetrics:
    """Metrics of one worker process. What belongs to a partition goes when the partition does."""

    def __init__(self, registry: CollectorRegistry, namespace: Namespace) -> None:
        self._namespace = namespace
        self._mode = namespace.mode.value
        self._live = namespace.mode is Mode.LIVE
        self._topics = {number: source.topic for number, source in enumerate(namespace.sources)}
        self._discarded = Counter(
            "pipeline_events_discarded_total", "Events not used.", ["topic", "reason"], registry=registry
        )
        self._decisions = Counter(
            "pipeline_decisions_total",
            "Decisions: what became of each candidate.",
            ["kind", "outcome", "reason", "mode"],
            registry=registry,
        )
        self._cancelled = Counter(
            "pipeline_triggers_cancelled_total",
            "Emitted triggers that were cancelled; after_send: the message had been reported as sent.",
            ["kind", "reason", "after_send"],
            registry=registry,
        )
        self._mail_after_order = Counter(
            "pipeline_messages_after_order_total",
            "Messages sent for a trigger that came due after the order that cancelled it.",
            ["kind"],
            registry=registry,
        )
        self._transactions = Counter("pipeline_transactions_total", "Transactions.", ["outcome"], registry=registry)
        self._position = Gauge("pipeline_log_position", "Position as committed.", ["partition"], registry=registry)
        self._lag = Gauge("pipeline_log_lag_records", "Frames of the log not folded.", ["partition"], registry=registry)
        self._clock_lag = Gauge(
            "pipeline_log_clock_lag_seconds",
            "Wall clock less log clock; infinite while the clock stands at its start.",
            ["partition"],
            registry=registry,
        )
        self._source_lag = Gauge(
            "pipeline_source_watermark_lag_seconds",
            "Wall clock less the watermark of a source; infinite for one that never reported.",
            ["topic", "partition"],
            registry=registry,
        )
        self._remaining = Gauge(
            "pipeline_restore_remaining_rows", "Rows still to restore.", ["partition"], registry=registry
        )
        self._state = Gauge(
            "pipeline_state_bytes", "Size of the local copy of the state.", ["partition"], registry=registry
        )
        self._held = Gauge("pipeline_site_held", "Triggers of a site are held.", ["site", "reason"], registry=registry)
        latency = Histogram(
            "pipeline_event_to_trigger_seconds",
            "Broker time of an event to the commit of the trigger that it caused.",
            ["kind"],
            buckets=_LATENCY,
            registry=registry,
        )
        lateness = Histogram(
            "pipeline_timer_lateness_seconds",
            "Due time of a step to the commit of its trigger.",
            ["kind"],
            buckets=_LATENESS,
            registry=registry,
        )
        self._messages = Counter(
            "pipeline_messages_total", "Reports of senders.", ["channel", "result"], registry=registry
        )
        self._rebalances = Counter("pipeline_rebalances_total", "Assignments of partitions.", registry=registry)
        self._sites = SiteLabels()
        self._clocks: dict[int, Clock] = {}
        self._held_sites: dict[int, frozenset[str]] = {}
        for outcome in _OUTCOMES:
            self._transactions.labels(outcome)
        for kind in Kind:
            self._mail_after_order.labels(kind.value)
        kinds = tuple(Kind) if self._live else ()
        self._latency_of = {kind: latency.labels(kind.value) for kind in kinds}
        self._lateness_of = {kind: lateness.labels(kind.value) for kind in kinds}

    # -- partitions ----------------------------------------------------------------------------------------------

    def rebalanced(self) -> None:
        """Count an assignment."""
        self._rebalances.inc()

    def opened(self, partition: int) -> None:
        """A partition is ours: its clock is unknown until it is restored."""
        self.clock(partition, Clock(), [])

    def closed(self, partition: int) -> None:
        """A partition is no longer ours: it has no values here any more."""
        for gauge in (self._position, self._lag, self._clock_lag, self._remaining, self._state):
            gauge.remove(partition)
        self._clocks.pop(partition, None)
        if not self._clocks:
            for source in self._namespace.clocked():
                self._source_lag.remove(*self._source(source))
        self._hold(partition, frozenset())

    def restoring(self, partition: int, rows: int) -> None:
        """Rows that are left to restore."""
        self._remaining.labels(partition).set(rows)

    def lag(self, partition: int, frames: int) -> None:
        """Frames of the log that are not folded yet."""
        self._lag.labels(partition).set(frames)

    def position(self, partition: int, offset: int, state_bytes: int) -> None:
        """Where the partition stands, and how large its local copy is."""
        self._position.labels(partition).set(offset)
        self._state.labels(partition).set(state_bytes)

    def clock(self, partition: int, clock: Clock, held_sites: list[str]) -> None:
        """The log's clock with its watermarks, and the sites whose triggers wait for their orders.

        Lags are computed when they are asked for, so that they grow also where the runner stands still.
        """
        if self._live:
            if not self._clocks:
                for source in self._namespace.clocked():
                    gauge = self._source_lag.labels(*self._source(source))
                    gauge.set_function(lambda source=source: self._watermark_lag(source))  # type: ignore[misc]
            if partition not in self._clocks:
                self._clock_lag.labels(partition).set_function(lambda: self._lag_of(partition))
            self._clocks[partition] = Clock(now=clock.now, marks=dict(clock.marks))
        if self._held_sites.get(partition, frozenset()) != frozenset(held_sites):
            self._hold(partition, frozenset(held_sites))

    # -- transactions --------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Count how the transaction inside ends: one that is given up at a rebalance is aborted by the next owner."""
        try:
            yield
        except ProducerFenced:
            self._transactions.labels("fenced").inc()
            raise
        except BaseException:
            self._transactions.labels("abort").inc()
            raise
        self._transactions.labels("commit").inc()

    def committed(self, batch: Batch) -> None:
        """Count what a transaction made true."""
        now = time.time()
        for (source, reason), number in batch.discarded.items():
            self._discarded.labels(self._topics.get(source, LOG), reason).inc(number)
        for (channel, report), number in batch.messages.items():
            self._messages.labels(channel, _RESULTS.get(report, "other")).inc(number)
        decisions: CounterOf[tuple[Kind, Outcome, str]] = CounterOf()  # a label looked up costs more than a decision
        for output in batch.outputs:
            if output.topic == DECISIONS:
                decisions[output.kind, output.outcome, output.reason] += 1
            else:
                self._went_out(output, now)
        for (kind, outcome, reason), number in decisions.items():
            self._decisions.labels(kind.value, outcome.value, reason, self._mode).inc(number)

    def _went_out(self, output: Output, now: float) -> None:
        if output.outcome is Outcome.CANCELLED:
            kind = output.kind.value
            self._cancelled.labels(kind, output.reason, str(output.after_send).lower()).inc()
            if output.reason == Reason.ORDERED and output.after_send and output.at <= output.due:
                self._mail_after_order.labels(kind).inc()
        if self._live and output.caused_at:
            self._latency_of[output.kind].observe(max(0.0, now - output.caused_at / 1000))
        elif self._live and output.due:
            self._lateness_of[output.kind].observe(max(0.0, now - output.due / 1000))

    # -- lags and holds ------------------------------------------------------------------------------------------

    def _source(self, source: int) -> tuple[str, int]:
        place = self._namespace.sources[source]
        return place.topic, place.partition

    def _lag_of(self, partition: int) -> float:
        clock = self._clocks.get(partition)
        return time.time() - clock.now / 1000 if clock is not None and clock.now else inf

    def _watermark_lag(self, source: int) -> float:
        """By the newest watermark that any partition here has read: what the log says of the source."""
        newest = max((clock.marks.get(source, 0) for clock in list(self._clocks.values())), default=0)
        return time.time() - newest / 1000 if newest else inf

    def _hold(self, partition: int, sites: frozenset[str]) -> None:
        before = frozenset[str]().union(*self._held_sites.values())
        self._held_sites[partition] = sites
        held = frozenset[str]().union(*self._held_sites.values())
        labels = {self._sites.of(site) for site in sorted(held)}
        for site in before | held:
            label = self._sites.of(site)
            self._held.labels(label, Reason.ORDERS_SILENT.value).set(label in labels)
