"""Keys of the models topic: which of its records goes to the log, and what the learner keeps there beside it.

| key | value |
|---|---|
| `HEAD` | the snapshot to score with; the only one that goes to the log |
| `HEAD/VERSION` | a snapshot that is kept, to go back to; deleted by a tombstone |
| `HEAD/state`, `HEAD/state/1`, … | the learner's own state, in parts |
| `HEAD/pin` | the version that an operator wants served; a tombstone ends it |
| `/position` | up to where the examples are in those states |
"""

POSITION_KEY = b"/position"
STATE, PIN = "state", "pin"


def served_key(head: str) -> bytes:
    """Key of the snapshot to score with."""
    return head.encode()


def version_key(head: str, version: int) -> bytes:
    """Key of a snapshot that is kept."""
    return f"{head}/{version}".encode()


def state_key(head: str, part: int) -> bytes:
    """Key of a part of the learner's state, counted from 0."""
    return f"{head}/{STATE}/{part}".encode() if part else f"{head}/{STATE}".encode()


def pin_key(head: str) -> bytes:
    """Key of the version that an operator wants served."""
    return f"{head}/{PIN}".encode()


def is_for_the_log(key: bytes | None) -> bool:
    """Whether a record is a snapshot to score with. One without a key is not the learner's: it is looked at."""
    return key is None or b"/" not in key
