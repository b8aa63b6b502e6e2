"""What a user sees of `pipeline serve` and `pipeline redis`: one line, an exit code, and never a password."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from redis import ConnectionError as RedisGoneError
from redis import Redis

from pipeline.cli.main import main
from pipeline.config.namespace import Mode
from pipeline.config.settings import RedisSettings, Settings
from pipeline.kafka.topics import apply
from pipeline.local.ports import free_port
from pipeline.serve.valkey import ValkeyProcess
from tests.serve.feed import customer, feeding, person, profile, serving

SECRET = "hunter2-x"


def run(settings: Settings, *words: str) -> Result:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "PIPELINE_NAMESPACE_NAME": settings.namespace.name,
        "REDIS_URL": settings.redis.url,
    }
    return CliRunner().invoke(main, list(words), env=environment)


def one_line(result: Result) -> str:
    assert result.exit_code == 1
    assert SECRET not in result.output
    lines = [line for line in result.output.splitlines() if line.startswith("pipeline: ")]
    assert len(lines) == 1, result.output
    assert "Traceback" not in result.output
    return lines[0]


def at(settings: Settings, url: str) -> Settings:
    asyncio.run(apply(settings, Mode.TEST))
    return replace(settings, redis=RedisSettings(url=url))


@pytest.mark.parametrize("words", [["serve"], ["serve", "--check"], ["serve", "--rebuild"]])
def test_a_missing_redis_is_said_in_one_line(viewed: Settings, words: list[str]) -> None:
    port = free_port()
    line = one_line(run(at(viewed, f"redis://me:{SECRET}@127.0.0.1:{port}/0"), *words))
    assert f"no Redis at redis://127.0.0.1:{port}/0" in line
    assert "pipeline redis" in line
    assert "REDIS_URL" in line


def test_a_wrong_password_is_said_to_be_that(viewed: Settings, redis: Redis, valkey: ValkeyProcess) -> None:
    redis.config_set("requirepass", "another")
    try:
        line = one_line(run(at(viewed, f"redis://:{SECRET}@127.0.0.1:{valkey.port}/0"), "serve"))
        assert "check user, password and permissions" in line
    finally:
        redis.execute_command("AUTH", "another")
        redis.config_set("requirepass", "")


@pytest.mark.parametrize("url", [f"http://x:{SECRET}@h/", f"redis://x:{SECRET}@h:port/0", SECRET])
def test_a_url_that_is_none_is_not_repeated(viewed: Settings, url: str) -> None:
    assert "redis.url: is not redis://HOST:PORT/DATABASE" in one_line(run(at(viewed, url), "serve"))


@pytest.mark.parametrize(
    "url",
    [f"redis://me:{SECRET}@h:1/2", f"redis://me:{SECRET}/a?b@h:1/2", f"redis://h:1/2?password={SECRET}", f"x{SECRET}"],
)
def test_config_shows_no_password(url: str) -> None:
    result = CliRunner().invoke(main, ["config", "show"], env={"REDIS_URL": url})
    assert result.exit_code == 0
    assert SECRET not in result.output


def test_a_database_belongs_to_one_namespace(viewed: Settings, redis: Redis) -> None:
    at(viewed, viewed.redis.url)
    redis.hset("view", "namespace", "live")
    line = one_line(run(viewed, "serve"))
    assert "has the view of namespace live" in line
    assert "a database of its own" in line


def test_a_redis_that_knows_more_than_kafka_is_refused(viewed: Settings, redis: Redis) -> None:
    at(viewed, viewed.redis.url)
    redis.hset("view", "pipeline.changelog-0", "000001-000000000000900 1")
    line = one_line(run(viewed, "serve"))
    assert "has read pipeline.changelog-0 further than it goes" in line
    assert "FLUSHDB" in line


def test_check_counts_what_differs_and_rebuild_mends_it(viewed: Settings, redis: Redis) -> None:
    async def play() -> None:
        async with feeding(viewed) as feed:
            await feed.rows([(person(n), customer(1)) for n in range(20)])
            async with serving(viewed):
                while len(redis.keys("profile:*")) < 20:  # noqa: ASYNC110  # Redis sends no events
                    await asyncio.sleep(0.05)

    asyncio.run(play())
    redis.delete(profile(viewed, 3))
    redis.setrange(profile(viewed, 4), 40, "x")
    redis.setrange(profile(viewed, 5), 12, "000000")
    redis.set(profile(viewed, 77), redis.get(profile(viewed, 6)))
    found = run(viewed, "serve", "--check")
    assert one_line(found).startswith("pipeline: 4 differences between Redis at redis://127.0.0.1")
    assert "c77" not in found.output
    redis.delete(profile(viewed, 4))
    mended = run(viewed, "serve", "--rebuild")
    assert mended.exit_code == 0, mended.output
    assert "3 rows written, 17 were there as new or newer, 0 profiles removed" in mended.output
    redis.delete(profile(viewed, 77))
    assert run(viewed, "serve", "--check").exit_code == 0


def test_redis_runs_until_it_is_told_to_end(valkey: ValkeyProcess) -> None:
    taken = subprocess.run(
        [sys.executable, "-m", "pipeline", "redis", "--port", str(valkey.port)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert taken.returncode == 1
    assert f"port {valkey.port} on 127.0.0.1 is already in use" in taken.stderr
    port = free_port()
    command = [sys.executable, "-m", "pipeline", "redis", "--port", str(port)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert f"Valkey is ready at redis://127.0.0.1:{port}/0" in process.stdout.readline()
        with Redis(port=port) as client:
            assert client.ping()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            with pytest.raises(RedisGoneError):
                client.ping()
