"""What is sent arrives whole and in order; what is followed is what was committed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection
from pipeline.kafka.topics import apply
from pipeline.operate.follow import from_beginning, from_now
from pipeline.schemas import examples
from pipeline.triggers.contract import encode

SettingsOf = Callable[..., Settings]
EXAMPLES = Path(__file__).parents[2] / "examples"


def pipeline(settings: Settings, *arguments: str, stdin: str | None = None) -> Result:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    return CliRunner().invoke(main, [*arguments, "--namespace", settings.namespace.name], env=environment, input=stdin)


@pytest.fixture
def live(settings_of: SettingsOf) -> Settings:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.LIVE))
    return settings


def records(settings: Settings, topic: str, count: int) -> list:
    async def read() -> list:
        found = []
        async with asyncio.timeout(30), from_beginning(settings, [topic]) as following:
            async for record in following:
                found.append(record)
                if len(found) == count:
                    break
        return found

    return asyncio.run(read())


def test_the_events_of_a_person_go_to_one_partition_in_their_order(live: Settings) -> None:
    like = {"type": "like", "site_id": "s", "occurred_at": "now", "items": []}
    people = [f"c{number % 3}" for number in range(30)]
    lines = [json.dumps(like | {"customer_id": who, "session_id": str(n)}) for n, who in enumerate(people)]
    done = pipeline(live, "send", "-", stdin="\n".join(lines))
    assert done.exit_code == 0, done.output
    assert "30 events are in Kafka" in done.output
    found = records(live, "shop.clicks", 30)
    assert len({json.loads(record.value)["event_id"] for record in found}) == 30
    for who in set(people):
        own = [record for record in found if record.key == f"s|c|{who}".encode()]
        assert len({record.partition for record in own}) == 1
        sessions = [int(json.loads(r.value)["session_id"]) for r in sorted(own, key=lambda r: r.offset)]
        assert sessions == sorted(sessions)


def test_a_file_with_one_bad_line_is_not_sent_unless_that_is_wanted(live: Settings) -> None:
    mistakes = str(EXAMPLES / "mistakes.jsonl")
    done = pipeline(live, "send", mistakes)
    assert done.exit_code == 1
    assert "line 1: $.items[0].price: expected" in done.output
    assert "6 of 7 lines would be refused: nothing was sent" in done.output
    done = pipeline(live, "send", mistakes, "--unchecked")
    assert done.exit_code == 0, done.output
    assert {record.offset for record in records(live, "shop.carts", 2)} == {0, 1}


def test_a_line_without_a_topic_cannot_be_sent(live: Settings) -> None:
    done = pipeline(live, "send", "-", "--unchecked", stdin='{"type": "weather"}\n')
    assert done.exit_code == 1
    assert "nothing says to which topic line 1 goes: nothing was sent" in done.output


def test_a_namespace_whose_time_comes_from_the_data_is_said_to_stand_still(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.TEST))
    done = pipeline(settings, "send", str(EXAMPLES / "first-order.jsonl"))
    assert "1 event is in Kafka" in done.output
    assert "is test: without clock records its time stands still" in done.output


def test_a_missing_namespace_is_said(settings_of: SettingsOf) -> None:
    done = pipeline(settings_of(), "send", str(EXAMPLES / "first-order.jsonl"))
    assert done.exit_code == 1
    assert "does not exist: run `pipeline topics apply" in done.output


def test_only_what_is_committed_is_followed_and_the_end_is_the_count(live: Settings) -> None:
    async def write() -> None:
        producer = AIOKafkaProducer(**connection(live.kafka), transactional_id=live.namespace.name)
        await producer.start()
        topic = f"{live.namespace.name}.triggers.cart_abandoned"
        for abort, trigger in ((True, examples.EMITTED), (False, examples.EMITTED), (False, examples.CANCELLED)):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, encode(trigger), examples.KEY.encode())
            await (producer.abort_transaction() if abort else producer.commit_transaction())
        await producer.stop()

    asyncio.run(write())
    done = pipeline(live, "tail", "triggers", "--from-beginning", "--count", "2")
    emitted, cancelled = done.stdout.splitlines()
    assert "silent" in emitted
    assert "CANCELLED, but it was sent" in cancelled
    done = pipeline(live, "tail", "triggers", "--from-beginning", "--count", "1", "--json")
    assert json.loads(done.stdout)["id"] == examples.EMITTED.id


def test_from_now_on_is_from_now_on(live: Settings) -> None:
    async def run() -> bytes:
        producer = AIOKafkaProducer(**connection(live.kafka))
        await producer.start()
        topic = f"{live.namespace.name}.rejects"
        await producer.send_and_wait(topic, b"before")
        async with asyncio.timeout(30), from_now(live, ["rejects"]) as following:
            await producer.send_and_wait(topic, b"after")
            value = (await anext(following)).value
        await producer.stop()
        return value

    assert asyncio.run(run()) == b"after"


def test_what_a_later_release_wrote_is_said_and_does_not_end_it(live: Settings) -> None:
    async def write() -> None:
        producer = AIOKafkaProducer(**connection(live.kafka))
        await producer.start()
        await producer.send_and_wait(f"{live.namespace.name}.decisions", b"\x01later")
        await producer.stop()

    asyncio.run(write())
    done = pipeline(live, "tail", "decisions", "--from-beginning", "--count", "1")
    assert done.exit_code == 0
    assert "cannot be read by this release" in done.stdout


def test_a_missing_topic_is_said(settings_of: SettingsOf) -> None:
    async def follow() -> None:
        async with from_now(settings_of(), ["rejects"]):
            pass

    with pytest.raises(UserError, match="does not exist"):
        asyncio.run(follow())
