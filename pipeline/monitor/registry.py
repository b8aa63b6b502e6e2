"""The registry of a process's metrics."""

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, disable_created_metrics


def process_registry() -> CollectorRegistry:
    """A new registry that already knows memory, CPU, descriptors and start time of this process.

    Without a series for the time at which each other series was made: Prometheus has no use for them.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves this one untyped
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
