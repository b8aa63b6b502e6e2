"""What a record of the changelog or of a trigger topic does to the view. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.config.errors import UserError
from pipeline.config.namespace import CHANGELOG
from pipeline.serve.keys import position_text, profile_key, trigger_key
from pipeline.serve.view import Row, What
from pipeline.state.codec import StateError, decode_customer
from pipeline.state.partition import RESERVED
from pipeline.view.profile import encode_profile
from pipeline.view.project import project
from pipeline.view.scores import Models


class _Data(Struct):
    trigger_id: str
    expires_at: datetime


class _Trigger(Struct):
    """What the view needs of a trigger's CloudEvent."""

    type: str
    data: _Data


_decode_trigger = msgspec.json.Decoder(_Trigger).decode
_BECOMES = {"emitted": What.ACTIVE, "cancelled": What.CANCELLED}


def rows_of(topic: str, namespace: str, epoch: int, records: Iterable[Any], models: Models) -> list[Row]:
    """The rows of records of one partition, in any case the newest of each key; `topic` without the namespace.

    Profiles are scored with `models`. Raises UserError where a record cannot be read by this release.
    """
    if topic == CHANGELOG:
        newest = {record.key: record for record in records if not record.key.startswith(RESERVED)}
        return [_profile(namespace, epoch, record, models) for record in newest.values()]
    return [row for record in records if (row := _trigger(record)) is not None]


def _profile(namespace: str, epoch: int, record: Any, models: Models) -> Row:
    person = record.key.decode()
    key, version = profile_key(namespace, person), position_text(epoch, record.offset + 1)
    if record.value is None:
        return Row(key, What.DELETE, version)
    try:
        customer = decode_customer(record.value)
    except StateError as error:
        raise _unreadable(record) from error
    return Row(key, What.PUT, version, encode_profile(project(person, customer, version, models)))


def _trigger(record: Any) -> Row | None:
    try:
        trigger = _decode_trigger(record.value)
    except msgspec.MsgspecError as error:
        raise _unreadable(record) from error
    what = _BECOMES.get(trigger.type.split(".")[1])
    if what is None:
        return None
    expires = round(trigger.data.expires_at.timestamp() * 1000)
    return Row(trigger_key(trigger.data.trigger_id), what, str(expires))


def _unreadable(record: Any) -> UserError:
    return UserError(
        f"the record {record.topic}-{record.partition}-{record.offset} is of a format that this release does not know: "
        "use the release of the workers"
    )
