"""The control topic: what an operator says of a namespace, as rows for every partition of the log."""

import msgspec

from pipeline.config.namespace import Namespace
from pipeline.config.policy import Policy, decode_policy, encode_policy, policy_version
from pipeline.log.rejects import RefusedError, RejectReason
from pipeline.log.rows import NamespaceRow, PolicyRow, SourceResetRow

NAMESPACE_KEY = b"namespace"
POLICY_KEY = b"policy"
RESET_PREFIX = b"source-reset|"


class SourceReset(msgspec.Struct, frozen=True):
    """A source partition was made anew: what the engine knew of its offsets is forgotten."""

    topic: str
    partition: int


def route_control(
    key: bytes | None, value: bytes | None, offset: int, namespace: Namespace
) -> NamespaceRow | PolicyRow | SourceResetRow:
    """Read a control record. Raises RefusedError."""
    try:
        if key == NAMESPACE_KEY and value:
            return NamespaceRow(msgspec.json.encode(msgspec.json.decode(value, type=Namespace)))
        if key == POLICY_KEY and value:
            body = encode_policy(decode_policy(value))
            return PolicyRow(policy_version(body), body)
        if key is not None and key.startswith(RESET_PREFIX) and value:
            reset = msgspec.json.decode(value, type=SourceReset)
            for number, source in enumerate(namespace.sources):
                if (source.topic, source.partition) == (reset.topic, reset.partition):
                    return SourceResetRow(number, offset)
            raise RefusedError(RejectReason.INVALID, "a reset of a source that the namespace does not have")
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RefusedError(RejectReason.INVALID, str(error)) from None
    raise RefusedError(RejectReason.UNKNOWN_TYPE, "a control record is namespace, policy or source-reset")


def policy_record(policy: Policy) -> tuple[bytes, bytes]:
    """Key and value that publish a policy."""
    return POLICY_KEY, encode_policy(policy)
