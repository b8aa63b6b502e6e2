"""From examples to what is scored with, on a real Kafka: exactly once, through kills, poison and operators."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner
from msgspec.structs import replace

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.config.namespace import EXAMPLES, LOG, MODELS
from pipeline.config.settings import MetricsSettings, Settings
from pipeline.heads.table import SPECS
from pipeline.ingest.run import run_ingest
from pipeline.kafka.clients import admin_client, reader
from pipeline.kafka.ranges import read_range
from pipeline.learner.desk import Cadence
from pipeline.learner.run import run_learner
from pipeline.local.ports import free_port
from pipeline.log.frames import FrameKind, decode_frame
from pipeline.log.models import served_key, version_key
from pipeline.log.rows import ModelRow
from pipeline.scoring.example import Example
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import Quality, Snapshot, encode_snapshot
from pipeline.verify.run import verify
from tests.learner.toys import (
    BY_COUNT,
    HEADS,
    SPEC,
    examples,
    feed,
    learning,
    served,
    shelf,
    tell,
    uninterrupted,
    until,
)

SettingsOf = Callable[..., Settings]
ROOT = Path(__file__).parents[2]


def test_examples_become_a_snapshot_that_scores(settings: Settings) -> None:
    async def play() -> None:
        known = examples(300)
        async with learning(settings):
            await feed(settings, known)
            found = await served(settings, 3)
        head, wanted = found.head("toy"), uninterrupted(known)
        assert {version: kept.body for version, kept in head.kept.items()} == {
            version: kept.body for version, kept in wanted._kept.items()
        }
        assert head.served is not None
        assert Scorer(SPEC, head.served.snapshot).version == 3
        position = found.position()
        assert position is not None
        assert position.offsets[0] >= 300

    asyncio.run(play())


def killed_after(settings: Settings, folder: Path, name: str, version: int) -> None:
    """Start a learner, and kill it as a power cut would once it serves this version."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "PIPELINE_"))},
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "PIPELINE_NAMESPACE_NAME": settings.namespace.name,
    }
    with (folder / name).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.learner.toy_learner"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        asyncio.run(served(settings, version))
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (folder / name).read_text()


def test_a_learner_that_is_killed_goes_on_byte_for_byte(settings: Settings, tmp_path: Path) -> None:
    known = examples(1_450)
    asyncio.run(feed(settings, known[:330]))
    killed_after(settings, tmp_path, "first", 3)
    asyncio.run(feed(settings, known[330:790]))
    killed_after(settings, tmp_path, "second", 7)
    asyncio.run(feed(settings, known[790:]))
    killed_after(settings, tmp_path, "third", 14)
    kept, wanted = asyncio.run(shelf(settings)).head("toy").kept, uninterrupted(known)._kept
    assert sorted(wanted) == [1, 11, 12, 13, 14]
    assert {version: kept[version].body for version in wanted} == {version: one.body for version, one in wanted.items()}


def test_a_restart_without_new_examples_publishes_nothing(settings: Settings) -> None:
    quick = Cadence(1_000, 0.5)

    async def play() -> None:
        async with learning(settings, quick):
            await feed(settings, examples(30))
            first = await served(settings, 1)
        for _ in range(2):
            async with learning(settings, quick):
                await asyncio.sleep(1.5)
        found = await shelf(settings)
        assert found.head("toy") == first.head("toy")

    asyncio.run(play())


