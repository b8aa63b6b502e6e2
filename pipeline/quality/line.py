"""One line of a file of events, judged as ingest would judge it, and what would be published of it."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from pipeline.config.namespace import Mode
from pipeline.ingest.route import Router
from pipeline.log.persons import anonymous_key, customer_key
from pipeline.log.rejects import RefusedError
from pipeline.quality.moments import moment_of
from pipeline.quality.problem import Problem, problem_of, shown, what
from pipeline.quality.spelling import misnamed_fields, nearest
from pipeline.quality.types import HOME_TOPICS, TOPIC_TYPES, example_of, kind_of, names_near

TOPIC = "topic"
"""Field of a line that names its topic, where it begins with `shop.`; it is not part of the event."""


class EventLine(NamedTuple):
    """A line. `topic` is None where nothing says which; `key` where nobody is named.

    `completed` says that its time was relative, so that only `pipeline send` makes an event of it. `event_id` is empty
    where there is none.
    """

    number: int
    topic: str | None
    type: str
    key: bytes | None
    value: bytes
    event_id: str
    completed: bool
    problem: Problem | None
    warnings: tuple[str, ...]


def read_line(number: int, line: bytes, now: int, new_id: Callable[[], str]) -> EventLine:
    """Judge line `number` at `now`, epoch milliseconds. A line with a relative time gets a new id, if it has none."""
    value = line.strip()
    try:
        event = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _unreadable(number, value, Problem("$", "one JSON object a line", str(error)))
    if not isinstance(event, dict):
        return _unreadable(number, value, Problem("$", "a JSON object", what(event)))
    named = event.get(TOPIC)
    if isinstance(named, str) and named.startswith("shop."):
        del event[TOPIC]
        value = msgspec.json.encode(event)
    else:
        named = None
    moment = moment_of(event.get("occurred_at"), now)
    if moment is not None:
        event |= {"occurred_at": moment}
        event.setdefault("event_id", new_id())
        value = msgspec.json.encode(event)
    name = event.get("type")
    topic = named if named is not None else HOME_TOPICS.get(name) if isinstance(name, str) else None
    kind = kind_of(topic, name) if topic in TOPIC_TYPES else None
    if kind is None or topic is None:
        problem: Problem | None = _unknown(topic, name)
        warnings: tuple[str, ...] = ()
    else:
        problem = _refusal(topic, kind, event, value, now)
        warnings = tuple(_warnings(event, kind))
    return EventLine(
        number,
        topic if topic in TOPIC_TYPES else None,
        name if isinstance(name, str) else "",
        _key(event),
        value,
        _event_id(event),
        moment is not None,
        problem,
        warnings,
    )


def read_lines(lines: Iterable[bytes], now: int, new_id: Callable[[], str]) -> Iterator[EventLine]:
    """Judge the lines of a file; empty ones are left out. An event id that comes twice is warned of."""
    seen: dict[str, int] = {}
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        line = read_line(number, text, now, new_id)
        if line.event_id and (first := seen.setdefault(line.event_id, number)) != number:
            twice = f"$.event_id is that of line {first} as well: where both are one person's, the second is dropped"
            line = line._replace(warnings=(*line.warnings, twice))
        yield line


def example_for(line: EventLine) -> str | None:
    """A valid event of the line's type, or of the type that it is nearly; None where it is near to none."""
    name = line.type if line.type in HOME_TOPICS else nearest(line.type, HOME_TOPICS)
    return None if name is None else example_of(HOME_TOPICS[name], name)


def _unreadable(number: int, value: bytes, problem: Problem) -> EventLine:
    return EventLine(number, None, "", None, value, "", False, problem, ())


def _unknown(topic: str | None, name: Any) -> Problem:
    if topic is not None and topic not in TOPIC_TYPES:
        near = nearest(topic, TOPIC_TYPES)
        return Problem(TOPIC, f"{near}, perhaps" if near else f"one of {', '.join(TOPIC_TYPES)}", shown(topic))
    if topic is not None and isinstance(name, str) and name in HOME_TOPICS:
        return Problem(TOPIC, f"{HOME_TOPICS[name]}: events of type {name} go there", shown(topic))
    names = names_near(topic)
    expected = f"a type of {topic}: {', '.join(names)}" if topic else "one of the types of the contract"
    if name is None:
        return Problem("$.type", expected, "nothing")
    near = nearest(name, names) if isinstance(name, str) else None
    return Problem("$.type", f"{near}, perhaps" if near else expected, shown(name))


def _refusal(topic: str, kind: type[Struct], event: dict[str, Any], value: bytes, now: int) -> Problem | None:
    try:
        _router(topic)(value, now)
    except RefusedError as refused:
        return problem_of(refused.reason, str(refused), event, kind)
    return None


@lru_cache(maxsize=len(TOPIC_TYPES))
def _router(topic: str) -> Router:
    return Router(topic, Mode.LIVE)


def _warnings(event: dict[str, Any], kind: type[Struct]) -> list[str]:
    found = [
        f"{wrong.field} is unknown, and ignored: did you mean {wrong.meant}?" for wrong in misnamed_fields(event, kind)
    ]
    if event.get("test") is True:
        found.append("$.test is true: it is checked and echoed, and changes nothing")
    return found


def _key(event: dict[str, Any]) -> bytes | None:
    """All events of a person get one key, and so one partition a topic; a product's by its own."""
    site, customer, visitor, item = (event.get(f) for f in ("site_id", "customer_id", "anonymous_id", "item_id"))
    if not isinstance(site, str):
        return None
    if isinstance(customer, str):
        return customer_key(site, customer).encode()
    if isinstance(visitor, str):
        return anonymous_key(site, visitor).encode()
    return f"{site}|{item}".encode() if isinstance(item, str) else None


def _event_id(event: dict[str, Any]) -> str:
    found = event.get("event_id")
    return found if isinstance(found, str) else ""
