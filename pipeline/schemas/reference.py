"""The reference of all events as a page to read, made of the same types as the schemas."""

from collections.abc import Iterable

import msgspec

from pipeline.events.envelope import Event
from pipeline.schemas import examples
from pipeline.schemas.json_schema import Schema, components, wire_name

_REF = "#{name}"
_INTRO = """\
# Events

Written by `pipeline schema` from the types that ingest reads with; do not edit it. A record is one JSON object. Unknown
fields are ignored, unknown types are refused. `null` is as if the field were not there. Fields in bold are required.
"""
_WHO = "`customer_id` or `anonymous_id` must be there, or both.\n"


def events_page() -> str:
    """All topics, their types, and the objects in them, as Markdown."""
    kinds = {topic: [type(event) for event in shown] for topic, shown in examples.EVENTS.items()}
    every = list(dict.fromkeys(kind for of_topic in kinds.values() for kind in of_topic))
    references, definitions = components(every, _REF)
    names = {kind: reference["$ref"].removeprefix("#") for kind, reference in references.items()}
    envelope = {field.encode_name for field in msgspec.structs.fields(Event)}
    parts = [_INTRO, "## Every event\n", _WHO]
    carrier = next(kind for kind in every if issubclass(kind, Event))
    parts.append(_fields(definitions[names[carrier]], envelope))
    for topic, of_topic in kinds.items():
        parts.append(f"## {topic}\n")
        for kind in of_topic:
            own = definitions[names[kind]]
            left_out = {"type"} | (envelope if issubclass(kind, Event) else set())
            title = wire_name(kind)
            files = f"[schema](events/{topic}/{title}.json), [example](examples/events/{topic}/{title}.json)"
            parts.append(f"### {title}\n\n{own.get('description', '')}\n{files}\n".replace("\n\n\n", "\n\n"))
            parts.append(_fields(own, own["properties"].keys() - left_out))
    parts.append("## Objects in them\n")
    for name in sorted(definitions.keys() - set(names.values())):
        schema = definitions[name]
        parts.append(f"### {name}\n\n{schema.get('description', '')}\n")
        parts.append(_fields(schema, schema["properties"].keys()) if "properties" in schema else _kind(schema) + "\n")
    return "\n".join(part for part in parts if part)


def _fields(schema: Schema, wanted: Iterable[str]) -> str:
    chosen = set(wanted)
    rows = []
    for name, field in schema["properties"].items():
        if name in chosen:
            shown = f"**`{name}`**" if name in schema.get("required", ()) else f"`{name}`"
            rows.append(f"| {shown} | {_kind(field)} | {_meaning(field)} |\n")
    return "".join(["| field | what it is | |\n|---|---|---|\n", *rows]) if rows else ""


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#")
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in _alternatives(schema))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"list of {_kind(schema['items'])}{_range(schema, 'minItems', 'maxItems')}"
        case "object":
            return f"object of {_kind(schema['additionalProperties'])}"
        case "string" if schema.get("format") == "date-time":
            return "time, RFC 3339 with its offset"
        case "string":
            return f"text{_range(schema, 'minLength', 'maxLength')} characters" + _pattern(schema)
        case "integer":
            return f"whole number{_range(schema, 'minimum', 'maximum')}"
        case "boolean":
            return "`true` or `false`"
        case other:
            return str(other or "anything")


def _range(schema: Schema, low: str, high: str) -> str:
    if low in schema and schema[low] == schema.get(high):
        return f" of {schema[low]:,}"
    if low in schema and high in schema:
        return f", {schema[low]:,} to {schema[high]:,}"
    if high in schema:
        return f", at most {schema[high]:,}"
    return f", at least {schema[low]:,}" if low in schema else ""


def _pattern(schema: Schema) -> str:
    return f", `{schema['pattern']}`" if "pattern" in schema else ""


def _alternatives(schema: Schema) -> list[Schema]:
    return [one for one in schema["anyOf"] if one.get("type") != "null"]


def _meaning(schema: Schema) -> str:
    parts = [schema, *(_alternatives(schema) if "anyOf" in schema else ())]
    return " ".join(part["description"].replace("\n", " ") for part in parts if "description" in part)
