"""What a process answers over HTTP."""

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry, Counter

from pipeline.config.errors import ConfigError
from pipeline.config.settings import MetricsSettings
from pipeline.local.ports import free_port
from pipeline.monitor.endpoint import exposed
from pipeline.monitor.health import Health

STALLED_AFTER = 200


@pytest.fixture
def settings() -> MetricsSettings:
    return MetricsSettings(ingest_port=free_port())


@pytest.fixture
def health(settings: MetricsSettings) -> Iterator[Health]:
    registry, health = CollectorRegistry(), Health(STALLED_AFTER)
    Counter("pipeline_things_total", "Things.", registry=registry).inc(3)
    with exposed(settings, "ingest", registry, health):
        yield health


def get(settings: MetricsSettings, path: str) -> tuple[int, str]:
    connection = HTTPConnection(settings.host, settings.ingest_port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_metrics_are_those_of_the_registry(settings: MetricsSettings, health: Health) -> None:
    status, text = get(settings, "/metrics")
    assert status == 200
    assert "\npipeline_things_total 3.0\n" in text


def test_a_process_is_alive_as_long_as_its_loop_turns(settings: MetricsSettings, health: Health) -> None:
    health.turned()
    assert get(settings, "/healthz") == (200, '{"ok": true, "missing": []}\n')
    time.sleep(2 * STALLED_AFTER / 1000)
    status, text = get(settings, "/healthz")
    assert status == 503
    assert json.loads(text) == {"ok": False, "missing": ["the loop has not turned for 0 s"]}
    health.turned()
    assert get(settings, "/healthz")[0] == 200


def test_a_process_is_ready_when_nothing_is_missing(settings: MetricsSettings, health: Health) -> None:
    assert get(settings, "/readyz") == (503, '{"ok": false, "missing": ["it has not started yet"]}\n')
    health.missing = list
    assert get(settings, "/readyz") == (200, '{"ok": true, "missing": []}\n')


def test_other_paths_say_what_there_is(settings: MetricsSettings, health: Health) -> None:
    assert get(settings, "/") == (404, "/metrics, /healthz and /readyz are here\n")


def test_a_port_that_is_taken_is_named_with_its_setting(settings: MetricsSettings, health: Health) -> None:
    taken = rf"^metrics\.ingest_port: cannot listen on 127\.0\.0\.1:{settings.ingest_port}: Address already in use"
    with pytest.raises(ConfigError, match=taken), exposed(settings, "ingest", CollectorRegistry(), health):
        pass


def test_a_port_is_free_again_when_the_process_has_ended(settings: MetricsSettings) -> None:
    for _ in range(2):
        with exposed(settings, "ingest", CollectorRegistry(), Health(STALLED_AFTER)):
            assert get(settings, "/healthz")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        get(settings, "/healthz")


def test_port_0_means_no_endpoint(settings: MetricsSettings) -> None:
    with (
        exposed(MetricsSettings(), "ingest", CollectorRegistry(), Health(STALLED_AFTER)),
        pytest.raises(ConnectionRefusedError),
    ):
        get(settings, "/metrics")
