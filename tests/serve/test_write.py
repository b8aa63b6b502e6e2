"""Whatever writers overlap in whatever way, Redis never goes back, and never has a gap below its position."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import ConnectionPool, Redis
from redis.exceptions import NoPermissionError

from pipeline.config.namespace import Mode, new_namespace
from pipeline.config.settings import RedisSettings
from pipeline.serve.keys import position_text, profile_key
from pipeline.serve.valkey import ValkeyProcess
from pipeline.serve.view import BEGINNING, BESIDE, Answer, Batch, Outcome, Row, View, What, open_view

NAMESPACE = new_namespace("t", Mode.TEST, 1)
FIELD = "pipeline.changelog-0"
FAR = 4_000_000_000_000
KEYS = [profile_key("t", f"s|c|{n}") for n in range(3)]
LOTS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

Log = list[tuple[str, bool]]
"""Key and whether it is a put, by offset."""


def row(log: Log, offset: int) -> Row:
    key, put = log[offset]
    version = position_text(1, offset + 1)
    return Row(key, What.PUT, version, value(version)) if put else Row(key, What.DELETE, version)


def value(version: str) -> bytes:
    return msgspec.json.encode({"version": version, "format": 1})


class Reader:
    """Reads the log as a `serve` does, at its own pace; what it has in its hands may be long overtaken."""

    def __init__(self) -> None:
        self.start: str | None = None
        self.read = 0

    async def step(self, view: View, log: Log, count: int) -> Answer | None:
        if self.start is None:
            stand = (await view.stands()).get(FIELD)
            self.read = 0 if stand is None else stand.offset
            self.start = BEGINNING if stand is None else view.position(stand.offset)
        end = min(len(log), self.read + count)
        rows = [row(log, offset) for offset in range(self.read, end)]
        (answer,) = await view.write([Batch(FIELD, self.start, view.position(end), 1, rows)])
        if answer.outcome is Outcome.WRITTEN:
            self.start, self.read = view.position(end), end
        else:
            self.start = None
        return answer


def versions(redis: Redis) -> dict[str, str]:
    """Version of each key, of its deletion where it is deleted; "" where there is neither."""
    found = {}
    for key in KEYS:
        text = redis.get(key)
        found[key] = msgspec.json.decode(text)["version"] if text else redis.get(f"deleted:{key}") or ""
    return found


def dumped(redis: Redis) -> dict[str, bytes]:
    """All that a backup has."""
    raw = Redis(connection_pool=ConnectionPool(**redis.get_connection_kwargs() | {"decode_responses": False}))
    with raw:
        return {key.decode(): raw.dump(key) for key in raw.scan_iter()}


def newest(log: Log, end: int) -> dict[str, int]:
    return {key: offset for offset, (key, _) in enumerate(log[:end])}


def states(redis: Redis) -> dict[str, str | None]:
    return {key: redis.get(key) for key in KEYS}


entry = st.tuples(st.sampled_from(KEYS), st.booleans())
step = st.tuples(
    st.sampled_from(["serve"] * 8 + ["rebuild", "reassign", "empty", "back up", "restore"]),
    st.integers(0, 11),
    st.integers(1, 4),
)


@LOTS
@given(log=st.lists(entry, min_size=8, max_size=12), steps=st.lists(step, min_size=12, max_size=30))
def test_two_serves_and_a_rebuild_in_any_interleaving(
    redis: Redis, valkey: ValkeyProcess, log: Log, steps: list[tuple[str, int, int]]
) -> None:
    async def play() -> None:
        redis.flushall()
        async with open_view(RedisSettings(valkey.url), NAMESPACE, asyncio.Event()) as view:
            readers = [Reader() for _ in range(2)]
            before, position = versions(redis), 0
            backup: dict[str, bytes] = {}
            for what, which, count in steps:
                if what == "serve":
                    await readers[which % 2].step(view, log, count)
                elif what == "rebuild":
                    rows = [row(log, offset) for offset in range(which, min(which + count, len(log)))]
                    await view.write([Batch(FIELD, BESIDE, view.position(len(log)), 1, rows)])
                elif what == "reassign":
                    readers[which % 2].start = None
                elif what == "back up":
                    backup = dumped(redis)
                else:
                    redis.flushall()
                    for name, dump in backup.items() if what == "restore" else ():
                        redis.restore(name, 0, dump)
                    before, position = versions(redis), 0
                now = versions(redis)
                assert all(now[key] >= before[key] for key in KEYS), "it went back"
                before = now
                stand = (await view.stands()).get(FIELD)
                assert (0 if stand is None else stand.offset) >= position, "the position went back"
                position = 0 if stand is None else stand.offset
                for key, offset in newest(log, 0 if stand is None else stand.offset).items():
                    assert now[key] >= position_text(1, offset + 1), "a row below the position is missing"
            while (await view.stands()).get(FIELD) is None or (await view.stands())[FIELD].offset < len(log):
                await readers[0].step(view, log, 4)
            for key in KEYS:
                offset = newest(log, len(log)).get(key)
                put = offset is not None and log[offset][1]
                assert states(redis)[key] == (value(position_text(1, offset + 1)).decode() if put else None)

    asyncio.run(play())


LIFE = [What.ACTIVE, What.CANCELLED]


@LOTS
@given(turns=st.permutations([0, 0, 1, 1, 2, 2]))
def test_a_cancelled_trigger_never_becomes_active_again(redis: Redis, valkey: ValkeyProcess, turns: list[int]) -> None:
    async def play() -> None:
        redis.flushall()
        async with open_view(RedisSettings(valkey.url), NAMESPACE, asyncio.Event()) as view:
            told: list[Iterator[What]] = [iter(LIFE) for _ in range(3)]
            cancelled = False
            for turn in turns:
                what = next(told[turn])
                await view.write(
                    [Batch("triggers.x-0", BESIDE, view.position(9), 1, [Row("trigger:a", what, str(FAR))])]
                )
                cancelled = cancelled or what is What.CANCELLED
                assert redis.get("trigger:a") == ("cancelled" if cancelled else "active")
                assert redis.pexpiretime("trigger:a") == FAR

    asyncio.run(play())


@pytest.mark.parametrize("what", LIFE)
def test_an_expired_trigger_does_not_come_back(redis: Redis, valkey: ValkeyProcess, what: What) -> None:
    async def play() -> None:
        async with open_view(RedisSettings(valkey.url), NAMESPACE, asyncio.Event()) as view:
            rows = [Row("trigger:a", what, "1600000000000")]
            await view.write([Batch("triggers.x-0", BESIDE, view.position(9), 1, rows)])
            assert redis.get("trigger:a") is None

    asyncio.run(play())


def test_a_deletion_leaves_a_marker_that_outlasts_what_is_on_its_way(redis: Redis, valkey: ValkeyProcess) -> None:
    async def play() -> None:
        async with open_view(RedisSettings(valkey.url), NAMESPACE, asyncio.Event()) as view:
            deletion = row([(KEYS[0], True), (KEYS[0], False)], 1)
            await view.write([Batch(FIELD, BEGINNING, view.position(2), 1, [deletion])])
            assert redis.get(f"deleted:{KEYS[0]}") == deletion.stamp
            assert redis.ttl(f"deleted:{KEYS[0]}") > 24 * 3600

    asyncio.run(play())


def test_a_new_changelog_wins_over_all_of_the_old_one(redis: Redis, valkey: ValkeyProcess) -> None:
    async def play() -> None:
        place, stop = RedisSettings(valkey.url), asyncio.Event()
        later = msgspec.structs.replace(NAMESPACE, epoch=2)
        async with open_view(place, NAMESPACE, stop) as old, open_view(place, later, stop) as new:
            first = Row(KEYS[0], What.PUT, old.position(900), value(old.position(900)))
            await old.write([Batch(FIELD, BEGINNING, old.position(900), 1, [first])])
            again = Row(KEYS[0], What.PUT, new.position(1), value(new.position(1)))
            (answer,) = await new.write([Batch(FIELD, new.position(900), new.position(901), 1, [again])])
            assert answer.outcome is Outcome.GAP
            (answer,) = await new.write([Batch(FIELD, BEGINNING, new.position(1), 1, [again])])
            assert (answer.outcome, answer.written) == (Outcome.WRITTEN, 1)
            with pytest.raises(Exception, match="later changelog"):
                await old.write([Batch(FIELD, old.position(900), old.position(901), 1, [first])])
            assert versions(redis)[KEYS[0]] == "000002-000000000000001"

    asyncio.run(play())


def test_the_permissions_that_the_docs_name_are_enough(redis: Redis, valkey: ValkeyProcess) -> None:
    keys = ["~view", "~profile:t:*", "~trigger:*", "~deleted:profile:t:*"]
    rights = ["+@read", "+@write", "+@scripting", "+@connection"]
    redis.execute_command("ACL", "SETUSER", "serve", "on", ">secret", "resetkeys", *keys, "-@all", *rights)
    place = RedisSettings(f"redis://serve:secret@127.0.0.1:{valkey.port}/0")

    async def play() -> None:
        async with open_view(place, NAMESPACE, asyncio.Event()) as view:
            rows = [row([(KEYS[0], True)], 0), row([(KEYS[0], True), (KEYS[1], False)], 1)]
            (answer,) = await view.write([Batch(FIELD, BEGINNING, view.position(2), 1, rows)])
            assert answer.written == 2
            await view.write(
                [Batch("triggers.x-0", BESIDE, view.position(9), 1, [Row("trigger:a", What.ACTIVE, str(FAR))])]
            )
            assert [found async for found in view.scan("profile:t:*")] == [(KEYS[0], "000001-000000000000001")]
            assert (await view.lives(["trigger:a"]))[0][0] == b"active"

    asyncio.run(play())
    redis.execute_command(
        "ACL", "SETUSER", "reader", "on", ">secret", "~profile:*", "~trigger:*", "-@all", "+get", "+mget"
    )
    with Redis(port=valkey.port, username="reader", password="secret") as reader:
        assert reader.get("trigger:a") == b"active"
        with pytest.raises(NoPermissionError):
            reader.get("view")
