"""The registry of a process's metrics."""

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector


def process_registry() -> CollectorRegistry:
    """A new registry that already knows memory, CPU, descriptors and start time of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