def test_what_cannot_be_learned_is_counted_and_the_rest_is_learned(settings: Settings) -> None:
    port = free_port()
    watched = replace(settings, metrics=MetricsSettings(learner_port=port))
    good = examples(100)
    poison: list[Example | bytes] = [
        b"\xc1",
        b"",
        replace(good[0], head="unheard-of"),
        replace(good[0], spec="other"),
        replace(good[0], label=2),
        replace(good[0], inputs=(-5.0,)),
        replace(good[0], inputs=(float("nan"),)),
    ]

    async def play() -> str:
        async with learning(watched):
            await feed(settings, [*good[:50], *poison, *good[50:]])
            found = await served(settings, 1)
            assert found.head("toy").kept[1].body == uninterrupted(good).newest.body
            url = f"http://127.0.0.1:{port}/metrics"
            return (await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())).decode()

    text = asyncio.run(play())
    for head, reason, number in (
        ("", "unreadable", 2),
        ("", "unknown_head", 1),
        ("toy", "spec", 1),
        ("toy", "invalid", 3),
    ):
        assert f'pipeline_model_refused_total{{head="{head}",reason="{reason}"}} {number}.0' in text
    assert 'pipeline_model_examples_total{head="toy",scored="false"} 104.0' in text
    assert 'pipeline_learner_lag_records{partition="0"} 0.0' in text
    assert 'pipeline_model_label_delay_seconds_sum{head="toy"} 6240.0' in text
    assert 'pipeline_model_version{head="toy"} 1.0' in text


def test_a_snapshot_is_in_every_partition_of_the_log_and_nothing_else_of_the_learner_is(settings: Settings) -> None:
    async def play() -> None:
        stop = asyncio.Event()
        ingest = asyncio.create_task(run_ingest(settings, stop))
        try:
            async with learning(settings):
                await feed(settings, examples(100))
                found = await served(settings, 1)
            rows: dict[int, list[ModelRow]] = {0: [], 1: []}

            async def arrived() -> bool:
                for partition in rows:
                    rows[partition] = await models_in_the_log(settings, partition)
                return all(rows.values())

            await until("the snapshot is in the log", arrived)
        finally:
            stop.set()
            await ingest
        body = found.head("toy").served.body
        assert rows == {0: [ModelRow("toy", 1, body)], 1: [ModelRow("toy", 1, body)]}
        report = await verify(settings)
        assert report.clean, list(report.first())

    asyncio.run(play())


async def models_in_the_log(settings: Settings, partition: int) -> list[ModelRow]:
    tp = TopicPartition(f"{settings.namespace.name}.{LOG}", partition)
    found = []
    async with reader(settings) as consumer:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        async for records in read_range(consumer, tp, 0, end):
            frames = [decode_frame(record.value) for record in records]
            found += [row.event for frame in frames if frame.kind == FrameKind.MODEL for row in frame.rows]
    return found


