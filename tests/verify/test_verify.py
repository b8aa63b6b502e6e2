"""Verify finds nothing in what is right, and each kind of wrong: lost, doubled, changed, unread."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from pipeline.config.errors import UserError
from pipeline.config.namespace import DECISIONS, LOG, REJECTS
from pipeline.config.settings import Settings
from pipeline.kafka.clients import connection
from pipeline.schemas import examples
from pipeline.triggers.contract import ENGINE_VERSION, Suggestion, Why, encode
from pipeline.verify import evidence
from pipeline.verify.allowed import PART as ALLOWED
from pipeline.verify.report import Finding, Report
from pipeline.verify.run import SOURCES_PART, STATE_PART, verify
from pipeline.verify.suggested import PART
from tests.verify.histories import SHOWN, Tampering, commit_group, poll, write_history

TRIGGERS = "triggers.cart_abandoned"
PERSONALIZATION = "triggers.personalization"
ENGINE_REJECTS = "rejects of the engine"
SUGGESTED = b',"suggestions":[{"item_id":"p8","why":"together","of":"p2"},{"item_id":"p9","why":"together","of":"p2"}]'

SettingsOf = Callable[..., Settings]


def judged(settings: Settings, tampering: Tampering | None = None, keep: Path | None = None) -> Report:
    async def run() -> Report:
        await write_history(settings, tampering)
        return await verify(settings, keep)

    return asyncio.run(run())


def once(wanted: str, change: Callable[[list], list]) -> Callable[[str, list], list]:
    """Change the first non-empty batch of a topic."""
    done: list[str] = []

    def tamper(topic: str, records: list) -> list:
        if topic == wanted and records and not done:
            done.append(topic)
            return change(list(records))
        return records

    return tamper


def once_of(wanted: str, part: bytes, change: Callable[[list], list]) -> Callable[[str, list], list]:
    """Change the first record of a topic that has a part."""
    done: list[str] = []

    def tamper(topic: str, records: list) -> list:
        changed = []
        for record in records:
            hit = topic == wanted and part in record[1] and not done
            changed += change([record]) if hit else [record]
            done.extend([topic] if hit else [])
        return changed

    return tamper


def altered(records: list) -> list:
    key, value, headers = records[0]
    return [(key, value.replace(b'"step":1', b'"step":2'), headers), *records[1:]]


def test_what_is_right_is_clean(settings_of: SettingsOf) -> None:
    report = judged(settings_of())
    assert report.clean, list(report.first())
    assert report.parts[SOURCES_PART].equal > 70
    assert report.parts[TRIGGERS].equal >= 20
    assert report.parts[DECISIONS].equal >= 20
    assert report.parts[ENGINE_REJECTS].equal == 1
    assert report.parts[STATE_PART].equal > 30
    assert not any(part.not_judged for part in report.parts.values())


@pytest.mark.parametrize("topic", [TRIGGERS, DECISIONS, REJECTS])
@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda records: records[1:], Finding.MISSING),
        (lambda records: [records[0], *records], Finding.DOUBLED),
        (lambda records: [*records, records[0]], Finding.DOUBLED),
        (altered, Finding.DIFFERENT),
    ],
    ids=["dropped", "doubled", "doubled-later", "altered"],
)
def test_a_tampered_output_is_found(
    settings_of: SettingsOf, topic: str, change: Callable[[list], list], finding: Finding
) -> None:
    if topic == REJECTS and finding is Finding.DIFFERENT:
        change = lambda records: [(k, v.replace(b"JPY", b"USD"), h) for k, v, h in records]  # noqa: E731
    report = judged(settings_of(), Tampering(outputs=once(topic, change)))
    part = report.parts[ENGINE_REJECTS if topic == REJECTS else topic]
    assert part.found == {finding: 1}, list(report.first())
    assert report.differences == 1
    assert "c1" not in "".join(report.first())


def suggesting(_site: str, _recent: dict[str, int], may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
    """What tables beside the log would say."""
    return tuple(Suggestion(item, Why.TOGETHER, "p2") for item in ("p8", "p9") if may(item))


def test_what_was_suggested_is_taken_out_before_the_comparison(settings_of: SettingsOf) -> None:
    report = judged(settings_of(), Tampering(suggest=suggesting))
    assert report.clean, list(report.first())
    assert 0 < report.parts[PART].equal == report.parts[PERSONALIZATION].equal <= SHOWN
    assert report.parts[ALLOWED].equal == report.parts[PART].equal


@pytest.mark.parametrize("topic", [PERSONALIZATION, DECISIONS])
@pytest.mark.parametrize(
    ("told", "instead"),
    [
        (b'"item_id":"p8"', b'"item_id":"p7"'),
        (SUGGESTED, b""),
    ],
    ids=["other", "none"],
)
def test_a_trigger_that_suggests_other_than_its_decision_is_found(
    settings_of: SettingsOf, topic: str, told: bytes, instead: bytes
) -> None:
    def change(records: list) -> list:
        return [(key, value.replace(told, instead), headers) for key, value, headers in records]

    tamper = once_of(topic, told, change)
    report = judged(settings_of(), Tampering(outputs=tamper, suggest=suggesting))
    assert report.parts[PART].found == {Finding.DIFFERENT: 1}, list(report.first())
    assert report.differences == 1


def test_an_item_that_might_not_be_suggested_is_found_though_trigger_and_decision_tell_the_same(
    settings_of: SettingsOf,
) -> None:
    """p1 is in the cart of everybody here, and p2 is what was looked at last."""

    def regardless(_site: str, _recent: dict[str, int], _may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
        return tuple(Suggestion(item, Why.TOGETHER, "p2") for item in ("p8", "p1", "p2", "p8"))

    report = judged(settings_of(), Tampering(suggest=regardless))
    told = report.parts[PART].equal
    assert 0 < told == report.parts[ALLOWED].found[Finding.DIFFERENT] == report.differences
    assert "3 of 4 items might not be suggested then" in next(report.first())


def test_swapped_outputs_are_found(settings_of: SettingsOf) -> None:
    swap = once(DECISIONS, lambda records: [records[1], records[0], *records[2:]])
    assert judged(settings_of(), Tampering(outputs=swap)).parts[DECISIONS].found


def test_a_row_that_is_not_in_the_log_is_found_by_its_place(settings_of: SettingsOf) -> None:
    dropped: list[str] = []

    def drop(records: list) -> list:
        if dropped or len(records) < 3 or not records[0].topic.endswith("shop.carts"):
            return records
        dropped.append(f"shop.carts-{records[1].partition}-{records[1].offset}")
        return [records[0], *records[2:]]

    report = judged(settings_of(), Tampering(rows=drop))
    assert list(report.first()) == [f"{SOURCES_PART}: missing: {dropped[0]}"]


def test_a_frame_that_one_partition_did_not_get_is_found(settings_of: SettingsOf) -> None:
    report = judged(settings_of(), Tampering(frames=lambda frames: [f for i, f in enumerate(frames) if i != 1]))
    assert f"{SOURCES_PART}: missing: pipeline.control-0-0 in partition 1 of the log" in list(report.first())


def test_a_group_that_is_ahead_of_its_source_is_found(settings_of: SettingsOf) -> None:
    report = judged(settings_of(), Tampering(ahead=2))
    assert report.parts[SOURCES_PART].found[Finding.DIFFERENT]
    assert "the group has committed" in next(report.first())


def test_changed_state_is_found(settings_of: SettingsOf) -> None:
    def change(topic: str, records: list) -> list:
        if not topic.endswith("changelog"):
            return records
        return [(k, v + b"\0" if k.endswith(b"|c4") else v, h) for k, v, h in records]

    report = judged(settings_of(), Tampering(outputs=change))
    assert report.parts[STATE_PART].found == {Finding.DIFFERENT: 1}
    assert "c4" not in "".join(report.first())


def test_what_is_not_folded_yet_is_no_difference(settings_of: SettingsOf) -> None:
    report = judged(settings_of(), Tampering(unfolded=1))
    assert report.clean, list(report.first())


def test_outputs_after_the_position_are_judged_by_their_frame(settings_of: SettingsOf) -> None:
    """The last position rows are withheld, as if their markers were still on the way."""

    def stop(topic: str, records: list) -> list:
        if topic.endswith("changelog") and len(seen := calls.setdefault(topic, [])) >= 5:
            return []
        if topic.endswith("changelog"):
            seen.append(1)
        return records

    calls: dict[str, list] = {}
    report = judged(settings_of(partitions=2), Tampering(outputs=stop, batch=3))
    assert report.clean, list(report.first())
    assert report.parts[DECISIONS].beyond > 0
    assert report.parts[TRIGGERS].beyond > 0


def test_a_transaction_that_is_half_written_when_we_look_is_no_difference(
    settings_of: SettingsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trigger is in its topic already; its decision follows, and then the commit."""
    settings, settled = settings_of(), evidence.settled_ends

    def topic(name: str) -> str:
        return f"{settings.namespace.name}.{name}"

    async def run() -> Report:
        await write_history(settings)
        async with AIOKafkaProducer(**connection(settings.kafka), transactional_id=topic("a-worker")) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(topic(TRIGGERS), encode(examples.EMITTED), partition=0)

            async def look(*args: Any) -> Any:
                looking = asyncio.create_task(settled(*args))
                await asyncio.sleep(0.5)
                if not committed:
                    committed.append(True)
                    await producer.send_and_wait(topic(DECISIONS), encode(examples.DECISION), partition=0)
                    await producer.commit_transaction()
                return await looking

            committed: list[bool] = []
            monkeypatch.setattr(evidence, "settled_ends", look)
            return await verify(settings)

    report = asyncio.run(run())
    assert report.clean, list(report.first())
    assert report.parts[TRIGGERS].beyond == report.parts[DECISIONS].beyond == 1


