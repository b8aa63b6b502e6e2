"""Which processes make a running pipeline, as a supervisord configuration. Pure."""

import os
import shlex
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import msgspec

from pipeline.config.settings import KafkaSettings, RedisSettings, Settings


class Kafka(Enum):
    """Which Kafka a pipeline runs on: one of our own beside it, or the one that the settings name."""

    OURS = "ours"
    GIVEN = "given"


class Door(NamedTuple):
    """How to give commands to supervisord."""

    socket: Path
    password: str


class Program(NamedTuple):
    """A process that is kept running. Those of a lower `rank` start first and stop last."""

    name: str
    arguments: tuple[str, ...]
    rank: int
    stop_seconds: int
    environment: tuple[tuple[str, str], ...] = ()


BROKER = Program("broker", ("broker",), 1, 30)
REDIS = Program("redis", ("redis",), 1, 10)
USER = "pipeline"
RANK = 10
SETTLED_SECONDS = 10
"""A process that ends sooner has failed to start, and waits before it is started again."""
RETRIES = 1_000_000
"""Starts that may fail one after the other; each waits a second longer than the one before."""


def kafka_of(settings: Settings, environment: dict[str, str]) -> Kafka:
    """The given one where settings or environment name a Kafka, else one of our own."""
    named = {"KAFKA_BOOTSTRAP_SERVERS", "PIPELINE_KAFKA_BOOTSTRAP_SERVERS"} & environment.keys()
    if named or settings.kafka.bootstrap_servers != KafkaSettings().bootstrap_servers:
        return Kafka.GIVEN
    return Kafka.OURS


def redis_is_ours(settings: Settings) -> bool:
    """Whether one of our own runs beside the pipeline: where the settings name no other."""
    return settings.redis.url == RedisSettings().url


def programs(settings: Settings, workers: int, kafka: Kafka) -> list[Program]:
    """The processes, each worker with its own folder, its own metrics port and its own name in the group."""
    found = [BROKER] if kafka is Kafka.OURS else []
    if redis_is_ours(settings):
        found.append(REDIS)
    found.append(Program("ingest", ("ingest",), RANK, 15))
    for number in range(workers):
        environment = {"PIPELINE_WORKER_DATA_DIR": str(Path(settings.worker.data_dir, str(number)))}
        if settings.metrics.worker_port:
            environment["PIPELINE_METRICS_WORKER_PORT"] = str(settings.metrics.worker_port + number)
        if settings.worker.instance_id:
            environment["PIPELINE_WORKER_INSTANCE_ID"] = f"{settings.worker.instance_id}-{number}"
        found.append(Program(f"worker-{number}", ("worker",), RANK, 20, tuple(environment.items())))
    found.append(Program("serve", ("serve",), RANK, 15))
    found.append(Program("learner", ("learner",), RANK, 15))
    return found


def environment_of(settings: Settings) -> dict[str, str]:
    """All settings as environment variables: for the processes, without a password on disk."""
    return {
        f"PIPELINE_{section}_{key}".upper() if section != "kafka" else f"KAFKA_{key}".upper(): str(value)
        for section in settings.__struct_fields__
        for key, value in msgspec.structs.asdict(getattr(settings, section)).items()
    }


def configuration(folder: Path, door: Door, found: list[Program]) -> str:
    """The supervisord configuration: logs in `folder`, commands by `door`; nothing starts by itself."""
    return "\n".join(_lines(folder, door, found)) + "\n"


def log_of(folder: Path, name: str) -> Path:
    """Where a program's output goes."""
    return folder / f"{name}.log"


def _lines(folder: Path, door: Door, found: list[Program]) -> Iterator[str]:
    yield "[unix_http_server]"
    yield f"file = {_literal(door.socket)}"
    yield "chmod = 0700"
    yield f"username = {USER}"
    yield f"password = {door.password}"
    yield "[rpcinterface:supervisor]"
    yield "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface"
    yield "[supervisord]"
    yield f"logfile = {_literal(log_of(folder, 'supervisor'))}"
    yield f"pidfile = {_literal(folder / 'supervisord.pid')}"
    yield f"childlogdir = {_literal(folder)}"
    if os.geteuid() == 0:
        yield "user = root"  # said, so that it is not warned of
    yield "logfile_maxbytes = 1MB"
    yield "logfile_backups = 1"
    for program in found:
        words = [sys.executable, "-m", "pipeline", *program.arguments]
        yield f"[program:{program.name}]"
        yield f"command = {_literal(shlex.join(words))}"
        if program.environment:
            pairs = (f'{key}="{_literal(value)}"' for key, value in program.environment)
            yield f"environment = {','.join(pairs)}"
        yield f"priority = {program.rank}"
        yield "autostart = false"
        yield "autorestart = true"
        yield f"startsecs = {SETTLED_SECONDS}"
        yield f"startretries = {RETRIES}"
        yield f"stopwaitsecs = {program.stop_seconds}"
        yield "redirect_stderr = true"
        yield f"stdout_logfile = {_literal(log_of(folder, program.name))}"
        yield "stdout_logfile_maxbytes = 10MB"
        yield "stdout_logfile_backups = 1"


def _literal(value: object) -> str:
    return str(value).replace("%", "%%")
