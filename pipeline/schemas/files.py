"""The files of the `schemas/` folder: their names and their bytes."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from pipeline.config.namespace import DECISIONS, REJECTS, trigger_topic
from pipeline.schemas import asyncapi, examples
from pipeline.schemas.json_schema import plain, standalone, wire_name
from pipeline.schemas.profile import PROFILE
from pipeline.schemas.reference import events_page

_URN = "urn:live-customer-pipeline"


def files() -> dict[str, bytes]:
    """Every file by its path below the folder."""
    made = {"asyncapi.json": _text(asyncapi.document()), "events.md": events_page().encode()}
    for topic, events in examples.EVENTS.items():
        for event in events:
            name = wire_name(type(event))
            made |= _pair(f"events/{topic}/{name}", name, f"{_URN}:{topic}:{name}", [event])
    for kind, shown in examples.TRIGGERS.items():
        name = f"{kind}.v1"
        made |= _pair(f"triggers/{name}", name, f"{_URN}:{trigger_topic(kind)}:v1", shown)
    for topic, value in ((DECISIONS, examples.DECISION), (REJECTS, examples.REJECT)):
        made |= _pair(f"{topic}.v1", f"{topic}.v1", f"{_URN}:{topic}:v1", [value])
    return made | _pair("profile.v1", "profile.v1", f"{_URN}:profile:v1", [PROFILE])


def _pair(path: str, title: str, urn: str, shown: Sequence[Struct]) -> dict[str, bytes]:
    return {
        f"{path}.json": _text(standalone(type(shown[0]), title, urn, shown)),
        f"examples/{path}.json": _text(plain(shown)[0]),
    }


def _text(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
