"""What a worker counts and measures of the tables of the next item, and of what it suggests from them."""

from collections.abc import Callable, Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipeline.next_item.shelf import Shelf
from pipeline.triggers.contract import Suggestion, Why

_QUERY = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.02)


class ShelfMetrics:
    """Metrics of one worker's shelf. No label names an item."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rows = Gauge("pipeline_next_item_shelf_rows", "Rows held to suggest from.", registry=registry)
        self._bytes = Gauge("pipeline_next_item_shelf_bytes", "Keys and values of these rows.", registry=registry)
        self._missing = Gauge(
            "pipeline_next_item_shelf_missing_rows",
            "Rows not held since the start: damaged, or dropped for want of room.",
            ["reason"],
            registry=registry,
        )
        self._lag = Gauge("pipeline_next_item_shelf_lag_records", "Rows written and not read yet.", registry=registry)
        self._read = Gauge(
            "pipeline_next_item_shelf_read_timestamp_seconds",
            "When Kafka last said that there are no rows but those held; of the start until it has.",
            registry=registry,
        )
        self._queries = Counter(
            "pipeline_next_item_queries_total",
            "Personalizations that asked what to suggest, by what came of it.",
            ["result"],
            registry=registry,
        )
        self._suggested = Counter(
            "pipeline_next_item_suggested_total", "Items suggested, by what counted most.", ["why"], registry=registry
        )
        self._seconds = Histogram(
            "pipeline_next_item_query_seconds", "Time to work out a suggestion.", buckets=_QUERY, registry=registry
        )
        self._some, self._none, self._failed = map(self._queries.labels, ("some", "none", "failed"))
        self._by_why = {why: self._suggested.labels(why.value) for why in Why}

    def shows(self, shelf: Callable[[], Shelf]) -> None:
        """Measure the shelf that there is when it is asked for."""
        self._rows.set_function(lambda: len(shelf()))
        self._bytes.set_function(lambda: shelf().size)
        self._missing.labels("damaged").set_function(lambda: shelf().damaged)
        self._missing.labels("dropped").set_function(lambda: shelf().dropped)

    def lag(self, records: Callable[[], float]) -> None:
        """Measure how far the shelf is behind with `records`, when it is asked for."""
        self._lag.set_function(records)

    def read_all(self, at: float) -> None:
        """Show that all rows that there were at `at`, seconds since the epoch, are held."""
        self._read.set(at)

    def answered(self, seconds: float, suggestions: Collection[Suggestion]) -> None:
        """Count a question that was answered."""
        self._seconds.observe(seconds)
        (self._some if suggestions else self._none).inc()
        for suggestion in suggestions:
            self._by_why[suggestion.why].inc()

    def failed(self) -> None:
        """Count a question that could not be answered, by a fault of ours."""
        self._failed.inc()
