"""deploy/kubernetes: valid for Kubernetes, KEDA and the Prometheus operator, and of one mind with the settings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from prometheus_client import CollectorRegistry

from pipeline.cli.main import COMMANDS
from pipeline.config.namespace import Mode, new_namespace
from pipeline.config.policy import load_policy
from pipeline.config.settings import Settings, load_settings
from pipeline.kafka.acls import Process
from pipeline.worker.metrics import WorkerMetrics
from tests.deploy.known import ROOT, pinned, settings_variables

FOLDER = ROOT / "deploy" / "kubernetes"
SCHEMAS = Path(__file__).parent / "schemas"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS = sorted(set(FOLDER.glob("*.yaml")) - {FOLDER / "kustomization.yaml"})
OBJECTS: list[dict[str, Any]] = [one for file in MANIFESTS for one in yaml.safe_load_all(file.read_text())]
CUSTOM = {"ScaledObject", "PodMonitor"}
PROCESSES = ("ingest", "worker", "serve", "learner")


def named(one: dict[str, Any]) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["kind"] == kind]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in OBJECTS:
        if "template" in one["spec"]:
            yield named(one), one["spec"]["template"]["spec"]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


PODS = dict(pods())
POD_OF = {name.rpartition("-")[2]: pod for name, pod in PODS.items()}


def settings() -> Settings:
    return load_settings(FOLDER / "settings.toml", {})


@pytest.mark.parametrize("one", [one for one in OBJECTS if one["kind"] not in CUSTOM], ids=named)
def test_kubernetes_takes_it_and_knows_every_field(one: dict[str, Any]) -> None:
    kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("kind", sorted(CUSTOM))
def test_the_operators_take_theirs_and_know_every_field(kind: str) -> None:
    schema = json.loads((SCHEMAS / f"{kind.lower()}.json").read_text())
    for one in of_kind(kind):
        jsonschema.validate(one, schema)


def test_the_kustomization_has_every_file() -> None:
    assert sorted(KUSTOMIZATION["resources"]) == [file.name for file in MANIFESTS]
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    for file in generated["files"]:
        assert (FOLDER / file).is_file()
    assert {one["name"] for one in KUSTOMIZATION["images"]} == {
        container["image"].rpartition(":")[0] for pod in PODS.values() for container in containers(pod)
    }


def test_every_config_map_is_made_and_no_secret_is_in_these_files() -> None:
    made = {one["name"] for one in KUSTOMIZATION["configMapGenerator"]}
    mounted = [volume for pod in PODS.values() for volume in pod["volumes"]]
    assert {volume["configMap"]["name"] for volume in mounted if "configMap" in volume} == made
    assert not of_kind("Secret")
    variables = [one for pod in PODS.values() for container in containers(pod) for one in container["env"]]
    secret = [one for one in variables if one["name"].startswith(("KAFKA_SASL", "REDIS"))]
    assert secret
    assert all("secretKeyRef" in one["valueFrom"] and "value" not in one for one in secret)


def test_the_settings_are_valid_and_so_is_the_policy_where_they_say_it_is() -> None:
    found = settings()
    assert found.kafka.security_protocol == "SASL_SSL"
    assert found.topics.replication_factor == 3
    mount = "/etc/pipeline/"
    load_policy(FOLDER / found.policy.file.removeprefix(mount))
    for pod in PODS.values():
        for container in containers(pod):
            places = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
            assert places[mount.rstrip("/")] == "settings"
            assert str(Path(found.kafka.ssl_cafile).parent) in places
            assert {one["name"]: one.get("value") for one in container["env"]}[
                "PIPELINE_CONFIG"
            ] == f"{mount}settings.toml"


@pytest.mark.parametrize("name", PODS)
def test_no_volume_is_mounted_inside_a_read_only_one(name: str) -> None:
    for container in containers(PODS[name]):
        paths = sorted(Path(one["mountPath"]) for one in container["volumeMounts"])
        assert not [inner for outer in paths for inner in paths if outer in inner.parents]


@pytest.mark.parametrize("name", PODS)
def test_each_container_runs_a_command_with_settings_that_exist(name: str) -> None:
    for container in containers(PODS[name]):
        assert container["args"][0] in COMMANDS
        assert {one["name"] for one in container["env"]} <= settings_variables() | {"REDIS_URL"}
        assert pinned(container["image"])


@pytest.mark.parametrize("name", PODS)
def test_each_pod_is_confined(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # a service `pipeline-redis` would set PIPELINE_REDIS_PORT
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text()
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        writable = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
        assert writable <= {"/tmp", "/var/lib/pipeline"}


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_has_a_user_of_its_own_and_is_asked_where_it_listens(process: str) -> None:
    (container,) = POD_OF[process]["containers"]
    users = {
        one["valueFrom"]["secretKeyRef"]["name"] for one in container["env"] if one["name"].startswith("KAFKA_SASL")
    }
    assert users == {f"pipeline-kafka-{Process(process)}"}
    (port,) = container["ports"]
    assert port == {"name": "metrics", "containerPort": getattr(settings().metrics, f"{process}_port")}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    targets = yaml.safe_load((ROOT / "deploy/prometheus/targets/pipeline.yml").read_text())
    assert f"{process}:{port['containerPort']}" in [target for group in targets for target in group["targets"]]


def test_a_worker_keeps_its_name_and_its_state_through_a_restart() -> None:
    (container,) = POD_OF["worker"]["containers"]
    (name,) = [one for one in container["env"] if one["name"] == "PIPELINE_WORKER_INSTANCE_ID"]
    assert name["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    (workers,) = of_kind("StatefulSet")
    (claim,) = workers["spec"]["volumeClaimTemplates"]
    assert {one["mountPath"] for one in container["volumeMounts"] if one["name"] == claim["metadata"]["name"]} == {
        "/var/lib/pipeline"
    }
    assert "PIPELINE_WORKER_DATA_DIR=/var/lib/pipeline" in (ROOT / "Dockerfile").read_text()
    start = 20  # seconds, of a process and its restore from where it was
    assert settings().worker.session_timeout >= 1000 * start
    assert settings().worker.session_timeout <= 1000 * POD_OF["worker"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("process", PROCESSES)
def test_a_drained_node_takes_one_of_them_at_a_time(process: str) -> None:
    (budget,) = [one for one in of_kind("PodDisruptionBudget") if one["metadata"]["name"] == f"pipeline-{process}"]
    (owner,) = [
        one for one in OBJECTS if "template" in one["spec"] and one["metadata"]["name"] == f"pipeline-{process}"
    ]
    assert budget["spec"]["maxUnavailable"] == 1
    selected = budget["spec"]["selector"]["matchLabels"]
    assert selected == owner["spec"]["selector"]["matchLabels"] == owner["spec"]["template"]["metadata"]["labels"]


def test_keda_scales_the_workers_by_our_lag_and_never_beyond_the_partitions() -> None:
    (scaled,) = of_kind("ScaledObject")
    (workers,) = of_kind("StatefulSet")
    target = scaled["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("StatefulSet", workers["metadata"]["name"])
    assert "replicas" not in workers["spec"]
    assert 2 <= scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"] <= settings().topics.partitions
    (trigger,) = scaled["spec"]["triggers"]
    registry = CollectorRegistry()
    WorkerMetrics(registry, new_namespace("live", Mode.LIVE, 1))
    (lag,) = [family.name for family in registry.collect() if family.name.endswith("_lag_records")]
    assert f'{lag}{{job="pipeline"}}' in trigger["metadata"]["query"]


def test_prometheus_knows_the_pods_as_the_alerts_do() -> None:
    (monitor,) = of_kind("PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"
    assert 'job="pipeline"' in (ROOT / "deploy/prometheus/rules/pipeline.yml").read_text()
    for name in PROCESSES:
        (owner,) = [
            one for one in OBJECTS if "template" in one["spec"] and one["metadata"]["name"] == f"pipeline-{name}"
        ]
        labels = owner["spec"]["template"]["metadata"]["labels"]
        assert labels == {"app.kubernetes.io/name": "pipeline", "app.kubernetes.io/component": name}
    assert [one["targetLabel"] for one in endpoint["relabelings"]] == ["process"]
    (policy,) = of_kind("NetworkPolicy")
    assert policy["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": endpoint["port"]}]
