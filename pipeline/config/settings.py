"""The settings of a process: one TOML file plus environment variables, typed and checked at start."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from pipeline.config.durations import Millis, parse_duration
from pipeline.config.errors import ConfigError
from pipeline.config.namespace import require_name

T = TypeVar("T")

SHORTEST_TICK = 10
"""Milliseconds: ticks without a pause would fill the log."""


class KafkaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach the brokers."""

    bootstrap_servers: Annotated[str, Meta(description="Brokers, host:port, separated by commas.")] = "127.0.0.1:19092"
    security_protocol: Annotated[str, Meta(description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")] = "PLAINTEXT"
    sasl_mechanism: Annotated[str, Meta(description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")] = "SCRAM-SHA-512"
    sasl_username: Annotated[str, Meta(description="User, where SASL is on.")] = ""
    sasl_password: Annotated[str, Meta(description="Password, where SASL is on; better from the environment.")] = ""
    ssl_cafile: Annotated[str, Meta(description="PEM file of the CA that signed the brokers' certificates.")] = ""


class NamespaceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which namespace the process works in."""

    name: Annotated[str, Meta(description="Topic prefix: 1 to 32 of a-z, 0-9 and '-'.")] = "live"

    def __post_init__(self) -> None:
        """Refuse a bad name here, whether file, environment or option gave it: before anything goes by it."""
        require_name(self.name)


class TopicSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What `pipeline topics apply` creates."""

    partitions: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            description="Partitions of each source, of the log and of the outputs. Fixed for good once created.",
        ),
    ] = 4
    replication_factor: Annotated[int, Meta(ge=1, le=9, description="Copies of each partition; 3 in production.")] = 1
    retention: Annotated[Millis, Meta(description="How long a live namespace keeps sources, log and outputs.")] = (
        Millis(7 * 86_400_000)
    )


class IngestSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How shop topics are read and framed."""

    max_poll_records: Annotated[int, Meta(ge=1, le=50_000, description="Events taken from the sources at a time.")] = (
        5_000
    )
    tick_interval: Annotated[Millis, Meta(description="How often watermarks are written to the log.")] = Millis(250)
    watermark_slack: Annotated[
        Millis,
        Meta(description="How late an event may reach its topic; the clock stays this far behind."),
    ] = Millis(1_000)
    alignment: Annotated[Millis, Meta(description="How far one source may be read ahead of the slowest that lags.")] = (
        Millis(60_000)
    )
    alignment_patience: Annotated[
        Millis, Meta(description="How long a source is held back before it is read on all the same.")
    ] = Millis(30_000)
    reject_bytes: Annotated[
        int, Meta(ge=64, le=262_144, description="Bytes of a refused event that are kept in rejects.")
    ] = 16_384


class WorkerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the log is folded."""

    data_dir: Annotated[str, Meta(description="Folder of the local copy of the state. A cache: it may be deleted.")] = (
        ".pipeline/worker"
    )
    instance_id: Annotated[
        str, Meta(description="Static group membership, for example the pod's name. Empty: none.")
    ] = ""
    session_timeout: Annotated[
        Millis, Meta(description="After this long without a heartbeat the partitions go to another worker.")
    ] = Millis(10_000)
    transaction_timeout: Annotated[
        Millis, Meta(description="A dead worker's open transaction is aborted after this long.")
    ] = Millis(15_000)
    max_frames: Annotated[int, Meta(ge=1, le=1_000, description="Frames taken into one transaction.")] = 32
    cache_bytes: Annotated[
        int,
        Meta(
            ge=1_000_000,
            description="Profiles kept in memory, in bytes, over all partitions.",
        ),
    ] = 64_000_000
    stall_timeout: Annotated[
        Millis, Meta(description="A partition that stands still this long while its log goes on ends the process.")
    ] = Millis(60_000)


class MetricsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a process serves /metrics, /healthz and /readyz."""

    host: Annotated[
        str, Meta(description="Address to listen on; 0.0.0.0 in a container. There is no password on it.")
    ] = "127.0.0.1"
    ingest_port: Annotated[int, Meta(ge=0, le=65_535, description="Port of the ingest; 0: off.")] = 0
    worker_port: Annotated[int, Meta(ge=0, le=65_535, description="Port of the worker; 0: off.")] = 0
    serve_port: Annotated[int, Meta(ge=0, le=65_535, description="Port of serve; 0: off.")] = 0
    learner_port: Annotated[int, Meta(ge=0, le=65_535, description="Port of the learner; 0: off.")] = 0
    stalled_after: Annotated[
        Millis, Meta(description="/healthz fails where the process's loop has not turned for this long.")
    ] = Millis(60_000)


class BrokerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The Kafka that `pipeline broker` runs on this machine."""

    data_dir: Annotated[str, Meta(description="Folder of the broker's data.")] = ".pipeline/broker"
    port: Annotated[int, Meta(ge=1, le=65_534, description="Port on 127.0.0.1; the controller takes the next one.")] = (
        19_092
    )


class RedisSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The Redis that holds the view, and the one that `pipeline redis` runs on this machine."""

    url: Annotated[
        str, Meta(description="redis://, rediss:// or unix://, with user, password and database where it has them.")
    ] = "redis://127.0.0.1:16379/0"
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port on 127.0.0.1 of our own.")] = 16_379

    def place(self) -> str:
        """The URL without user, password and options: what may be shown."""
        scheme, _, rest = self.url.partition("://")
        rest, _, options = rest.partition("?")
        if not rest or "@" in options:
            return "redis.url"
        return f"{scheme}://{rest.rpartition('@')[2]}"


class PolicySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the policy is."""

    file: Annotated[str, Meta(description="TOML file of the policy. Empty: the defaults.")] = ""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a process can be told. Each section has its own class."""

    kafka: KafkaSettings = KafkaSettings()
    namespace: NamespaceSettings = NamespaceSettings()
    topics: TopicSettings = TopicSettings()
    ingest: IngestSettings = IngestSettings()
    worker: WorkerSettings = WorkerSettings()
    metrics: MetricsSettings = MetricsSettings()
    broker: BrokerSettings = BrokerSettings()
    redis: RedisSettings = RedisSettings()
    policy: PolicySettings = PolicySettings()


def load_settings(
    file: Path | None,
    environment: Mapping[str, str] | None = None,
    below: Mapping[str, Mapping[str, Any]] | None = None,
) -> Settings:
    """Read the TOML file, then let the environment override it; what neither says is taken from the tree `below`.

    `KAFKA_<KEY>` sets `kafka.<key>`, `REDIS_URL` sets `redis.url`, and `PIPELINE_<SECTION>_<KEY>` sets
    `<section>.<key>`. Raises ConfigError.
    """
    tree: dict[str, dict[str, Any]] = {}
    if file is not None:
        tree = read_toml(file)
    for section, key, text in _from_environment(os.environ if environment is None else environment):
        if not isinstance(tree.setdefault(section, {}), dict):
            raise ConfigError(section, f"is a section: write [{section}] and its keys below")
        tree[section][key] = text
    for section, keys in (below or {}).items():
        if isinstance(tree.setdefault(section, {}), dict):
            tree[section] = {**keys, **tree[section]}
    settings = convert_toml(tree, Settings, "settings")
    if settings.ingest.tick_interval < SHORTEST_TICK:
        raise ConfigError("ingest.tick_interval", f"{settings.ingest.tick_interval} is too short: at least 10ms")
    return settings


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file. Raises ConfigError where it is missing or not TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(file), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), f"is not TOML: {error}") from error


def convert_toml(tree: Mapping[str, Any], into: type[T], where: str) -> T:
    """Check a parsed TOML tree against a type. Raises ConfigError that names the key."""
    try:
        return msgspec.convert(tree, into, strict=False, dec_hook=_read_custom)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        raise ConfigError(path.strip("`").removeprefix("$.") or where, what) from error


def _read_custom(kind: type, value: object) -> object:
    if kind is Millis:
        if not isinstance(value, str):
            raise ValueError(f'{value!r} is not a duration: write for example "30m"')
        return parse_duration(value)
    raise NotImplementedError(kind)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that look as if they set something here and set nothing, each with what may have been meant."""
    known = {name for _, _, name in _variables()} | {*_ELSEWHERE}
    unknown = sorted(name for name in environment if name.startswith("PIPELINE_") and name not in known)
    meant = [get_close_matches(name, known, n=1, cutoff=_ALIKE) for name in unknown]
    return [name + (f": is it {near[0]}?" if near else "") for name, near in zip(unknown, meant, strict=True)]


_ELSEWHERE = ("PIPELINE_CONFIG", "PIPELINE_PROFILE", "PIPELINE_CACHE_DIR")
"""Read by others than the settings."""

_ALIKE = 0.85
"""From here on one name is taken for a slip of the other, 1 for the same."""


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(section, key, environment[name]) for section, key, name in _variables() if name in environment]


def _variables() -> Iterator[tuple[str, str, str]]:
    """`(section, key, variable)`; of two variables the later holds."""
    for section in msgspec.structs.fields(Settings):
        for key in msgspec.structs.fields(section.type):
            yield section.name, key.name, f"PIPELINE_{section.name}_{key.name}".upper()
            if section.name == "kafka":
                yield section.name, key.name, f"KAFKA_{key.name}".upper()
            if (section.name, key.name) == ("redis", "url"):  # not REDIS_PORT, which Kubernetes sets for a service
                yield section.name, key.name, "REDIS_URL"
