"""Person keys: `site|c|customer_id` or `site|a|anonymous_id`, and the partition that a key belongs to."""

from typing import Final
from zlib import crc32

_ESCAPES: Final = str.maketrans({c: f"%{ord(c):02X}" for c in [*map(chr, range(32)), "|", "%", "\x7f"]})


def escape(part: str) -> str:
    """Escape what would break a key apart. Plain ids come back as they are."""
    if part.isprintable() and "|" not in part and "%" not in part:
        return part
    return part.translate(_ESCAPES)


def unescape(part: str) -> str:
    """Undo `escape`."""
    if "%" not in part:
        return part
    head, *rest = part.split("%")
    return head + "".join(chr(int(piece[:2], 16)) + piece[2:] for piece in rest)


def customer_key(site: str, customer_id: str) -> str:
    """Key of a known customer."""
    return f"{site}|c|{escape(customer_id)}"


def anonymous_key(site: str, anonymous_id: str) -> str:
    """Key of an anonymous visitor."""
    return f"{site}|a|{escape(anonymous_id)}"


def has_account(person: str) -> bool:
    """Whether a key is that of a known customer."""
    return person.startswith("c|", person.index("|") + 1)


def site_of(person: str) -> str:
    """The site that a person key belongs to."""
    return person[: person.index("|")]


def ids_of(person: str) -> tuple[str | None, str | None]:
    """`(customer_id, anonymous_id)` of a key: exactly one is not None."""
    _, kind, part = person.split("|", 2)
    return (unescape(part), None) if kind == "c" else (None, unescape(part))


def partition_of(person: str, partitions: int) -> int:
    """The partition of the log and of every output that holds this person. Fixed for the life of a namespace."""
    return crc32(person.encode()) % partitions
