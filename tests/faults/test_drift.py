"""A world that changes under a head: the learner says so, learns faster, and goes back where it cannot keep up.

A real learner on a real Kafka, watched by a real Prometheus with the alerts of deploy/.
"""

import asyncio
from collections.abc import Iterator
from math import log
from random import Random
from typing import NamedTuple
from uuid import uuid4

import pytest
from msgspec.structs import replace

from pipeline.config.namespace import LOG, Mode
from pipeline.config.settings import KafkaSettings, NamespaceSettings, Settings, TopicSettings
from pipeline.learner.shelf import Shelf
from pipeline.learning.heads import HEADS
from pipeline.learning.state import decode_state
from pipeline.local.ports import free_port
from pipeline.log.frames import FrameKind, decode_frame
from pipeline.log.rows import ModelRow
from pipeline.scoring.example import FORMAT, Example
from pipeline.scoring.scorer import Scorer
from tests.deploy.prometheus import Prometheus, fetch, needs_prometheus, rules, run_prometheus, until
from tests.faults.processes import Stage, patient
from tests.learner.toys import feed, shelf

RISING, FALLING = 0.3, -0.3
MOST = 4
"""Values of the one input that says anything."""


class Watched(NamedTuple):
    """A namespace with its learner and its ingest, and the Prometheus that scrapes the learner."""

    stage: Stage
    port: int
    prometheus: Prometheus

    def feed(self, known: list[Example]) -> None:
        asyncio.run(feed(self.stage.settings, known))

    def shelf(self) -> Shelf:
        return asyncio.run(shelf(self.stage.settings))

    def shows(self, series: str) -> bool:
        """Whether the learner's /metrics have just this line."""
        return f"\n{series}\n" in fetch(f"http://127.0.0.1:{self.port}/metrics")

    def waits_for(self, series: str) -> None:
        until(series, lambda: self.shows(series), 30)

    def alerted(self, alert: str) -> list[str]:
        """The heads of which the expression of an alert returns a series now."""
        expression = next(rule["expr"] for rule in rules() if rule["alert"] == alert)
        return [series["metric"]["head"] for series in self.prometheus.query(expression)]

    def models(self, *arguments: str) -> list[str]:
        """The lines of `pipeline models`."""
        done = self.stage.run("models", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def listed(self, head: str) -> dict[int, str]:
        """The line that `pipeline models list` has of each version of a head."""
        lines = [line for line in self.models("list") if line.startswith(f"{head} ")]
        return {int(line.split()[1]): line.rstrip() for line in lines}

    def in_the_log(self, head: str) -> list[int]:
        """The versions of a head in the log, in their order there."""
        frames = [decode_frame(record.value) for record in self.stage.records(LOG)]
        rows = [row.event for frame in frames if frame.kind == FrameKind.MODEL for row in frame.rows]
        return [row.version for row in rows if isinstance(row, ModelRow) and row.head == head]


@pytest.fixture(scope="module")
def watched(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder, port = tmp_path_factory.mktemp("drift"), free_port()
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers=broker),
        namespace=NamespaceSettings(f"t-{uuid4().hex[:12]}"),
        topics=TopicSettings(partitions=1),
    )
    with (
        Stage(settings, folder, patient(), Mode.LIVE, PIPELINE_METRICS_LEARNER_PORT=str(port)) as stage,
        run_prometheus(folder / "prometheus", free_port(), {"learner": port}, free_port()) as prometheus,
    ):
        stage.learner()
        stage.ingest()
        yield Watched(stage, port, prometheus)


@needs_prometheus
def test_a_relation_that_turns_round_raises_the_alarm_and_is_learned_anew(watched: Watched) -> None:
    drift, flagged = 'pipeline_model_drift{head="intent"}', lambda: watched.alerted("ModelDrifting") == ["intent"]
    watched.feed(told("intent", "carts", RISING, 2_000, seed=1))
    until("what was told is learned", lambda: trained(watched, "intent") == 2_000)
    assert watched.shows(f"{drift} 0.0")
    assert not flagged()
    before = slowness(watched, "intent")

    watched.feed(told("intent", "carts", FALLING, 400, seed=2))
    watched.waits_for(f"{drift} 1.0")
    until("the alert sees it", flagged)
    until("what was told is learned", lambda: trained(watched, "intent") == 2_400)
    assert slowness(watched, "intent") < before, "the learning rate was not raised"
    listed = watched.listed("intent")
    assert listed[max(listed)].endswith("served, drifting"), "an alarm swaps no model"
    assert not any("drifting" in line for version, line in listed.items() if version <= 10)
    assert watched.models("show", "intent")[0].endswith("UTC, served, drifting")

    watched.feed(told("intent", "carts", FALLING, 3_000, seed=3))
    watched.waits_for(f"{drift} 0.0")
    until("the alert sees it", lambda: not flagged())
    served = watched.shelf().head("intent").served
    assert served is not None
    few, many = (chance(Scorer(HEADS["intent"].spec, served.snapshot), "carts", value) for value in (0, MOST - 1))
    assert few > 0.8
    assert many < 0.2


