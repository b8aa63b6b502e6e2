"""Why a line was refused, as a field, what is expected there, and what was got."""

import json
import re
from typing import Any, NamedTuple

from msgspec import Struct

from pipeline.events.envelope import SITE_PATTERN
from pipeline.log.rejects import RejectReason
from pipeline.quality.types import described, field_at

_SHOWN = 60
"""Characters of a value that are shown."""

_PATH = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_NAMES_PEOPLE = ("customer_id", "anonymous_id", "external_ids", "session_id")
"""What these hold is never shown."""


class Problem(NamedTuple):
    """`field` is a path as `$.items[0].price`, or `$` for the event as a whole."""

    field: str
    expected: str
    got: str


def problem_of(reason: RejectReason, detail: str, event: dict[str, Any], kind: type[Struct]) -> Problem:
    """What ingest's refusal of an event of a known type says."""
    if reason is RejectReason.INVALID:
        return _invalid(detail, event, kind)
    field, expected = _EXPECTED[reason]
    if reason is RejectReason.UNKNOWN_CURRENCY:
        return Problem(field, expected, shown(event.get("currency")))
    if reason is RejectReason.BAD_SITE:
        return Problem(field, expected, shown(event.get("site_id")))
    if reason is RejectReason.BOT:
        return Problem(field, expected, '"bot"')
    if reason in (RejectReason.OCCURRED_IN_FUTURE, RejectReason.OCCURRED_TOO_LONG_AGO):
        return Problem(field, expected, shown(event.get("occurred_at")))
    return Problem(field, expected, detail.replace("$.", ""))


def shown(value: Any) -> str:
    """A value as it stands in the JSON, cut where it is long, and what it is."""
    if value is None:
        return "null"
    text = json.dumps(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f"{text} ({what(value)})"


def what(value: Any) -> str:
    """What a JSON value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a whole number", float: "a fraction", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


_EXPECTED = {
    RejectReason.UNKNOWN_TYPE: ("$.type", "one type, said once"),
    RejectReason.BAD_SITE: ("$.site_id", f"1 to 32 of a-z, 0-9 and '-' ({SITE_PATTERN})"),
    RejectReason.NO_PERSON: ("$.customer_id", "customer_id or anonymous_id: who did it"),
    RejectReason.FINGERPRINT: ("$.anonymous_id_kind", "the id of a cookie, a device or an app"),
    RejectReason.UNKNOWN_CURRENCY: ("$.currency", "a currency of ISO 4217 in capitals, as EUR"),
    RejectReason.OCCURRED_IN_FUTURE: ("$.occurred_at", "a time that has come"),
    RejectReason.OCCURRED_TOO_LONG_AGO: (
        "$.occurred_at",
        "a time of the last 400 days, in milliseconds where it is a number",
    ),
    RejectReason.TOO_LARGE: ("$", "at most 64 KB"),
    RejectReason.BOT: ("$.context.device", "the device of a person: bots are refused"),
}
"""By what ingest says of a whole event: the field it is about, and what it wants there."""


def _invalid(detail: str, event: dict[str, Any], kind: type[Struct]) -> Problem:
    said, _, place = detail.partition(" - at ")
    path = place.replace("`", "").removeprefix("key in ") or "$"
    if missing := _MISSING.search(said):
        path = f"{path}.{missing[1]}"
    steps = [int(index) if index.isdigit() else name or index for name, index in _PATH.findall(path)]
    found = field_at(kind, steps)
    expected = said.replace("`", "").removeprefix("Expected ").partition(", got ")[0]
    if place.startswith("`key`"):
        return Problem(path, f"keys of {expected}", "another key")
    if found is not None:
        expected = described(found)
    if missing:
        return Problem(path, expected, "nothing")
    value = event
    for step in steps:
        try:
            value = value[step]  # type: ignore[index]  # a str or an int, as the path of a JSON value has it
        except (LookupError, TypeError):
            return Problem(path, expected, said.partition(", got ")[2].replace("`", "") or "something else")
    private = any(step in _NAMES_PEOPLE for step in steps)
    size = f" of {len(value)} characters" if isinstance(value, str) else ""
    return Problem(path, expected, f"{what(value)}{size}" if private else shown(value))
