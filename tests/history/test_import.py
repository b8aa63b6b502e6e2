"""Past orders through a real Kafka into customers, with the processes running; and what an import refuses."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.config import namespace as names
from pipeline.config.namespace import CHANGELOG, HISTORY, Mode
from pipeline.config.policy import Policy, SitePolicy
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader
from pipeline.kafka.ranges import newest_rows
from pipeline.kafka.topics import apply
from pipeline.log.persons import customer_key, partition_of
from pipeline.operate.status import read_status
from pipeline.state.codec import decode_customer
from pipeline.state.customer import Customer
from pipeline.state.orders import OrderState
from pipeline.verify.run import verify
from tests.faults.processes import Stage
from tests.history.reading import at

SettingsOf = Callable[..., Settings]
EXAMPLE = Path(__file__).parents[2] / "examples" / "history.csv"
SITE = "my-shop"
SOON = datetime.now(UTC) + timedelta(days=30)
READY = Policy({"*": SitePolicy(), SITE: SitePolicy(go_live_at=SOON)})


@pytest.fixture
def stage_of(settings_of: SettingsOf, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Sets a live namespace up, whose policy says when its one site goes live unless another is given."""
    with ExitStack() as stages:
        yield lambda policy=READY, mode=Mode.LIVE: stages.enter_context(Stage(settings_of(), tmp_path, policy, mode))


def run(stage: Stage, *args: str) -> Result:
    environment: dict[str, str | None] = {
        "KAFKA_BOOTSTRAP_SERVERS": stage.settings.kafka.bootstrap_servers,
        "PIPELINE_NAMESPACE_NAME": stage.name,
        "PIPELINE_TOPICS_PARTITIONS": "2",
    }
    return CliRunner().invoke(main, ["import", *args], env=environment)


def imported(stage: Stage, *args: str) -> str:
    done = run(stage, *args)
    assert done.exit_code == 0, done.output
    return done.output


def purchase(order_id: str, customer: str) -> tuple[str, int, bytes, bytes, int]:
    """A purchase of this moment, as a shop publishes it."""
    now = time.time_ns() // 1_000_000
    event = {"event_id": order_id, "type": "purchase", "site_id": SITE, "occurred_at": now, "customer_id": customer}
    value = msgspec.json.encode(event | {"order_id": order_id, "value": 500, "currency": "EUR"})
    return "shop.orders", 0, customer.encode(), value, now


def folded(stage: Stage, orders: int) -> None:
    """Wait until so many orders and their news have been read, and all that the log held then is folded."""
    deadline = time.monotonic() + 90
    ends: dict[int, int] = {}
    while time.monotonic() < deadline:
        stage.tend()
        status = asyncio.run(read_status(stage.settings))
        if not ends:
            read = sum(s.records for s in status.sources if s.topic in (HISTORY, "shop.orders") and not s.behind)
            ends = {p.partition: p.position + p.behind for p in status.partitions} if read == orders else {}
        elif all(p.position >= ends[p.partition] and p.customers for p in status.partitions):
            return
        time.sleep(0.3)
    raise AssertionError(status)


def customer_of(stage: Stage, customer_id: str) -> Customer:
    person = customer_key(SITE, customer_id)
    place = TopicPartition(f"{stage.name}.{CHANGELOG}", partition_of(person, 2))

    async def look() -> Any:
        async with reader(stage.settings) as consumer:
            return (await newest_rows(consumer, place, [person.encode()]))[person.encode()].value

    return decode_customer(asyncio.run(look()))


def orders_of(stage: Stage, customer_id: str) -> dict[str, tuple[int, bool]]:
    """By order: when, and whether it was cancelled."""
    orders = customer_of(stage, customer_id).orders
    assert orders is not None
    return {order.id: (order.at, bool(order.state & OrderState.CANCELLED)) for order in orders.recent}


def assert_verified(stage: Stage) -> None:
    report = asyncio.run(verify(stage.settings))
    assert report.clean, list(report.first())


