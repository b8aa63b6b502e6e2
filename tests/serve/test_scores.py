"""Scores in Redis: by the newest snapshot of the changelog when a profile is written, whoever writes it."""

import asyncio
import logging

import pytest
from msgspec.structs import replace
from redis import Redis

from pipeline.config.settings import Settings
from pipeline.heads import reorder
from pipeline.scoring.hazard import DAY
from pipeline.serve.check import Finding, compare
from pipeline.serve.rebuild import rebuild_view
from pipeline.state.codec import encode_customer
from pipeline.state.customer import Customer
from pipeline.state.heads import Heads, OfOrders, encode_orders
from pipeline.view.profile import Scores, decode_profile
from tests.engine.learned import constant
from tests.serve.feed import feeding, person, profile, serving
from tests.serve.test_serve import until

NOW = 1_772_474_400_000
FACTS = reorder.Facts(1, value=2_000, items=1, spent=2_000, bought=1)
MANY = 40


def buyer(seen: int = NOW) -> bytes:
    """A customer who has ordered once."""
    known = encode_orders(OfOrders(reorder.Memory(NOW - NOW % DAY, FACTS)))
    return encode_customer(Customer(seen=seen, heads=Heads(orders=known)))


def said(redis: Redis, settings: Settings, number: int) -> Scores | None:
    text = redis.get(profile(settings, number))
    return None if text is None else decode_profile(text).scores


def version(redis: Redis, settings: Settings, number: int) -> int:
    """The version of the snapshot that says when the next order is to be expected; 0 for none."""
    scores = said(redis, settings, number)
    return 0 if scores is None or scores.reorder is None else scores.reorder.version


def test_a_profile_is_scored_with_the_newest_snapshot_and_a_newer_one_is_noticed(
    viewed: Settings, redis: Redis
) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed:
            async with serving(viewed):
                await feed.rows([(person(n), buyer()) for n in range(MANY)])
                await until(lambda: redis.exists(profile(viewed, MANY - 1)))
                assert said(redis, viewed, 0) is None
                await feed.snapshot(constant("reorder", -2.0, version=5))
                await feed.rows([(person(n), buyer(NOW + 1)) for n in range(MANY)])
                await until(lambda: all(version(redis, viewed, n) == 5 for n in range(MANY)))
                before = said(redis, viewed, 1)
                await feed.snapshot(constant("reorder", -4.0, version=6))
                await feed.rows([(person(1), buyer(NOW + 2))])
                await until(lambda: version(redis, viewed, 1) == 6)
                assert said(redis, viewed, 1).reorder.churn_risk > before.reorder.churn_risk + 0.2
                assert version(redis, viewed, 2) == 5, "it is scored when it is written"
                judged = await compare(viewed)
                assert (judged.differences, judged.profiles.equal, judged.scored_before) == (0, MANY, MANY - 1)
            await feed.rows([(person(3), buyer(NOW + 3))])
            async with serving(viewed):  # it goes on behind the snapshots, and looks them up
                await until(lambda: version(redis, viewed, 3) == 6)
                redis.flushall()
                await until(lambda: all(version(redis, viewed, n) == 6 for n in range(MANY)))
                judged = await compare(viewed)
                assert (judged.differences, judged.profiles.equal, judged.scored_before) == (0, MANY, 0)

    asyncio.run(play())


def test_a_score_that_no_snapshot_gives_is_found_and_a_rebuild_scores_as_serve_does(
    viewed: Settings, redis: Redis
) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed:
            async with serving(viewed):
                await feed.snapshot(constant("reorder", -2.0, version=5))
                await feed.rows([(person(n), buyer()) for n in range(4)])
                await feed.rows([(person(4), encode_customer(Customer(seen=NOW)))])
                await until(lambda: version(redis, viewed, 3) == 5 and redis.exists(profile(viewed, 4)))
            right = {n: redis.get(profile(viewed, n)) for n in range(5)}
            redis.set(profile(viewed, 0), right[0].replace('"probability":0.', '"probability":0.9'))
            redis.set(profile(viewed, 1), right[1].replace('"scores":{', '"scores":{"scored_at":7,'))
            redis.set(profile(viewed, 4), right[4][:-1] + "," + right[2][right[2].index('"scores"') :])
            judged = await compare(viewed, patience=0.1)
            assert judged.profiles.found[Finding.DIFFERENT] == 3
            assert judged.profiles.equal == 2
            redis.delete(*[profile(viewed, n) for n in range(5)])
            await rebuild_view(viewed, lambda _read, _of: None)
            assert {n: redis.get(profile(viewed, n)) for n in range(5)} == right
            assert (await compare(viewed, patience=0.1)).differences == 0

    asyncio.run(play())


def test_a_snapshot_of_another_release_is_not_scored_with_and_is_told_of(
    viewed: Settings, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed, serving(viewed):
            await feed.snapshot(constant("reorder", -2.0, version=5))
            await feed.rows([(person(1), buyer())])
            await until(lambda: version(redis, viewed, 1) == 5)
            await feed.snapshot(replace(constant("reorder", -4.0, version=6), spec="other"))
            await feed.rows([(person(1), buyer(NOW + 1)), (person(2), buyer())])
            await until(lambda: redis.exists(profile(viewed, 2)))
            assert version(redis, viewed, 2) == 5

    with caplog.at_level(logging.WARNING, "pipeline.serve.models"):
        asyncio.run(play())
    assert "reorder 6 was learned on other features" in caplog.text
