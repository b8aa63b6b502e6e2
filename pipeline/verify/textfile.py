"""The judgement as a file for node_exporter's textfile collector: how a job that ends tells Prometheus."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from pipeline.config.errors import UserError
from pipeline.verify.report import Report

SUFFIX = ".prom"


def write_textfile(report: Report, namespace: str, file: Path) -> None:
    """Write the differences, kept ones included, and the time. The file is replaced as a whole. Raises UserError.

    A run that does not come to its end leaves the file as it was: its age shows.
    """
    registry = CollectorRegistry()
    Gauge(
        "pipeline_verify_differences",
        "Differences between the log and what came out of it.",
        ["namespace"],
        registry=registry,
    ).labels(namespace).set(report.differences + report.earlier)
    Gauge(
        "pipeline_verify_last_run_timestamp_seconds",
        "When verify last came to its end.",
        ["namespace"],
        registry=registry,
    ).labels(namespace).set_to_current_time()
    try:
        write_to_textfile(str(file), registry)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error


def require_writable(file: Path) -> None:
    """Raises UserError where node_exporter would not read the file, or its folder is missing: before the long work."""
    if file.suffix != SUFFIX:
        raise UserError(f"{file}: node_exporter reads only files that end in {SUFFIX}")
    if not file.parent.is_dir():
        raise UserError(f"{file.parent} is not a folder: make it, and name it to node_exporter")
