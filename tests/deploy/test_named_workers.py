"""What the StatefulSet is for: a worker that comes back under its name has its partitions, and no other took them."""

import re
import time
from collections.abc import Callable

import pytest

from pipeline.config.settings import Settings
from tests.faults.processes import Process, Stage, patient

RESTORED = re.compile(r"pipeline\.worker\.restore: partition (\d+):")
AWAY = 13.0
"""Seconds. Longer than a heartbeat, by which another worker would hear that one has left; shorter than the session."""
PARTITIONS = {"0", "1", "2", "3"}


def restored(worker: Process) -> list[str]:
    return RESTORED.findall(worker.text())


@pytest.mark.chaos
def test_a_worker_back_under_its_name_has_its_partitions_and_no_other_took_them(
    settings_of: Callable[..., Settings], tmp_path
) -> None:
    with Stage(settings_of(partitions=4), tmp_path, patient(), PIPELINE_WORKER_SESSION_TIMEOUT="30s") as stage:
        stage.ingest()
        first, second = (stage.worker(name, PIPELINE_WORKER_INSTANCE_ID=name) for name in ("worker-0", "worker-1"))
        stage.wait(lambda _: {*restored(first)[-2:], *restored(second)[-2:]} == PARTITIONS)
        own, seen = set(restored(first)[-2:]), len(restored(second))
        assert first.stop() == 0
        time.sleep(AWAY)
        first.log.write_text("")
        first.start()
        stage.wait(lambda _: len(restored(first)) >= 2)
        assert set(restored(first)) == own
        assert not own & set(restored(second)[seen:])
