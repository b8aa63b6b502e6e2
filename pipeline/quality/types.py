"""The types of the contract by name: where an event of a type goes, what it looks like, what its fields hold."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, get_args

import msgspec
from msgspec import Struct, inspect

from pipeline.config.namespace import HISTORY
from pipeline.events import TOPIC_EVENTS
from pipeline.schemas import examples
from pipeline.schemas.json_schema import wire_name

TOPIC_TYPES: dict[str, dict[str, type[Struct]]] = {
    topic: {wire_name(kind): kind for kind in get_args(union)} for topic, union in TOPIC_EVENTS.items()
}
"""By topic, its types by name."""

HOME_TOPICS = {name: topic for topic, types in TOPIC_TYPES.items() if topic != HISTORY for name in types}
"""By the name of a type, the topic where events of it go as they happen. History repeats types of others."""


def example_of(topic: str, name: str) -> str:
    """A valid event of a type, as JSON on one line."""
    return next(_text(event) for event in examples.EVENTS[topic] if wire_name(type(event)) == name)


@lru_cache(maxsize=256)
def shape(kind: type[Struct]) -> inspect.StructType:
    """What is known of the fields of a type."""
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)  # of a Struct it always is
    return found


def bare(found: inspect.Type) -> inspect.Type:
    """A field's type without what is said about it, and without null where it is one type or null."""
    while isinstance(found, inspect.Metadata):
        found = found.type
    if isinstance(found, inspect.UnionType):
        types = [one for one in found.types if not isinstance(bare(one), inspect.NoneType)]
        if len(types) == 1:
            return bare(types[0])
    return found


def names_near(topic: str | None) -> list[str]:
    """Names of types to compare a misspelt one with: those of a topic, or of all."""
    return list(HOME_TOPICS if topic is None else TOPIC_TYPES[topic])


def kind_of(topic: str | None, name: Any) -> type[Struct] | None:
    """The type of a name, None where there is none of it in the topic."""
    return TOPIC_TYPES[topic].get(name) if topic is not None and isinstance(name, str) else None


def field_at(kind: type[Struct], steps: Sequence[str | int]) -> inspect.Type | None:
    """The type of the field that a path of names and indices leads to; None where none is known."""
    at: inspect.Type | None = shape(kind)
    for step in steps:
        at = None if at is None else _below(bare(at), step)
    return at


def described(found: inspect.Type) -> str:
    """What a field may hold, in words."""
    about = meaning(found)
    return _kind(bare(found)) + (f" ({about.rstrip('.')})" if about else "")


def meaning(found: inspect.Type) -> str:
    """What the contract says about a field, empty where it says nothing."""
    if isinstance(found, inspect.Metadata):
        return str((found.extra_json_schema or {}).get("description", "")) or meaning(found.type)
    if isinstance(found, inspect.UnionType):
        said = [meaning(one) for one in found.types if not isinstance(bare(one), inspect.NoneType)]
        return said[0] if len(said) == 1 else ""
    return ""


def _below(at: inspect.Type, step: str | int) -> inspect.Type | None:
    if isinstance(at, inspect.StructType):
        return next((field.type for field in at.fields if field.encode_name == step), None)
    if isinstance(at, inspect.ListType):
        return at.item_type
    if isinstance(at, inspect.DictType):
        return at.value_type
    return None


def _kind(found: inspect.Type) -> str:
    if isinstance(found, inspect.UnionType):
        return " or ".join(described(one) for one in found.types if not isinstance(bare(one), inspect.NoneType))
    if isinstance(found, inspect.StrType):
        return "text" + _span(found.min_length, found.max_length, "characters")
    if isinstance(found, inspect.IntType):
        return "a whole number" + _span(found.ge, found.le, "")
    if isinstance(found, inspect.BoolType):
        return "true or false"
    if isinstance(found, inspect.DateTimeType):
        return 'a time with its offset, as "2026-03-02T18:06:00Z"'
    if isinstance(found, inspect.EnumType):
        return "one of " + ", ".join(str(member.value) for member in found.cls)
    if isinstance(found, inspect.LiteralType):
        return "one of " + ", ".join(map(str, found.values))
    if isinstance(found, inspect.ListType):
        return "a list" + _span(found.min_length, found.max_length, "entries")
    return "an object"


def _span(least: int | None, most: int | None, unit: str) -> str:
    if least and least == most:
        return f" of {least:,} {unit}".rstrip()
    if most is None:
        return "" if least is None else f" from {least:,} on"
    of = " of" if unit else " from"
    return f"{of} {least or 0:,} to {most:,} {unit}".rstrip()


def _text(event: Struct) -> str:
    return msgspec.json.encode(event).decode()
