"""A stage for each test that wants one."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.namespace import Mode
from pipeline.config.policy import Policy
from pipeline.config.settings import Settings
from tests.faults.processes import Stage, patient

PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Generator[None, Any, Any]:
    """Note whether the body of a test has passed."""
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def stage_of(
    settings_of: Callable[..., Settings], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Stage]]:
    """Sets a stage up: a namespace of its own with a policy, and no processes yet.

    A test that lets a worker run must have the stage judged or proved: one that forgets it fails.
    """
    made: list[Stage] = []
    with ExitStack() as stages:

        def make(
            policy: Policy | None = None,
            mode: Mode = Mode.TEST,
            partitions: int = 2,
            settings: Settings | None = None,
            **environment: str,
        ) -> Stage:
            settings = settings or settings_of(partitions=partitions)
            made.append(stages.enter_context(Stage(settings, tmp_path, policy or patient(), mode, **environment)))
            return made[-1]

        yield make
        if request.node.stash.get(PASSED, False):
            assert not any(stage.unproved for stage in made), "a worker has run: end with `judge` or `prove`"
