"""A stage for each test that wants one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.config.namespace import Mode
from pipeline.config.policy import Policy
from pipeline.config.settings import Settings
from tests.faults.processes import Stage, patient


@pytest.fixture
def stage_of(settings_of: Callable[..., Settings], tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Sets a stage up: a namespace of its own with a policy, and no processes yet."""
    with ExitStack() as stages:

        def make(
            policy: Policy | None = None, mode: Mode = Mode.TEST, partitions: int = 2, **environment: str
        ) -> Stage:
            settings = settings_of(partitions=partitions)
            return stages.enter_context(Stage(settings, tmp_path, policy or patient(), mode, **environment))

        yield make