def test_past_orders_become_customers_of_the_running_namespace_once(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of()
    stage.ingest()
    stage.worker()
    told = imported(stage, str(EXAMPLE))
    assert "8 lines, 0 of them not used, from 2023-11-24 to 2024-09-15: 7 events are published, 0 had been" in told
    assert f"Site {SITE} goes live on {SOON:%Y-%m-%d %H:%M} UTC: until then nothing is triggered" in told
    assert "0 events are published, 7 had been before" in imported(stage, str(EXAMPLE), "--site", SITE)
    assert len(stage.records(HISTORY)) == 7
    folded(stage, 7)
    assert orders_of(stage, "c-1042") == {
        "o-1001": (at("2023-11-24T10:12:00+01:00"), False),
        "o-1003": (at("2024-02-10T20:31:00+01:00"), True),
        "o-1005": (at("2024-09-15T12:00:00+02:00"), False),
    }
    bought = customer_of(stage, "c-1042").orders
    assert bought is not None
    assert (bought.count, bought.money) == (2, 11_970 + 11_990)
    refunded = customer_of(stage, "c-2077").orders
    assert refunded is not None
    assert (refunded.count, refunded.money) == (1, 0)
    assert not stage.rejects()
    assert not stage.decisions()
    assert_verified(stage)


def test_a_namespace_of_an_earlier_release_takes_history_after_topics_apply(
    stage_of: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(names, "SOURCES", tuple(topic for topic in names.SOURCES if topic != HISTORY))
        stage = stage_of()
    assert "does not exist: run `pipeline topics apply" in run(stage, str(EXAMPLE)).output
    stage.worker()
    old = stage.ingest(module="tests.history.earlier_ingest")
    people = [f"p{n}" for n in range(8)]
    stage.send([purchase(f"before-{who}", who) for who in people])
    folded(stage, 8)
    assert old.stop() == 0
    stage.send([purchase("meanwhile", "c-1042")])
    applied = asyncio.run(apply(stage.settings, Mode.LIVE))
    assert applied.created == (f"{stage.name}.{HISTORY}",)
    stage.ingest("ingest-now")
    imported(stage, str(EXAMPLE))
    stage.send([purchase("after", "c-2077")])
    folded(stage, 8 + 1 + 7 + 1)
    assert list(orders_of(stage, "c-1042")) == ["o-1001", "o-1003", "o-1005", "meanwhile"]
    assert list(orders_of(stage, "c-2077")) == ["o-1002", "after"]
    assert_verified(stage)


def test_an_import_that_was_stopped_goes_on_where_it_was(stage_of: Callable[..., Stage], tmp_path: Path) -> None:
    stage = stage_of()
    lines = EXAMPLE.read_text().splitlines(keepends=True)
    (tmp_path / "head.csv").write_text("".join(lines[:4]))
    assert "2 events are published, 0 had been before" in imported(stage, str(tmp_path / "head.csv"))
    assert "5 events are published, 2 had been before" in imported(stage, str(EXAMPLE))
    records = stage.records(HISTORY)
    assert len({msgspec.json.decode(record.value)["event_id"] for record in records}) == len(records) == 7
    assert all(abs(record.timestamp / 1000 - time.time()) < 600 for record in records)


def refused(done: Result, *words: str) -> None:
    assert done.exit_code == 1, done.output
    assert done.output.startswith("pipeline: ")
    assert done.output.count("\n") == 1
    for word in words:
        assert word in done.output


def test_an_import_needs_a_time_to_go_live_in_the_policy_in_force(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(Policy())
    refused(run(stage, str(EXAMPLE)), "say whose orders these are with --site: the policy names none")
    words = f"write go_live_at = 2027-01-15T09:00:00+01:00 under [site.{SITE}], and publish it with `pipeline policy"
    refused(run(stage, str(EXAMPLE), "--site", SITE), words)
    stage.say_policy(Policy({"*": SitePolicy(), "a": SitePolicy(go_live_at=SOON), "b": SitePolicy()}))
    refused(run(stage, str(EXAMPLE)), "the policy names a, b")
    refused(run(stage, str(EXAMPLE), "--site", "b"), "under [site.b]")
    assert not stage.records(HISTORY)
    assert "goes live on" in imported(stage, str(EXAMPLE), "--site", "a")


def test_an_import_after_the_site_went_live_says_what_its_models_miss(stage_of: Callable[..., Stage]) -> None:
    gone_live = datetime.now(UTC) - timedelta(days=1)
    told = imported(stage_of(Policy({"*": SitePolicy(), SITE: SitePolicy(go_live_at=gone_live)})), str(EXAMPLE))
    assert f"Site {SITE} is live since {gone_live:%Y-%m-%d %H:%M} UTC" in told
    assert "Models learn best of orders that are imported before that" in told


def test_a_namespace_that_is_not_live_is_refused(stage_of: Callable[..., Stage]) -> None:
    refused(run(stage_of(mode=Mode.REPLAY), str(EXAMPLE)), "is a replay namespace, and an import belongs where")


def test_what_cannot_be_imported_as_it_is_is_not_imported_in_part(
    stage_of: Callable[..., Stage], tmp_path: Path
) -> None:
    stage = stage_of()
    lines = EXAMPLE.read_text().splitlines(keepends=True)
    cases = {
        "orders are in USD, the policy of site my-shop counts in EUR: write currency": [
            *lines,
            lines[1].replace("EUR", "USD").replace("o-1001", "o-1"),
        ],
        "line 9: order o-1 is over a day older than one before it of the same customer: sort": [
            *lines[:8],
            lines[1].replace("o-1001", "o-1"),
        ],
        "line 11: order o-3 is over a day older": [
            *lines,
            lines[8].replace("o-1005", "o-2").replace("15T12", "15T02"),
            lines[8].replace("o-1005", "o-3").replace("15T12", "14T11"),
        ],
        "has no order that can be used: line 2: price is not a number": [lines[0], lines[1].replace("89.90", "x")],
        "has neither the columns of past orders": lines[1:],
    }
    for words, content in cases.items():
        (tmp_path / "orders.csv").write_text("".join(content))
        refused(run(stage, str(tmp_path / "orders.csv")), words)
    refused(run(stage, str(tmp_path / "none.csv")), "cannot be read: No such file or directory")
    assert not stage.records(HISTORY)