@needs_prometheus
def test_a_world_that_keeps_turning_is_answered_by_the_last_version_that_was_better(watched: Watched) -> None:
    known = told("cart", "lines", RISING, 1_200, seed=1)
    for turn in range(30):
        known += told("cart", "lines", RISING if turn % 2 else FALLING, 100, seed=100 + turn)
    watched.feed(known)
    until("the newest is scored with, poor as it is", lambda: watched.in_the_log("cart")[-1:] == [21])
    watched.feed(told("cart", "lines", RISING, 400, seed=2))
    until("what was told is learned", lambda: trained(watched, "cart") == 4_600)
    watched.waits_for('pipeline_model_held{head="cart",reason="loss"} 1.0')
    until("the alert sees it", lambda: watched.alerted("ModelWorseThanBaseRate") == ["cart"])
    kept = watched.shelf().head("cart")
    assert kept.served is not None
    back, newest = kept.served.snapshot, kept.kept[max(kept.kept)].snapshot
    assert back.quality.loss <= back.quality.base_loss
    assert newest.quality.loss > newest.quality.base_loss
    listed = watched.listed("cart")
    assert listed[back.version].endswith("served")
    assert "refused: loss" in listed[newest.version]
    until("the log has what was gone back to", lambda: watched.in_the_log("cart")[-1] == back.version)
    assert back.version < 21

    watched.feed(told("cart", "lines", RISING, 1_000, seed=3))
    watched.waits_for('pipeline_model_held{head="cart",reason="loss"} 0.0')
    served = watched.shelf().head("cart").served
    assert served is not None
    assert served.snapshot.version > newest.version
    until("the alert sees it", lambda: watched.alerted("ModelWorseThanBaseRate") == [])


@needs_prometheus
def test_a_version_that_has_grown_old_is_told_of_though_the_learner_does_better(watched: Watched) -> None:
    said = [log(chance / (1 - chance)) for chance in (0.5 + RISING * (value - (MOST - 1) / 2) for value in range(MOST))]
    place = HEADS["reorder"].spec.places["items"]
    known = told("reorder", "items", FALLING, 2_000, seed=1)
    watched.feed([replace(one, served=said[int(one.inputs[place])], version=1) for one in known])
    until("what was told is learned", lambda: trained(watched, "reorder") == 2_000)
    until("the alert sees it", lambda: watched.alerted("ServedWorseThanBaseRate") == ["reorder"])
    assert watched.shows('pipeline_model_served_share{head="reorder"} 1.0')
    assert "reorder" not in watched.alerted("ModelWorseThanBaseRate")


def trained(watched: Watched, head: str) -> int:
    """Examples of a head that the learner has committed as learned."""
    checkpoint = watched.shelf().checkpoint(head)
    return 0 if checkpoint is None else decode_state(checkpoint.state).trained


def slowness(watched: Watched, head: str) -> float:
    """AdaGrad's sums, as stored: they only ever grow, and a step is the smaller the larger they are."""
    checkpoint = watched.shelf().checkpoint(head)
    assert checkpoint is not None
    return sum(sum(expert.g2.values()) for expert in decode_state(checkpoint.state).experts)


def chance(scorer: Scorer, decider: str, value: int) -> float:
    """What a snapshot says where the one input has this value."""
    inputs = [0] * len(scorer.spec.inputs)
    inputs[scorer.spec.places[decider]] = value
    return scorer.probability(scorer.logit(tuple(inputs), scorer.shop("shop")))


def told(head: str, decider: str, slope: float, number: int, seed: int) -> list[Example]:
    """Examples in which one input decides how likely the label is: ever more with it, or ever less."""
    spec, random, found = HEADS[head].spec, Random(seed), []
    for name in range(number):
        inputs = [0] * len(spec.inputs)
        inputs[spec.places[decider]] = value = random.randrange(MOST)
        label = int(random.random() < 0.5 + slope * (value - (MOST - 1) / 2))
        found.append(Example(FORMAT, head, "shop", f"{seed}-{name}", 0, 0, 60_000, spec.hash, tuple(inputs), label))
    return found
