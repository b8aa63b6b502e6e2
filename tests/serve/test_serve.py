"""From the topics to Redis, on a real Kafka and a real Valkey."""

import asyncio
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace
from redis import Redis

from pipeline.config.settings import Settings
from pipeline.local.ports import free_port
from pipeline.serve import run
from pipeline.serve.check import compare
from pipeline.serve.rebuild import rebuild_view
from pipeline.view.profile import decode_profile
from tests.serve.feed import customer, feeding, person, profile, serving, trigger

NOW = 1_772_474_400_000


async def until(true: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_rows_are_in_redis_once_committed_and_deletions_too(viewed: Settings, redis: Redis) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed, serving(viewed):
            await feed.rows([(person(1), customer(NOW)), (person(2), customer(NOW)), (b"\0position", b"ours")])
            await feed.rows([(person(1), customer(NOW + 5)), (person(3), customer(NOW))], commit=False)
            await feed.rows([(person(2), None), (person(4), customer(NOW))])
            await until(lambda: redis.exists(profile(viewed, 4)) and not redis.exists(profile(viewed, 2)))
            found = decode_profile(redis.get(profile(viewed, 1)))
            assert (found.customer_id, found.site_id, found.format) == ("c1", "my-shop", 1)
            assert int(found.last_seen_at.timestamp() * 1000) == NOW
            assert sorted(redis.keys("profile:*")) == [profile(viewed, 1), profile(viewed, 4)]
            judged = await compare(viewed)
            assert (judged.differences, judged.profiles.equal) == (0, 3)

    asyncio.run(play())


def test_a_sender_asks_whether_a_trigger_still_holds(viewed: Settings, redis: Redis) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed, serving(viewed):
            await feed.trigger(trigger("short", 3))
            await feed.trigger(trigger("long", 900))
            await feed.trigger(trigger("gone", -60))
            await feed.trigger(trigger("taken-back", 900))
            await until(lambda: redis.get("trigger:taken-back") == "active")
            assert 890 < redis.ttl("trigger:long") <= 900
            assert redis.get("trigger:gone") is None
            await feed.trigger(trigger("taken-back", 900, cancelled=True))
            await until(lambda: redis.get("trigger:taken-back") == "cancelled")
            assert 890 < redis.ttl("trigger:taken-back") <= 900
            await until(lambda: redis.get("trigger:short") is None)
            assert redis.get("trigger:long") == "active"
            assert (await compare(viewed)).differences == 0

    asyncio.run(play())


def test_two_share_the_work_and_one_takes_over(viewed: Settings, redis: Redis) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed, serving(viewed):
            async with serving(viewed):
                for i in range(20):
                    await feed.rows([(person(n), customer(NOW + i)) for n in range(50)])
                assert (await compare(viewed)).differences == 0
            await feed.rows([(person(n), customer(NOW + 99)) for n in range(50, 100)])
            judged = await compare(viewed)
            assert (judged.differences, judged.profiles.equal) == (0, 100)

    asyncio.run(play())


def test_an_emptied_redis_is_filled_again_though_nothing_new_comes(viewed: Settings, redis: Redis) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed, serving(viewed):
            await feed.rows([(person(n), customer(NOW)) for n in range(300)])
            await feed.trigger(trigger("long", 900))
            await until(lambda: len(redis.keys("profile:*")) == 300)
            redis.flushall()
            await until(lambda: len(redis.keys("profile:*")) == 300 and redis.exists("trigger:long"))
            assert (await compare(viewed)).differences == 0

    asyncio.run(play())


def test_a_rebuild_mends_all_while_others_serve(viewed: Settings, redis: Redis) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed, serving(viewed):
            await feed.rows([(person(n), customer(NOW)) for n in range(100)])
            await feed.trigger(trigger("long", 900))
            await until(lambda: len(redis.keys("profile:*")) == 100 and redis.exists("trigger:long"))
            lost(redis, viewed, 901, "000000-000000000000900")
            lost(redis, viewed, 902, "000001-000000000000000")
            redis.delete(profile(viewed, 7), "trigger:long")
            assert (await compare(viewed)).differences == 4
            told: list[tuple[int, int]] = []
            feeds = asyncio.create_task(feed.rows([(person(n), customer(NOW + 1)) for n in range(50, 150)]))
            found = await rebuild_view(viewed, lambda read, of: told.append((read, of)))
            await feeds
            assert found.removed == 2
            assert told[-1][0] == told[-1][1] > 100
            await until(lambda: len(redis.keys("profile:*")) == 150)
            judged = await compare(viewed)
            assert judged.differences == 0, judged.first

    asyncio.run(play())


def test_who_was_away_too_long_for_deletions_rebuilds_by_itself(viewed: Settings, redis: Redis) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed:
            async with serving(viewed):
                await feed.rows([(person(n), customer(NOW)) for n in range(100)])
                await until(lambda: len(redis.keys("profile:*")) == 100)
                assert (await compare(viewed)).differences == 0
            lost(redis, viewed, 101, "000001-000000000000000")
            async with serving(viewed):
                await asyncio.sleep(1.5)
                assert redis.exists(profile(viewed, 101)), "nothing was due"
            for field, stands in redis.hgetall("view").items():
                if field != "namespace":
                    position, _, current = stands.partition(" ")
                    redis.hset("view", field, f"{position} {int(current) - run.MISSED_MS - 60_000}")
            async with serving(viewed):
                await until(lambda: not redis.exists(profile(viewed, 101)))
                await until(lambda: min(currents(redis)) > time.time() * 1000 - 60_000)
            assert (await compare(viewed)).differences == 0

    asyncio.run(play())


def test_lag_and_rows_are_measured(viewed: Settings, redis: Redis) -> None:
    port = free_port()
    settings = replace(viewed, metrics=replace(viewed.metrics, serve_port=port))

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
            return answer.read().decode()

    def metrics() -> dict[str, float]:
        lines = get("metrics").splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    async def play() -> None:
        async with feeding(settings) as feed, serving(settings):
            await feed.rows([(person(n), customer(NOW)) for n in range(20)])
            await until(lambda: len(redis.keys("profile:*")) == 20)
            lag = 'pipeline_view_lag_seconds{partition="0",topic="pipeline.changelog"}'
            written = 'pipeline_view_rows_total{result="written",topic="pipeline.changelog"}'
            found = await asyncio.to_thread(metrics)
            assert found[written] == 20
            await asyncio.sleep(1)
            assert (await asyncio.to_thread(metrics))[lag] == 0
            assert '"ok": true' in await asyncio.to_thread(get, "readyz")

    asyncio.run(play())


def test_a_redis_that_answers_nobody_stops_nothing(viewed: Settings, redis: Redis) -> None:
    """While writes are refused, `serve` waits, and ends at once when it is told to."""

    async def play() -> None:
        async with feeding(viewed) as feed, serving(viewed):
            await feed.rows([(person(1), customer(NOW))])
            await until(lambda: redis.exists(profile(viewed, 1)))
            redis.config_set("maxmemory", "1")
            try:
                await feed.rows([(person(2), customer(NOW))])
                await asyncio.sleep(1)
                assert not redis.exists(profile(viewed, 2))
            finally:
                redis.config_set("maxmemory", "0")
            await until(lambda: redis.exists(profile(viewed, 2)))

    asyncio.run(play())


def currents(redis: Redis) -> list[int]:
    return [int(stands.partition(" ")[2]) for field, stands in redis.hgetall("view").items() if field != "namespace"]


def lost(redis: Redis, settings: Settings, number: int, version: str) -> None:
    """A profile whose row, and its deletion too, compaction has taken."""
    redis.set(profile(settings, number), msgspec.json.encode({"version": version, "format": 1}))
