"""What ingest counts and measures, for Prometheus. No label ever names a person."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from pipeline.ingest.framing import Framed
from pipeline.monitor.labels import OTHER_SITES, SiteLabels


class IngestMetrics:
    """Metrics of one ingest process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._received = Counter(
            "pipeline_events_received_total",
            "Records decoded, before validation.",
            ["topic", "site"],
            registry=registry,
        )
        self._discarded = Counter(
            "pipeline_events_discarded_total", "Events not used.", ["topic", "reason"], registry=registry
        )
        self._last_event = Gauge(
            "pipeline_site_last_event_timestamp_seconds",
            "Record time of the newest event of a site in a topic.",
            ["site", "topic"],
            registry=registry,
        )
        self._overruns = Counter(
            "pipeline_alignment_overruns_total", "Sources read on though ahead of the slowest.", registry=registry
        )
        self._rebalances = Counter("pipeline_rebalances_total", "Assignments of partitions.", registry=registry)
        self._known_overruns = 0
        self._sites = SiteLabels()
        self._newest: dict[tuple[str, str], int] = {}

    def count(self, framed: Framed) -> None:
        """Count a poll."""
        for (topic, site), number in framed.received.items():
            self._received.labels(topic, self._sites.of(site)).inc(number)
        for (topic, reason), number in framed.discarded.items():
            self._discarded.labels(topic, reason).inc(number)
        for (topic, site), newest in framed.newest.items():
            label = self._sites.of(site)
            if label != OTHER_SITES and newest > self._newest.get((topic, site), 0):
                self._newest[topic, site] = newest
                self._last_event.labels(label, topic).set(newest / 1000)

    def overruns(self, total: int) -> None:
        """Set the number of times a source was read on."""
        self._overruns.inc(total - self._known_overruns)
        self._known_overruns = total

    def rebalanced(self) -> None:
        """Count an assignment."""
        self._rebalances.inc()
