"""A real Valkey for the session, emptied for each test."""

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace
from redis import Redis

from pipeline.config.settings import RedisSettings, Settings
from pipeline.local.ports import free_port
from pipeline.serve.valkey import ValkeyProcess, start_valkey


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyProcess]:
    with start_valkey(free_port()) as process:
        yield process


@pytest.fixture
def redis(valkey: ValkeyProcess) -> Iterator[Redis]:
    """A client of the Valkey, which is empty."""
    with Redis.from_url(valkey.url, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def viewed(settings_of: Callable[..., Settings], redis: Redis, valkey: ValkeyProcess) -> Settings:
    """Settings of a fresh namespace whose view goes to the empty Valkey."""
    return replace(settings_of(), redis=RedisSettings(url=valkey.url))
