"""Names that were probably meant: of types and of fields that are nearly those of the contract."""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

from msgspec import Struct, inspect

from pipeline.quality.types import bare, shape

_CLOSE = 0.75
"""Ratio of difflib from which a name counts as a misspelling of another."""

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SAME = {
    "user_id": "customer_id",
    "visitor_id": "anonymous_id",
    "client_id": "anonymous_id",
    "timestamp": "occurred_at",
    "time": "occurred_at",
    "id": "event_id",
    "message_id": "event_id",
    "site": "site_id",
    "shop_id": "site_id",
    "sku": "item_id",
    "product_id": "item_id",
    "qty": "quantity",
    "products": "items",
    "email": "external_ids.email_sha256",
}
"""How others call what the contract has another name for."""


class Misnamed(NamedTuple):
    """A field that the contract does not know, and what it was probably meant to be."""

    field: str
    meant: str


def nearest(name: str, known: Collection[str]) -> str | None:
    """The one of `known` that a name is nearly, None where it is near to none."""
    snake = _CAPITAL.sub("_", name).replace("-", "_").replace(" ", "_").lower()
    if snake in known:
        return snake
    return next(iter(get_close_matches(snake, known, 1, _CLOSE)), None)


def misnamed_fields(event: dict[str, Any], kind: type[Struct]) -> list[Misnamed]:
    """Fields of an event that would be ignored, and that were probably meant to be fields of its type."""
    return list(_misnamed(event, shape(kind), "$"))


def _misnamed(value: dict[str, Any], found: inspect.StructType, path: str) -> Iterator[Misnamed]:
    fields = {field.encode_name: bare(field.type) for field in found.fields}
    missing = fields.keys() - value.keys()
    for name, inner in value.items():
        if name in fields:
            yield from _inside(inner, fields[name], f"{path}.{name}")
        elif name != found.tag_field and (meant := _meant(name, missing)) is not None:
            yield Misnamed(f"{path}.{name}", meant)


def _meant(name: str, missing: Collection[str]) -> str | None:
    snake = _CAPITAL.sub("_", name).lower()
    other = _SAME.get(snake)
    if other is not None and other.partition(".")[0] in missing:
        return other
    return nearest(name, missing)


def _inside(value: Any, found: inspect.Type, path: str) -> Iterator[Misnamed]:
    if isinstance(found, inspect.StructType) and isinstance(value, dict):
        yield from _misnamed(value, found, path)
    elif isinstance(found, inspect.ListType) and isinstance(value, list):
        for place, entry in enumerate(value):
            yield from _inside(entry, bare(found.item_type), f"{path}[{place}]")
