"""What the view counts and measures, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ViewMetrics:
    """Metrics of one `serve`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Gauge(
            "pipeline_view_lag_seconds",
            "Now less the time of the newest row in Redis; 0 where all of the partition is in Redis.",
            ["topic", "partition"],
            registry=registry,
        )
        self._rows = Counter(
            "pipeline_view_rows_total",
            "Rows: written, older than what Redis had, or ignored since Redis has no place for them.",
            ["topic", "result"],
            registry=registry,
        )
        self._refills = Counter(
            "pipeline_view_refills_total", "Partitions read again, since Redis had lost their rows.", registry=registry
        )
        self._rebuilds = Counter("pipeline_view_rebuilds_total", "Rebuilds that were due.", registry=registry)
        self._reconnects = Counter(
            "pipeline_view_redis_reconnects_total", "Times that Redis came back after it was away.", registry=registry
        )
        self._known_returns = 0

    def lag(self, topic: str, partition: int, seconds: Callable[[], float]) -> None:
        """Measure a partition's lag with `seconds`, when it is asked for."""
        self._lag.labels(topic, partition).set_function(seconds)

    def forget(self, topic: str, partition: int) -> None:
        """Another process has the partition now."""
        self._lag.remove(topic, str(partition))

    def rows(self, topic: str, written: int, older: int, ignored: int) -> None:
        """Count rows that Redis has answered for."""
        for result, number in (("written", written), ("older", older), ("ignored", ignored)):
            if number:
                self._rows.labels(topic, result).inc(number)

    def reconnects(self, total: int) -> None:
        """Set how often Redis came back."""
        self._reconnects.inc(total - self._known_returns)
        self._known_returns = total

    def refill(self) -> None:
        """Count a partition that is read again."""
        self._refills.inc()

    def rebuild(self) -> None:
        """Count a rebuild that was due."""
        self._rebuilds.inc()
