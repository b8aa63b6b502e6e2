"""The Redis side of the view: rows and positions written at once, and patience while Redis is away."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from importlib.resources import files
from typing import NamedTuple, TypeVar

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ConnectionError,  # noqa: A004  # redis calls it so
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)

from pipeline.config.errors import ConfigError, UserError
from pipeline.config.namespace import Namespace
from pipeline.config.settings import RedisSettings
from pipeline.kafka.topics import CHANGELOG_DELETE_RETENTION_MS
from pipeline.serve.keys import VIEW, parse_position, position_text

logger = logging.getLogger(__name__)

T = TypeVar("T")

MARKER_MS = 2 * CHANGELOG_DELETE_RETENTION_MS
"""How long the marker of a deletion lasts: what is older than that can no longer be on its way to Redis."""

SCAN_COUNT = 1_000
VERSION_PLACE = (12, 33)
"""First and last byte of the version in the text of a profile; `write.lua` knows it as well."""

ANSWER_SECONDS = 10.0
REACH_SECONDS = 3.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between attempts while Redis is away."""

BEGINNING, BESIDE = "", "*"
"""In the place of a position: this writer reads from the partition's beginning; it moves no position."""

_AWAY = (ConnectionError, exceptions.TimeoutError, ReadOnlyError, OutOfMemoryError, ClusterDownError)
_PASSING = ("MISCONF", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED", "BUSY")
_SCRIPT = files("pipeline.serve").joinpath("write.lua").read_text(encoding="utf-8")


class AwayError(Exception):
    """Redis does not answer, or does not take writes now. Says why, without a password."""


class StoppedError(Exception):
    """The process is to end while Redis is away."""


class What(StrEnum):
    """What a row does to its key."""

    PUT = "put"
    DELETE = "delete"
    ACTIVE = "active"
    CANCELLED = "cancelled"


class Row(NamedTuple):
    """`stamp` is the version of a profile or its deletion, or when a trigger expires, epoch milliseconds."""

    key: str
    what: What
    stamp: str
    value: bytes = b""


class Batch(NamedTuple):
    """Rows of a topic partition, read without a gap from the position `start` to the position `end`.

    `start` may be BEGINNING or BESIDE. `current` is when all of the partition was known to be read, epoch milliseconds.
    """

    partition: str
    start: str
    end: str
    current: int
    rows: Sequence[Row]


class Outcome(StrEnum):
    """What became of a batch."""

    WRITTEN = "written"
    GAP = "gap"
    """Rows before this batch are missing: Redis has lost them, or never had them. Nothing was written."""
    BEHIND = "behind"
    """All of it was there already. Nothing was written."""
    OUTDATED = "outdated"
    FOREIGN = "foreign"


class Stand(NamedTuple):
    """How far Redis has a partition, and when all of it was known to be read (epoch milliseconds)."""

    epoch: int
    offset: int
    current: int


class Answer(NamedTuple):
    """`older` rows were refused because Redis had newer ones."""

    outcome: Outcome
    written: int
    older: int
    stands: str


class View:
    """The view of a namespace in Redis."""

    def __init__(
        self,
        redis: Redis,
        settings: RedisSettings,
        namespace: Namespace,
        stop: asyncio.Event,
        waiting: Callable[[], None],
    ) -> None:
        self.redis = redis
        self.place = settings.place()
        self.away_since: float | None = None
        self.returns = 0
        self._namespace = namespace
        self._stop = stop
        self._waiting = waiting
        self._digest = ""

    def position(self, offset: int) -> str:
        """Text of a position in a partition of this namespace."""
        return position_text(self._namespace.epoch, offset)

    async def stands(self) -> dict[str, Stand]:
        """How far Redis has each partition. Raises AwayError, and UserError where it is another namespace's."""
        with self._errors():
            found = await self.redis.hgetall(VIEW)
        told = {_text(key): _text(value) for key, value in found.items()}
        owner = told.pop("namespace", self._namespace.name)
        if owner != self._namespace.name:
            raise self._foreign(owner)
        return {partition: _parse(text) for partition, text in told.items()}

    async def write(self, batches: Sequence[Batch]) -> list[Answer]:
        """Write batches, each at once with its position, in one round trip. Raises AwayError and UserError."""
        with self._errors():
            if not self._digest:
                self._digest = await self.redis.script_load(_SCRIPT)
            try:
                answers = await self._send(batches)
            except NoScriptError:  # Redis was started anew
                self._digest = await self.redis.script_load(_SCRIPT)
                answers = await self._send(batches)
        for answer in answers:
            if answer.outcome is Outcome.FOREIGN:
                raise self._foreign(answer.stands)
            if answer.outcome is Outcome.OUTDATED:
                raise UserError(
                    f"Redis at {self.place} has the view of a later changelog than this process reads: start it again; "
                    "if that does not help, Redis belongs to another Kafka: empty it with FLUSHDB"
                )
        return answers

    async def _send(self, batches: Sequence[Batch]) -> list[Answer]:
        pipeline = self.redis.pipeline(transaction=False)
        for batch in batches:
            arguments: list[str | bytes | int] = [
                self._namespace.name,
                batch.partition,
                batch.start,
                batch.end,
                batch.current,
                MARKER_MS,
            ]
            for row in batch.rows:
                arguments += (row.what, row.stamp, row.value)
            keys = [row.key for row in batch.rows]
            pipeline.evalsha(self._digest, len(keys) + 1, VIEW, *keys, *arguments)
        return [
            Answer(Outcome(outcome.decode()), written, older, stands.decode())
            for outcome, written, older, stands in await pipeline.execute()
        ]

    async def values(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of keys. Raises AwayError, UserError."""
        with self._errors():
            values: list[bytes | None] = await self.redis.mget(keys)  # type: ignore[assignment]  # decoding is off
        return values

    async def lives(self, keys: Sequence[str]) -> list[tuple[bytes | None, int]]:
        """The values of keys, and the milliseconds until they expire. Raises AwayError, UserError."""
        with self._errors():
            pipeline = self.redis.pipeline(transaction=False)
            for key in keys:
                pipeline.get(key)
                pipeline.pttl(key)
            answers = await pipeline.execute()
        return list(zip(answers[::2], answers[1::2], strict=True))

    async def scan(self, pattern: str) -> AsyncIterator[tuple[str, str]]:
        """Keys that match, with the versions in their values; some perhaps twice. Waits while Redis is away."""
        cursor = 0
        while True:
            cursor, keys = await self.when_there(lambda at=cursor: self._scan(at, pattern))  # type: ignore[misc]
            for key, version in keys:
                yield key, version
            if not cursor:
                return

    async def _scan(self, cursor: int, pattern: str) -> tuple[int, list[tuple[str, str]]]:
        with self._errors():
            cursor, keys = await self.redis.scan(cursor, match=pattern, count=SCAN_COUNT)
            pipeline = self.redis.pipeline(transaction=False)
            for key in keys:
                pipeline.getrange(key, *VERSION_PLACE)
            versions = await pipeline.execute()
        return cursor, [(_text(key), _text(version)) for key, version in zip(keys, versions, strict=True)]

    async def when_there(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Do it, again and again with pauses while Redis is away. Raises StoppedError where the process is to end."""
        pause = FIRST_PAUSE
        while True:
            try:
                done = await attempt()
            except AwayError as error:
                if self.away_since is None:
                    self.away_since = asyncio.get_running_loop().time()
                    logger.warning("Redis at %s is away (%s): trying until it is back", self.place, error)
                self._waiting()
                try:
                    await asyncio.wait_for(self._stop.wait(), pause)
                except TimeoutError:
                    pause = min(2 * pause, LONGEST_PAUSE)
                else:
                    raise StoppedError from None
            else:
                if self.away_since is not None:
                    seconds = asyncio.get_running_loop().time() - self.away_since
                    logger.info("Redis at %s is back after %.1f s", self.place, seconds)
                    self.away_since = None
                    self.returns += 1
                return done

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (AuthenticationError, NoPermissionError) as error:
            raise _RefusedError(type(error).__name__) from None
        except _AWAY as error:
            raise AwayError(type(error).__name__) from None
        except RedisError as error:
            code = str(error).partition(" ")[0]
            if code in _PASSING:
                raise AwayError(code) from None
            raise UserError(
                f"Redis at {self.place} refuses what the view needs ({code}): it must be a Redis 6.2 or later, no "
                "cluster, with a database that only the view writes to"
            ) from None

    def _foreign(self, owner: str) -> UserError:
        return UserError(
            f"Redis at {self.place} has the view of namespace {owner}: give {self._namespace.name} a database of its "
            "own, for example redis://HOST:PORT/1 in REDIS_URL"
        )


class _RefusedError(AwayError):
    """Redis wants another password or user."""


def client(settings: RedisSettings, name: str) -> Redis:
    """A client for the Redis of the settings, which has not connected. Raises ConfigError."""
    try:
        return Redis.from_url(
            settings.url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=REACH_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name=name,
        )
    except (ValueError, TypeError):
        raise ConfigError("redis.url", "is not redis://HOST:PORT/DATABASE, nor rediss:// or unix://") from None


@asynccontextmanager
async def open_view(
    settings: RedisSettings, namespace: Namespace, stop: asyncio.Event, waiting: Callable[[], None] = lambda: None
) -> AsyncIterator[View]:
    """The view in the Redis of the settings, which answers. Raises UserError where it is missing or refuses.

    `stop` ends the waiting for a Redis that is away; `waiting` is called again and again while it lasts.
    """
    redis = client(settings, f"{namespace.name}-serve")
    view = View(redis, settings, namespace, stop, waiting)
    try:
        try:
            await view.stands()
        except _RefusedError:
            raise UserError(
                f"Redis at {view.place} refuses us: check user, password and permissions, in REDIS_URL"
            ) from None
        except AwayError as error:
            raise UserError(
                f"no Redis at {view.place} ({error}): start one with `pipeline redis`, or set REDIS_URL"
            ) from None
        yield view
    finally:
        await redis.aclose()


def _parse(text: str) -> Stand:
    position, _, current = text.partition(" ")
    return Stand(*parse_position(position), int(current))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
