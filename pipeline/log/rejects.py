"""A refused record: its bytes, why it was refused, where it came from, and which version refused it."""

from enum import StrEnum
from hashlib import sha256

import msgspec
from msgspec import Struct

FORMAT = 1


class RejectReason(StrEnum):
    """Why a record was refused; labels of a metric, so the list is closed."""

    NOT_JSON = "not_json"
    INVALID = "invalid"
    UNKNOWN_TYPE = "unknown_type"
    TOO_LARGE = "too_large"
    NO_PERSON = "no_person"
    BAD_SITE = "bad_site"
    FINGERPRINT = "fingerprint"
    BOT = "bot"
    UNKNOWN_CURRENCY = "unknown_currency"
    OCCURRED_IN_FUTURE = "occurred_in_future"
    OCCURRED_TOO_LONG_AGO = "occurred_too_long_ago"
    EMPTY = "empty"
    FOLD_ERROR = "fold_error"
    TIMER_ERROR = "timer_error"
    VALUE_TOO_LARGE = "value_too_large"


class RefusedError(Exception):
    """An event that cannot be used: it goes to `rejects` with this reason. `detail` never names a person."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Reject(Struct, frozen=True, omit_defaults=True):
    """A record of `rejects`, JSON, keyed `topic-partition-offset` of its source.

    `value` holds the first bytes of the record; `size` and `sha256` are of the whole. Where it was cut, or where the
    engine refused it, the whole is still in the source topic at `offset` as long as that is kept.
    """

    reason: RejectReason
    detail: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    size: int
    refused_by: str
    key: bytes | None = None
    value: bytes = b""
    sha256: str = ""
    truncated: bool = False
    format: int = FORMAT


class Replayed(Struct, frozen=True, omit_defaults=True):
    """Written under the reject's key, in one transaction with the record's new copy: it was replayed, once."""

    replayed_to: int
    format: int = FORMAT


def cut(value: bytes, limit: int) -> tuple[bytes, str, bool]:
    """`(kept bytes, sha256 of the whole, whether it was cut)`."""
    return value[:limit], sha256(value).hexdigest(), len(value) > limit


def reject_key(topic: str, partition: int, offset: int) -> bytes:
    """Key of a reject: where the record stands in its source."""
    return f"{topic}-{partition}-{offset}".encode()


encode = msgspec.json.Encoder().encode
