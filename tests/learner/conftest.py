"""What the tests of the learner share: a live namespace with its topics."""

import asyncio
from collections.abc import Callable

import pytest

from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings
from pipeline.kafka.topics import apply


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    made = settings_of()
    asyncio.run(apply(made, Mode.LIVE))
    return made
