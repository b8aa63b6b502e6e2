"""Runs a whole pipeline under supervisord, and stops it as a whole: for `pipeline up`, the demonstration and tests."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ProtocolError, ServerProxy

from msgspec.structs import replace
from supervisor.xmlrpc import SupervisorTransport

from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.policy import Policy, load_policy
from pipeline.config.settings import Settings
from pipeline.kafka import topics
from pipeline.kafka.broker import START_TIMEOUT, must_be_free, prepare
from pipeline.kafka.clients import admin_client
from pipeline.local.child import end_with_parent
from pipeline.local.ports import HOST
from pipeline.operate.control import publish_policy
from pipeline.operate.here import claimed
from pipeline.operate.programs import (
    BROKER,
    REDIS,
    USER,
    Door,
    Kafka,
    Program,
    configuration,
    environment_of,
    log_of,
    programs,
)
from pipeline.operate.tail import Tail
from pipeline.serve import valkey

ANSWER_SECONDS = 10.0
GRACE_SECONDS = 10
"""Added to the programs' own times to stop, before all is killed."""


class _Supervisor:
    """Calls supervisord by its socket; a connection a call, since one that failed is of no use any more."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def call(self, method: str, *arguments: object) -> Any:
        """Raises what is in `_NO_ANSWER` where there is no answer."""
        transport = SupervisorTransport(USER, self._door.password, f"unix://{self._door.socket}")
        with ServerProxy(f"http://{HOST}", transport=transport) as server:
            return getattr(server.supervisor, method)(*arguments)


_NO_ANSWER = (OSError, HTTPException, ProtocolError, Fault)


class System:
    """A running pipeline. `settings` are those that its processes have."""

    def __init__(
        self, settings: Settings, process: "subprocess.Popen[bytes]", supervisor: _Supervisor, folder: Path
    ) -> None:
        self.settings = settings
        self.folder = folder
        self._process = process
        self._supervisor = supervisor

    def wait(self, seconds: float) -> None:
        """Wait. Raises UserError where the supervisor has ended by itself."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise UserError(f"supervisord ended by itself with code {code}: see {log_of(self.folder, 'supervisor')}")

    def start(self, program: Program) -> None:
        """Have a program started, and kept running from then on."""
        self._supervisor.call("startProcess", program.name, False)

    def processes(self) -> dict[str, int]:
        """Ids of the processes that run now, by program; one that is being restarted is missing."""
        return {info["name"]: info["pid"] for info in self._supervisor.call("getAllProcessInfo") if info["pid"]}


@contextmanager
def running(
    settings: Settings,
    mode: Mode | None = None,
    workers: int = 1,
    kafka: Kafka = Kafka.OURS,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[System]:
    """Run everything in namespace `settings.namespace` until the block ends.

    Where the namespace is missing it is made with `mode`, live if None; where it is there, None takes it as it is.

    `tell` gets each line that a process logs, from another thread. What ends is started again; at the end of the
    block all processes are stopped, the broker last. Call from a thread that lasts and has no event loop.
    Raises UserError where it cannot begin.
    """
    policy = load_policy(Path(settings.policy.file)) if settings.policy.file else None
    if kafka is Kafka.OURS:
        prepare()
        address = f"{HOST}:{settings.broker.port}"
        settings = replace(settings, kafka=replace(settings.kafka, bootstrap_servers=address))
    found = programs(settings, workers, kafka)
    if REDIS in found:
        settings = replace(settings, redis=replace(settings.redis, url=valkey.url_of(settings.redis.port)))
    with ExitStack() as stack:
        ours = settings.kafka.bootstrap_servers if kafka is Kafka.OURS else ""
        folder = stack.enter_context(claimed(settings.namespace.name, ours))
        if kafka is Kafka.OURS:
            must_be_free(settings.broker.port)
        if REDIS in found:
            valkey.must_be_free(settings.redis.port)
        logs = {name: log_of(folder, name) for name in ["supervisor", *(program.name for program in found)]}
        for file in logs.values():
            file.unlink(missing_ok=True)
        Path(settings.worker.data_dir).mkdir(parents=True, exist_ok=True)
        tail = Tail(logs, tell)
        tail.start()
        stack.callback(tail.stop)
        system = _supervisord(stack, settings, folder, found)
        if REDIS in found:
            system.start(REDIS)
        if kafka is Kafka.OURS:
            system.start(BROKER)
            _wait_for_broker(system)
        asyncio.run(_prepare_namespace(settings, mode, policy))
        if REDIS in found:
            valkey.wait_until_it_answers(settings.redis.port, lambda: system.wait(0.05))
        for program in found:
            if program not in (BROKER, REDIS):
                system.start(program)
        yield system


def _supervisord(stack: ExitStack, settings: Settings, folder: Path, found: list[Program]) -> System:
    """Start supervisord, which starts nothing yet; at the end of the stack it stops what it started, and ends."""
    short = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pipeline-")))  # a socket's path is short
    door = Door(short / "socket", secrets.token_hex(16))
    file = folder / "supervisord.conf"
    file.touch(0o600)
    file.write_text(configuration(folder, door, found), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PIPELINE_CONFIG"}
    environment |= environment_of(settings) | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # so that Ctrl-C reaches us alone, and we stop it in order
        preexec_fn=end_with_parent(),
    )
    supervisor = _Supervisor(door)
    system = System(settings, process, supervisor, folder)
    stack.callback(_stop, system, process, sum(program.stop_seconds for program in found) + GRACE_SECONDS)
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            supervisor.call("getState")
        except _NO_ANSWER as error:
            if time.monotonic() > deadline:
                raise UserError(f"supervisord does not answer: see {log_of(folder, 'supervisor')}") from error
            system.wait(0.05)
        else:
            return system


def _stop(system: System, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    left = {}
    with suppress(*_NO_ANSWER):
        left = system.processes()
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        for pid in left.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _wait_for_broker(system: System) -> None:
    async def ask() -> None:
        async with admin_client(system.settings):
            pass

    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            asyncio.run(ask())
        except UserError as error:
            if time.monotonic() > deadline:
                log = log_of(system.folder, BROKER.name)
                raise UserError(f"the broker did not start within {START_TIMEOUT:.0f} s: see {log}") from error
            system.wait(0.1)
        else:
            return


async def _prepare_namespace(settings: Settings, mode: Mode | None, policy: Policy | None) -> None:
    if mode is None:
        try:
            mode = (await topics.read_namespace(settings)).mode
        except UserError:
            mode = Mode.LIVE
    await topics.apply(settings, mode)
    if policy is not None:
        await publish_policy(settings, policy)
