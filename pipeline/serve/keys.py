"""The names of the view's keys in Redis, and the texts of its positions."""

from pipeline.log.persons import escape, partition_of, site_of, unescape

VIEW = "view"
"""A hash: `namespace`, and for each topic partition how far it is read and when all of it was known to be read."""


def profile_key(namespace: str, person: str) -> str:
    """Key of a profile: `profile:<namespace>:<site>:c:<customer_id>`, or `…:a:<anonymous_id>`.

    Ids stand as the shop wrote them. Neither namespace nor site can have a colon, so all after `c:` is the id.
    """
    _, kind, part = person.split("|", 2)
    return f"profile:{namespace}:{site_of(person)}:{kind}:{unescape(part)}"


def partition_of_profile(key: str, partitions: int) -> int:
    """The partition whose rows make this profile; -1 where the key is no profile's."""
    parts = key.split(":", 4)
    if len(parts) < 5:
        return -1
    _, _, site, kind, part = parts
    return partition_of(f"{site}|{kind}|{escape(part)}", partitions)


def profiles(namespace: str) -> str:
    """Pattern of the keys of all profiles."""
    return f"profile:{namespace}:*"


def trigger_key(trigger_id: str) -> str:
    """Key of what has become of a trigger."""
    return f"trigger:{trigger_id}"


TRIGGERS = "trigger:*"
"""Pattern of the keys of all triggers."""


def position_text(epoch: int, offset: int) -> str:
    """A position: the epoch of the changelog and the next offset to read. All have one length, so they compare."""
    return f"{epoch:06d}-{offset:015d}"


def parse_position(text: str) -> tuple[int, int]:
    """`(epoch, offset)` of a position."""
    epoch, _, offset = text.partition("-")
    return int(epoch), int(offset)
