"""A process to be measured: started as users start it, its CPU time read from outside."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from pipeline.local.child import Child

SAMPLE = 0.05
PATIENCE = 300.0

Progress = list[tuple[float, int]]
"""Wall time in epoch milliseconds, and the events that were done by then, ascending."""

STEADY = (0.1, 0.95)
"""The share of all events between which a rate is taken: start-up and the last idle wait are left out."""


class Measured(Child):
    """A running Python module, sampled as long as `until` waits."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            super().__init__(
                subprocess.Popen(
                    [sys.executable, "-m", *arguments], env=os.environ | environment, stdout=output, stderr=output
                )
            )
        self._counters = psutil.Process(self.process.pid)
        self.samples: list[tuple[float, float]] = []
        """Wall time in epoch milliseconds, CPU seconds of all threads, user and system."""

    async def until(self, done: Callable[[], Awaitable[bool]], every: float = 0.5) -> None:
        """Sample the CPU time until `done`. Raises RuntimeError where the process ends before, or takes too long."""
        deadline, ask = time.monotonic() + PATIENCE, time.monotonic() + every
        while True:
            self.sample()
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"it ended, or was too slow: {self.output()[-2_000:]}")
            if time.monotonic() >= ask:
                if await done():
                    self.sample()
                    return
                ask = time.monotonic() + every
            await asyncio.sleep(SAMPLE)

    def sample(self) -> None:
        """Note the CPU time so far."""
        used = self._counters.cpu_times()
        self.samples.append((time.time() * 1000, used.user + used.system))

    def resident(self) -> int:
        """Bytes of memory that it has now."""
        return int(self._counters.memory_info().rss)

    def output(self) -> str:
        """What the process has written."""
        return self._log.read_text(encoding="utf-8", errors="replace")


class Others:
    """Cores taken by processes that are not the bench's own, while it watches: they spoil rates and latencies."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _machine(), _own()

    def cores(self) -> float:
        """The mean since the beginning. Call it while the processes watched at the beginning still run."""
        return max(0.0, _machine() - self._busy - (_own() - self._own)) / (time.monotonic() - self._began)


def _machine() -> float:
    used = psutil.cpu_times()
    return sum(used[:7]) - used.idle - getattr(used, "iowait", 0.0)


def _own() -> float:
    bench = psutil.Process()
    total = 0.0
    for process in (bench, *bench.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            used = process.cpu_times()
            total += used.user + used.system
    return total


def rate(progress: Progress, samples: list[tuple[float, float]]) -> tuple[float, float]:
    """`(events/s, CPU µs/event)` over the steady span."""
    total = progress[-1][1]
    first = next(p for p in progress if p[1] >= total * STEADY[0])
    last = next(p for p in progress if p[1] >= total * STEADY[1])
    events = last[1] - first[1]
    cpu = _cpu_at(samples, last[0]) - _cpu_at(samples, first[0])
    return events / max(1e-3, last[0] - first[0]) * 1000, cpu / events * 1e6


def _cpu_at(samples: list[tuple[float, float]], at: float) -> float:
    before = max((s for s in samples if s[0] <= at), default=samples[0])
    after = min((s for s in samples if s[0] > at), default=samples[-1])
    if after[0] <= before[0]:
        return before[1]
    return before[1] + (after[1] - before[1]) * (at - before[0]) / (after[0] - before[0])
