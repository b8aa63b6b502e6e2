"""deploy/prometheus: valid, each alert tested and in the runbook, and all of it true of the real processes."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import pytest
import yaml

from pipeline.config.durations import HOUR, SECOND, Millis
from pipeline.config.namespace import Mode
from pipeline.config.policy import ANY_SITE, CartPolicy, OrderPolicy, Policy, SitePolicy
from pipeline.config.settings import KafkaSettings, NamespaceSettings, Settings, TopicSettings
from pipeline.events.click import PageView
from pipeline.events.customer import Channel
from pipeline.events.message import MessageComplained, MessageSent
from pipeline.learning.heads import HEADS
from pipeline.local.ports import free_port
from pipeline.scoring.example import FORMAT, Example
from pipeline.serve.valkey import start_valkey
from pipeline.simulator.happening import CLICKS, MESSAGES, Happening
from pipeline.triggers.contract import Kind, trigger_id
from tests.deploy.prometheus import (
    DEPLOY,
    RULES,
    Prometheus,
    fetch,
    metric_names,
    needs_prometheus,
    promtool,
    rules,
    run_prometheus,
    serve_textfile,
    until,
)
from tests.faults.processes import Stage
from tests.faults.test_orders import SITE, cart, grant, happening, now, order, publish
from tests.learner.toys import feed

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = DEPLOY.parent / "grafana" / "dashboards" / "pipeline.json"
RULE_TESTS = sorted((DEPLOY / "rule_tests").glob("*.yml"))
QUIET = "quiet"
"""A site whose orders are silent after a second."""
STEP = 2 * SECOND
PROCESSES = ("ingest", "worker", "serve", "learner")


# -- the files ---------------------------------------------------------------------------------------------------


@needs_prometheus
def test_promtool_finds_nothing_wrong_with_the_configuration_and_the_rules() -> None:
    for arguments in (("config", str(DEPLOY / "prometheus.yml")), ("rules", "--lint-fatal", str(RULES))):
        done = promtool("check", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_each_alert_fires_when_it_should_and_not_in_the_healthy_case_beside_it() -> None:
    done = promtool("test", "rules", *map(str, RULE_TESTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_to_fire() -> None:
    tests = [test for file in RULE_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    fired = {
        (case["alertname"], *sorted(alert["exp_labels"].get(name, "") for name in ("severity", "anomaly", "missing")))
        for test in tests
        for case in test["alert_rule_test"]
        for alert in case.get("exp_alerts", ())
    }
    assert fired == {
        (rule["alert"], *sorted(rule["labels"].get(name, "") for name in ("severity", "anomaly", "missing")))
        for rule in rules()
    }


def test_each_alert_has_its_place_in_the_runbook_and_the_runbook_has_no_other() -> None:
    headings = re.findall(r"^## (\w+)$", (DOCS / "runbook.md").read_text(), re.MULTILINE)
    assert headings == list(dict.fromkeys(rule["alert"] for rule in rules()))
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_each_entry_of_the_runbook_says_what_to_do() -> None:
    text = (DOCS / "runbook.md").read_text()
    for entry in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name = entry.split("\n", 1)[0]
        for part in ("**Means.**", "**First.**", "**Confirm.**", "**Mend.**"):
            assert part in entry, f"{name} has no {part}"


# -- the real thing ----------------------------------------------------------------------------------------------


class Watched(NamedTuple):
    """A pipeline that has done its work, and the Prometheus that watched it."""

    stage: Stage
    ports: dict[str, int]
    prometheus: Prometheus

    def get(self, process: str, path: str = "metrics") -> str:
        return fetch(f"http://127.0.0.1:{self.ports[process]}/{path}")


def policy() -> Policy:
    def site(silent_after: int) -> SitePolicy:
        order = OrderPolicy(silent_after=Millis(silent_after))
        return SitePolicy(cart=CartPolicy(steps=(Millis(STEP), Millis(HOUR))), order=order)

    return Policy({ANY_SITE: site(1000 * HOUR), QUIET: site(SECOND)})


@pytest.fixture(scope="module")
def watched(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """All processes on a live namespace, each part of which has happened once."""
    folder = tmp_path_factory.mktemp("watched")
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers=broker),
        namespace=NamespaceSettings(f"t-{uuid4().hex[:12]}"),
        topics=TopicSettings(partitions=2),
    )
    ports = {process: free_port() for process in PROCESSES}
    environment = {f"PIPELINE_METRICS_{process.upper()}_PORT": str(port) for process, port in ports.items()}
    environment["PIPELINE_INGEST_WATERMARK_SLACK"] = "200ms"
    textfile = folder / "verify.prom"
    with (
        start_valkey(free_port()) as valkey,
        Stage(settings, folder, policy(), Mode.LIVE, REDIS_URL=valkey.url, **environment) as stage,
        serve_textfile(textfile) as verify_port,
        run_prometheus(folder / "prometheus", free_port(), ports, verify_port) as prometheus,
    ):
        watched = Watched(stage, ports, prometheus)
        for process in ports:
            stage.start(process, process)
        for process in ports:
            until(f"{process} is ready", lambda process=process: answers(watched, process))
        live(watched)
        done = stage.run("verify", "--textfile", str(textfile))
        assert done.returncode == 0, done.stdout + done.stderr
        # A rate needs two scrapes; what comes last is the file of verify.
        until(
            "verify is scraped", lambda: bool(prometheus.query("count_over_time(pipeline_verify_differences[1m]) > 2"))
        )
        yield watched


def answers(watched: Watched, process: str) -> bool:
    try:
        return json.loads(watched.get(process, "readyz"))["ok"]
    except OSError:
        return False


def live(watched: Watched) -> None:
    """All that a pipeline counts, once: who is told, who may not be, who bought before, what cannot be used."""
    stage, start = watched.stage, now()
    told, unasked = cart("told", start), cart("unasked", start)
    publish(stage, [grant("told", start), told, told, unasked, view("looker", start), elsewhere(view("looker", start))])
    stage.send([(CLICKS, 0, b"key", b"{", start)])
    emitted = 'pipeline_decisions_total{outcome="emitted",kind="cart_abandoned"} > 0'
    until("the cart is emitted", lambda: bool(watched.prometheus.query(emitted)))
    identity = trigger_id(SITE, Kind.CART_ABANDONED, told.event.event_id, 1)
    report = {"trigger_id": identity, "channel": Channel.EMAIL}
    later = now()
    publish(stage, [happening(MESSAGES, MessageSent, "told", later, **report)])
    publish(stage, [elsewhere(one) for one in (grant("waits", later), cart("waits", later), view("looker", later))])
    until("the report is read", lambda: bool(watched.prometheus.query('pipeline_messages_total{result="sent"} > 0')))
    publish(stage, [order("told", start + 1)])  # a till that reports late
    until("the order is read", lambda: bool(watched.prometheus.query("pipeline_messages_after_order_total > 0")))
    publish(stage, [happening(MESSAGES, MessageComplained, "told", now(), **report)])
    asyncio.run(feed(stage.settings, [b"no example", *learnable(1_200)]))
    learned = 'pipeline_model_auc{head="intent"} > 0.6'
    until("the learner has published", lambda: bool(watched.prometheus.query(learned)))
    until("a site is held", lambda: bool(watched.prometheus.query("pipeline_site_held == 1")))


def learnable(number: int) -> list[Example]:
    """Examples of a head of this release: who does much in a visit buys, and nobody else. Of half it was said so."""
    spec, start = HEADS["intent"].spec, now()
    inputs = [(float(n % 2 * 9),) * len(spec.inputs) for n in range(number)]
    said = [(None, 0) if n % 4 < 2 else (3.0 if n % 2 else -3.0, 1) for n in range(number)]
    return [
        Example(FORMAT, "intent", SITE, str(n), 0, start, start + 1, spec.hash, inputs[n], n % 2, 1.0, *said[n])
        for n in range(number)
    ]


def view(who: str, at_ms: int) -> Happening:
    """A click."""
    return happening(CLICKS, PageView, who, at_ms, page="/")


def elsewhere(told: Happening) -> Happening:
    """The same on the other site."""
    event = msgspec.structs.replace(told.event, site_id=QUIET)
    return told._replace(key=told.key.replace(SITE, QUIET, 1), event=event)


@needs_prometheus
@pytest.mark.parametrize("process", PROCESSES)
def test_promtool_finds_nothing_wrong_with_the_metrics_of_a_process(watched: Watched, process: str) -> None:
    done = promtool("check", "metrics", given=watched.get(process))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_prometheus
@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_that_works_is_alive_and_ready(watched: Watched, process: str) -> None:
    assert json.loads(watched.get(process, "healthz")) == {"ok": True, "missing": []}
    assert json.loads(watched.get(process, "readyz")) == {"ok": True, "missing": []}


@needs_prometheus
def test_each_alert_is_evaluated_on_series_that_are_there(watched: Watched) -> None:
    evaluated = watched.prometheus.rules()
    assert len(evaluated) == len(rules())
    for rule in evaluated:
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule["name"]
        for name in metric_names(rule["query"]):
            assert watched.prometheus.query(f"count({name})"), f"{rule['name']}: there is no {name}"


@needs_prometheus
def test_the_alerts_say_what_is_wrong_and_nothing_else(watched: Watched) -> None:
    active = {rule["name"]: rule["alerts"] for rule in watched.prometheus.rules() if rule["alerts"]}
    assert [alert["labels"]["site"] for alert in active["OrdersSilent"]] == [QUIET]
    # One mail of one went to who had ordered; one click of few was no event.
    assert active.keys() <= {"OrdersSilent", "MailAfterOrder", "DiscardsHigh", "ComplaintsHigh", "LatencySLO"}


HAPPENED = (
    'pipeline_rebalances_total{process="ingest"} >= 1',
    'pipeline_rebalances_total{process="worker"} >= 1',
    'sum(pipeline_events_received_total{topic="shop.carts",site="shop"}) == 3',
    'pipeline_events_discarded_total{topic="shop.clicks",reason="not_json",process="ingest"} == 1',
    'pipeline_events_discarded_total{topic="shop.carts",reason="duplicate",process="worker"} == 1',
    'pipeline_decisions_total{kind="cart_abandoned",outcome="suppressed",reason="no_permission",mode="live"} == 1',
    'pipeline_decisions_total{kind="cart_abandoned",outcome="held",reason="orders_silent",mode="live"} == 1',
    'pipeline_triggers_cancelled_total{kind="cart_abandoned",reason="ordered",after_send="true"} == 1',
    'pipeline_messages_after_order_total{kind="cart_abandoned"} == 1',
    'pipeline_messages_total{channel="email",result="sent"} == 1',
    'pipeline_event_to_trigger_seconds_count{kind="cart_abandoned"} >= 1',
    'pipeline_timer_lateness_seconds_count{kind="cart_abandoned"} >= 1',
    'sum(pipeline_transactions_total{outcome="commit"}) >= 4',
    "count(pipeline_restore_remaining_rows == 0) == 2",
    "min(pipeline_state_bytes) > 0",
    "max(pipeline_log_clock_lag_seconds) < 30",
    "max(pipeline_source_watermark_lag_seconds) < 30",
    'max(time() - pipeline_site_last_event_timestamp_seconds{site="shop",topic="shop.orders"}) < 120',
    "pipeline_verify_differences == 0",
    'pipeline_model_examples_total{head="intent",scored="false"} == 600',
    'pipeline_model_served_share{head="intent"} == 0.5',
    'pipeline_model_served_log_loss_ratio{head="intent"} < 0.1',
    'pipeline_model_served_auc{head="intent"} == 1',
    'pipeline_model_served_calibration_error{head="intent"} < 0.1',
    'pipeline_model_refused_total{head="",reason="unreadable"} == 1',
    'pipeline_model_log_loss_ratio{head="intent"} < 0.9',
    'time() - pipeline_model_snapshot_timestamp_seconds{head="intent"} < 120',
    "max(pipeline_learner_lag_records) == 0",
)


@needs_prometheus
@pytest.mark.parametrize("fact", HAPPENED)
def test_what_happened_is_counted(watched: Watched, fact: str) -> None:
    assert watched.prometheus.query(fact)


@needs_prometheus
def test_no_metric_names_a_person(watched: Watched) -> None:
    for process in watched.ports:
        text = watched.get(process)
        assert not re.search(r'"[^"]*\b(told|unasked|looker|waits)\b[^"]*"', text), process


PANELS = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


@needs_prometheus
@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_each_query_of_the_dashboard_returns_series(watched: Watched, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert watched.prometheus.query(target["expr"].replace("$__rate_interval", "1m")), target["expr"]


def documented() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric in the table of docs/operations.md."""
    row = re.compile(r"^\| `(pipeline_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
    found = row.findall((DOCS / "operations.md").read_text())
    return {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in found}


def exposed(text: str) -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric of ours that a process shows."""
    kinds = dict(re.findall(r"^# TYPE (pipeline_\w+) (\w+)$", text, re.MULTILINE))
    found = {}
    for name, kind in kinds.items():
        series = re.findall(rf"^{name}(?:_bucket|_count|_sum)?(?:\{{(.*)\}})? \S+$", text, re.MULTILINE)
        labels = {label for one in series for label in re.findall(r'(\w+)="', one)} - {"le"}
        found[name] = (kind, labels)
    return found


@needs_prometheus
def test_the_metrics_are_those_that_the_documentation_lists(watched: Watched) -> None:
    shown: dict[str, tuple[str, set[str]]] = {}
    for text in (*map(watched.get, watched.ports), (watched.stage.folder.parent / "verify.prom").read_text()):
        shown |= exposed(text)
    assert shown == documented()
