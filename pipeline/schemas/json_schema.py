"""JSON Schemas of the structs: what msgspec derives, made readable, and open where the contract is open."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.events.envelope import Event
from pipeline.log.rejects import RejectReason
from pipeline.triggers.contract import Kind, Outcome, Reason, Why

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_OPEN = frozenset(enum.__name__ for enum in (Kind, Outcome, Reason, RejectReason, Why))
"""Enumerations that may grow without a new version: consumers take values that they do not know."""

_NAMES_A_PERSON = [{"required": ["customer_id"]}, {"required": ["anonymous_id"]}]


def wire_name(kind: type[Struct]) -> str:
    """The `type` of an event as it is written, else the name of the class."""
    tag = kind.__struct_config__.tag
    return tag if isinstance(tag, str) else kind.__name__


def standalone(kind: type[Struct], title: str, urn: str, examples: Sequence[Struct]) -> Schema:
    """A schema that is a document of its own, with examples of the struct."""
    (root,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    named = _readable([kind], definitions)
    own = named.pop(root["$ref"].rpartition("/")[2])
    document = {"$schema": DIALECT, "$id": urn} | own | {"title": title, "examples": plain(examples)}
    return document | ({"$defs": named} if named else {})


def components(
    kinds: Sequence[type[Struct]], ref_template: str
) -> tuple[dict[type[Struct], Schema], dict[str, Schema]]:
    """References to the structs, and the definitions that they refer to by `ref_template`."""
    references, definitions = msgspec.json.schema_components(kinds, ref_template=ref_template)
    return dict(zip(kinds, references, strict=True)), _readable(kinds, definitions)


def plain(values: Sequence[Struct]) -> list[Any]:
    """Structs as the JSON values that are written to Kafka."""
    return [msgspec.json.decode(msgspec.json.encode(value)) for value in values]


def _readable(kinds: Sequence[type[Struct]], definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    of_people = {kind.__name__ for kind in kinds if issubclass(kind, Event)}
    readable = {}
    for name, definition in sorted(definitions.items()):
        schema = dict(definition)
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        if name in _OPEN:
            schema["anyOf"] = [{"enum": schema.pop("enum")}, {"type": "string"}]
        if name in of_people:
            schema["anyOf"] = _NAMES_A_PERSON
        readable[name] = schema
    return readable
