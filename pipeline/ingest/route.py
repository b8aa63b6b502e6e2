"""One record of a shop topic: decoded, checked, and told where it belongs. Pure, and a versioned part of the log.

Changing what goes where needs a drained cut-over: the engine finds duplicates by source offset per log partition.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from pipeline.config.namespace import CLOCKED_SOURCES, HISTORY, Mode
from pipeline.events import TOPIC_EVENTS
from pipeline.events.clock import Clock
from pipeline.events.envelope import SITE_PATTERN, Event
from pipeline.events.history import MAX_HISTORY_AGE
from pipeline.ingest.compact import compact_event, compact_product
from pipeline.log.frames import MAX_EVENT_BYTES
from pipeline.log.persons import anonymous_key, customer_key
from pipeline.log.rejects import RefusedError, RejectReason
from pipeline.log.rows import PersonEvent, ProductRow

MAX_AHEAD = 24 * 3_600_000
"""A clock that is further ahead than this is wrong; one that is less is set to the record's time."""

MAX_AGE = 400 * 86_400_000
"""Older than this at its arrival: a clock that was never set. What is older comes as history."""

LAST_CLOCK = 2**53
"""A clock record of a later time could not be written to the log."""


class Routed(NamedTuple):
    """An event of a person."""

    person: str
    site: str
    event: PersonEvent


class Echoed(NamedTuple):
    """A valid event with `test: true`: it goes no further."""

    site: str


Route = Routed | ProductRow | Clock | Echoed


class Router:
    """Routes the records of one shop topic. In a live namespace nobody may set the clock."""

    def __init__(self, topic: str, mode: Mode) -> None:
        types: Any = TOPIC_EVENTS[topic]
        if mode is not Mode.LIVE and topic in CLOCKED_SOURCES:
            types = types | Clock
        self._decode = msgspec.json.Decoder(types).decode
        self._max_age = MAX_HISTORY_AGE if topic == HISTORY else MAX_AGE

    def __call__(self, value: bytes | None, time: int) -> Route:
        """Route a record whose time is `time`, epoch milliseconds. Raises RefusedError."""
        event = self._decoded(value)
        if type(event) is Clock:
            if not 0 <= event.at < LAST_CLOCK:
                raise RefusedError(RejectReason.INVALID, "$.at is no time in epoch milliseconds")
            return event
        if not _is_site(event.site_id):
            raise RefusedError(RejectReason.BAD_SITE, f"$.site_id does not match {SITE_PATTERN}")
        at = _occurred(event.occurred_at, time, self._max_age)
        routed: Routed | ProductRow
        if isinstance(event, Event):
            routed = Routed(_person(event), event.site_id, compact_event(event, at))
        else:
            routed = compact_product(event, at)
        return Echoed(event.site_id) if event.test else routed

    def _decoded(self, value: bytes | None) -> Any:  # a union that only the topic knows
        if not value:
            raise RefusedError(RejectReason.EMPTY, "a record without a value")
        if len(value) > MAX_EVENT_BYTES:
            raise RefusedError(RejectReason.TOO_LARGE, f"{len(value)} bytes, at most {MAX_EVENT_BYTES}")
        try:
            return self._decode(value)
        except msgspec.ValidationError as error:
            unknown = str(error).endswith("`$.type`")
            raise RefusedError(RejectReason.UNKNOWN_TYPE if unknown else RejectReason.INVALID, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RefusedError(RejectReason.NOT_JSON, str(error)) from None


@lru_cache(maxsize=1024)
def _is_site(site: str) -> bool:
    return re.fullmatch(SITE_PATTERN, site) is not None


def _occurred(occurred: datetime | int, time: int, max_age: int) -> int:
    """When it happened, epoch milliseconds, not later than the record's own time."""
    at = occurred if isinstance(occurred, int) else round(occurred.timestamp() * 1000)
    if at > time:
        if at > time + MAX_AHEAD:
            raise RefusedError(RejectReason.OCCURRED_IN_FUTURE, "$.occurred_at is more than a day ahead: a wrong clock")
        return time
    if at < time - max_age:
        too_old = f"$.occurred_at is over {max_age // 86_400_000} days old: a wrong clock"
        raise RefusedError(RejectReason.OCCURRED_TOO_LONG_AGO, too_old)
    return at


def _person(event: Event) -> str:
    if event.external_ids is not None or event.anonymous_id_kind is not None:
        _refuse_fingerprints(event)
    if event.customer_id is not None:
        return customer_key(event.site_id, event.customer_id)
    if event.anonymous_id is not None:
        return anonymous_key(event.site_id, event.anonymous_id)
    raise RefusedError(RejectReason.NO_PERSON, "neither $.customer_id nor $.anonymous_id")


def _refuse_fingerprints(event: Event) -> None:
    names = [*(event.external_ids or ()), event.anonymous_id_kind or ""]
    if any("fingerprint" in name.lower() for name in names):
        raise RefusedError(RejectReason.FINGERPRINT, "an id declared as a fingerprint: use a cookie's or an app's id")