def test_another_version_of_the_engine_is_not_judged(settings_of: SettingsOf) -> None:
    def older(topic: str, records: list) -> list:
        ours, other = (f'"engine_version":"{version}"'.encode() for version in (ENGINE_VERSION, "0"))
        return [(k, v.replace(ours, other), h) for k, v, h in records]

    report = judged(settings_of(), Tampering(outputs=older))
    assert report.clean, list(report.first())
    assert report.parts[DECISIONS].equal == 0
    assert report.parts[DECISIONS].not_judged > 20


def test_a_kept_fold_goes_on_where_it_stood_and_outlasts_the_log(settings_of: SettingsOf, tmp_path: Path) -> None:
    settings = settings_of()

    async def run() -> None:
        namespace = await write_history(settings)
        first = await verify(settings, tmp_path)
        again = await verify(settings, tmp_path)
        assert first.clean
        assert again.clean, list(again.first())
        assert first.events > 60
        assert again.events == 0
        client = AIOKafkaAdminClient(**connection(settings.kafka))
        await client.start()
        log = TopicPartition(namespace.topic(LOG), 0)
        await client.delete_records({log: RecordsToDelete(2)})
        await client.close()
        with pytest.raises(UserError, match=r"begins at 2.*--keep DIR"):
            await verify(settings)
        with pytest.raises(UserError, match=r"begins at 2.*--keep DIR"):
            await verify(settings, tmp_path / "other")
        assert (await verify(settings, tmp_path)).clean
        await commit_group(settings, namespace, await poll(settings, namespace), ahead=1)
        assert not (await verify(settings, tmp_path)).clean
        later = await verify(settings, tmp_path)
        assert later.earlier > 0

    asyncio.run(run())
