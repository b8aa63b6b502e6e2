"""Synthetic consents: public logs say nothing of permission, so a stated share of their customers is given one."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from heapq import merge

from pipeline.config.durations import SECOND
from pipeline.events.customer import Channel, ConsentUpdate, Purpose
from pipeline.log.persons import customer_key
from pipeline.simulator.happening import CUSTOMERS, Happening

BEFORE_FIRST_EVENT = SECOND


def consents_of(site: str, seen: Iterable[tuple[str, int]], share: float) -> list[Happening]:
    """Grants of marketing by email, one second before the first event of each customer who is given one.

    `seen` says who was seen when, in time order; so is what is returned. Who is given one depends on site and id
    alone; the event ids begin with `synthetic-consent`.
    """
    known: set[str] = set()
    grants: list[Happening] = []
    for user, at_ms in seen:
        if user in known:
            continue
        known.add(user)
        if chosen(site, user, share):
            grants.append(_grant(site, user, at_ms - BEFORE_FIRST_EVENT))
    return grants


def chosen(site: str, user: str, share: float) -> bool:
    """Whether this customer is given a consent: a share of 0 to 1 of all, by a hash."""
    return int(_hash(site, user), 16) < share * 2**64


def with_consents(grants: list[Happening], happenings: Iterable[Happening]) -> Iterator[Happening]:
    """Merge the grants into the happenings, by time."""
    return merge(grants, happenings, key=lambda happening: happening.at_ms)


def _grant(site: str, user: str, at_ms: int) -> Happening:
    event = ConsentUpdate(
        event_id=f"synthetic-consent-{_hash(site, user)}",
        site_id=site,
        occurred_at=at_ms,
        customer_id=user,
        purpose=Purpose.MARKETING_MESSAGE,
        status="granted",
        channel=Channel.EMAIL,
    )
    return Happening(at_ms, CUSTOMERS, customer_key(site, user), event)


def _hash(site: str, user: str) -> str:
    """64 bits in hexadecimal."""
    return blake2b(f"{site}|{user}".encode(), digest_size=8, person=b"consent").hexdigest()
