"""What ingest counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, start_http_server

from pipeline.ingest.framing import Framed

MAX_SITES = 100
"""Sites that have a label of their own; what comes in is not ours to bound otherwise."""

OTHER_SITES = "other"


class IngestMetrics:
    """Counters of one ingest process, served on `/metrics` where `port` is not 0."""

    def __init__(self, port: int) -> None:
        registry = CollectorRegistry()
        self._received = Counter(
            "pipeline_events_received_total",
            "Records decoded, before validation.",
            ["topic", "site"],
            registry=registry,
        )
        self._discarded = Counter(
            "pipeline_events_discarded_total", "Records not used.", ["topic", "reason"], registry=registry
        )
        self._overruns = Counter(
            "pipeline_alignment_overruns_total", "Sources read on though ahead of the slowest.", registry=registry
        )
        self._known_overruns = 0
        self._sites: set[str] = set()
        if port:
            start_http_server(port, registry=registry)

    def count(self, framed: Framed) -> None:
        """Count a poll."""
        for (topic, site), number in framed.received.items():
            self._received.labels(topic, self._site(site)).inc(number)
        for (topic, reason), number in framed.discarded.items():
            self._discarded.labels(topic, reason).inc(number)

    def overruns(self, total: int) -> None:
        """Set the number of times a source was read on."""
        self._overruns.inc(total - self._known_overruns)
        self._known_overruns = total

    def _site(self, site: str) -> str:
        if site not in self._sites:
            if len(self._sites) >= MAX_SITES:
                return OTHER_SITES
            self._sites.add(site)
        return site
