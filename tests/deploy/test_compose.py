"""docker-compose.yml: everything that it names is there, and everything in it agrees with everything else."""

from typing import Any

import pytest
import yaml

from pipeline.cli.main import COMMANDS
from pipeline.config.policy import load_policy
from pipeline.config.settings import load_settings
from pipeline.kafka.jars import KAFKA_VERSION
from tests.deploy.known import ROOT, pinned, settings_variables

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
PROCESSES = ("ingest", "worker", "serve", "learner")


def mounts(service: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Source, target, and whether it is read-only."""
    parts = [mount.split(":") for mount in service.get("volumes", [])]
    return [(part[0], part[1], part[2:] == ["ro"]) for part in parts]


def settings_of(name: str) -> Any:
    return load_settings(None, SERVICES[name]["environment"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there_and_cannot_be_written_to(name: str) -> None:
    for source, _, read_only in mounts(SERVICES[name]):
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert read_only, source
        else:
            assert source in COMPOSE["volumes"]


def test_every_named_volume_is_used() -> None:
    assert {source for service in SERVICES.values() for source, *_ in mounts(service) if "/" not in source} == set(
        COMPOSE["volumes"]
    )


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_to_one_release(name: str) -> None:
    assert pinned(SERVICES[name]["image"])


def test_kafka_is_the_release_that_the_tests_run() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


@pytest.mark.parametrize("name", OURS)
def test_our_processes_get_settings_that_exist_and_a_command_that_exists(name: str) -> None:
    assert SERVICES[name]["environment"].keys() <= settings_variables() | {"REDIS_URL"}
    assert SERVICES[name]["command"][0] in COMMANDS
    settings = settings_of(name)
    host, _, port = settings.kafka.bootstrap_servers.partition(":")
    assert f"PLAINTEXT://:{port}" in SERVICES[host]["environment"]["KAFKA_LISTENERS"].split(",")
    assert settings.redis.url == "redis://valkey:6379/0"


@pytest.mark.parametrize("name", OURS)
def test_our_processes_may_change_nothing_but_their_own_folder(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {target for _, target, read_only in mounts(service) if not read_only} <= {"/var/lib/pipeline"}


def test_the_policy_that_is_mounted_is_one_and_is_where_the_settings_say() -> None:
    policies = {target: source for source, target, _ in mounts(SERVICES["policy"])}
    load_policy(ROOT / policies[settings_of("policy").policy.file])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_others_by_what_they_can_tell(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"].startswith("on-failure")


@pytest.mark.parametrize("process", PROCESSES)
def test_prometheus_and_the_health_check_ask_where_the_process_listens(process: str) -> None:
    port = getattr(settings_of(process).metrics, f"{process}_port")
    targets = yaml.safe_load((ROOT / "deploy/prometheus/targets/pipeline.yml").read_text())
    assert [f"{process}:{port}"] in [group["targets"] for group in targets if group["labels"]["process"] == process]
    assert "PIPELINE_METRICS_HOST=0.0.0.0" in (ROOT / "Dockerfile").read_text()
    assert f"http://127.0.0.1:{port}/readyz" in SERVICES[process]["healthcheck"]["test"][-1]


def test_grafana_finds_its_dashboards_and_the_prometheus_beside_it() -> None:
    targets = {target: ROOT / source for source, target, _ in mounts(SERVICES["grafana"])}
    provisioning = targets["/etc/grafana/provisioning"]
    for file in (provisioning / "dashboards").glob("*.yml"):
        for provider in yaml.safe_load(file.read_text())["providers"]:
            assert list(targets[provider["options"]["path"]].glob("*.json"))
    urls = {
        source["url"]
        for file in (provisioning / "datasources").glob("*.yml")
        for source in yaml.safe_load(file.read_text())["datasources"]
    }
    (port,) = SERVICES["prometheus"]["ports"]
    assert urls == {f"http://prometheus:{port.rpartition(':')[2]}"}


def test_nothing_listens_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