def test_whoever_starts_last_learns_and_the_one_before_ends_with_one_line(settings: Settings) -> None:
    known = examples(3_000)

    async def play() -> int:
        first = asyncio.create_task(run_learner(settings, asyncio.Event(), HEADS, BY_COUNT))
        await feed(settings, known[:100])
        await served(settings, 1)
        fed = 100
        async with learning(settings):
            while not first.done():
                await feed(settings, known[fed : fed + 100])
                fed += 100
                await served(settings, fed // 100)
        with pytest.raises(UserError, match="another learner of namespace"):
            await first
        return fed

    fed = asyncio.run(play())
    newest = uninterrupted(known[:fed]).newest
    assert newest is not None
    assert asyncio.run(shelf(settings)).head("toy").kept[fed // 100].body == newest.body


@pytest.mark.parametrize("topic", [EXAMPLES, MODELS])
def test_a_topic_that_is_missing_is_named_with_the_command_that_makes_it(settings: Settings, topic: str) -> None:
    async def play() -> None:
        name = f"{settings.namespace.name}.{topic}"
        async with admin_client(settings) as admin:
            await admin.delete_topics([name])
            while name in {one["topic"] for one in await admin.describe_topics()}:
                pass
        with pytest.raises(UserError, match=rf"{topic} does not exist: run `pipeline topics apply --namespace"):
            await run_learner(settings, asyncio.Event(), HEADS)

    asyncio.run(play())


def models(settings: Settings, *arguments: str) -> str:
    """What `pipeline models` says; with its exit code where it fails."""
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    done = CliRunner().invoke(main, ["--namespace", settings.namespace.name, "models", *arguments], env=environment)
    return done.stdout if done.exit_code == 0 else f"{done.exit_code} {done.stderr}"


def test_what_workers_refuse_is_neither_pinned_nor_called_served(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = uninterrupted(examples(200))
    good, bad = desk._kept[2].snapshot, replace(desk._kept[1].snapshot, quality=Quality(100, 0.5, 0.4))
    told = partial(models, settings)

    async def put(key: bytes, snapshot: Snapshot) -> None:
        await tell(settings, key, encode_snapshot(snapshot))

    async def play() -> None:
        await put(version_key("toy", 1), bad)
        await put(version_key("toy", 2), good)
        await put(served_key("toy"), bad)
        await put(served_key("intent"), good)  # of another head than its key

    asyncio.run(play())
    monkeypatch.setitem(SPECS, "toy", SPEC)
    assert told("pin", "toy", "1") == (
        "1 pipeline: toy 1 has a loss of 0.5000, the base rate 0.4000: workers refuse it (model_loss), "
        "nothing was pinned; they would take 2\n"
    )
    assert asyncio.run(shelf(settings)).head("toy").pin == 0
    rows = [line.split() for line in told("list").splitlines()[1:]]
    assert [row[:2] for row in rows] == [["toy", "2"], ["toy", "1"]]
    assert [" ".join(row[-2:]) for row in rows if "refused:" in row] == ["refused: loss"]
    assert told("show", "toy").splitlines()[0].endswith("UTC, refused: loss")
    assert told("show", "intent") == (
        "1 pipeline: intent: what is served of it cannot be read; none are kept, `--version` shows one of them\n"
    )
    assert "beats the base rate over 1,000 examples" in told("rollback", "toy")
    monkeypatch.delitem(SPECS, "toy")
    unheard_of = told("list")
    assert unheard_of.count("refused: unknown_head") == 2
    assert "served" not in unheard_of


def test_an_operator_pins_goes_back_and_lets_go(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECS, "toy", SPEC)
    told = partial(models, settings)
    known = examples(1_000)
    assert told("list").splitlines()[-1].startswith("Nothing was learned in namespace")
    assert told("rollback", "toy").startswith("1 pipeline: there is no model of 'toy'")

    async def play() -> None:
        async with learning(settings):
            await feed(settings, known[:500])
            await served(settings, 5)
            assert "Version 3 of toy is served" in await asyncio.to_thread(told, "rollback", "toy", "--to", "3")
            await served(settings, 3)
            await feed(settings, known[500:800])
            await until("newer versions are kept", has(8))
            assert (await shelf(settings)).head("toy").served.snapshot.version == 3
        # the learner is away: the pin holds at once all the same, and the learner finds it when it comes back
        assert "Version 6 of toy is served" in await asyncio.to_thread(told, "pin", "toy", "6")
        await served(settings, 6)
        assert "99 of toy is not kept: those are 1, 3, 5" in await asyncio.to_thread(told, "pin", "toy", "99")
        async with learning(settings):
            await feed(settings, known[800:])
            await until("newer versions are kept", has(10))
            assert (await shelf(settings)).head("toy").served.snapshot.version == 6
            assert "no longer pinned" in await asyncio.to_thread(told, "unpin", "toy")
            await served(settings, 10)

    def has(version: int):
        async def kept() -> bool:
            return version in (await shelf(settings)).head("toy").kept

        return kept

    asyncio.run(play())
    assert told("unpin", "toy") == "1 pipeline: no version of toy is pinned\n"
    listed = [line.split() for line in told("list").splitlines()]
    assert [row[1] for row in listed[1:]] == ["10", "9", "8", "7", "6", "1"]
    assert [row[1] for row in listed if row[-1] == "served"] == ["10"]
    assert told("show", "toy").startswith("version     10, published ")
