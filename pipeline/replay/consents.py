"""Synthetic consents: public logs say nothing of permission, so a stated share of their customers gives some."""

from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from heapq import merge

from pipeline.config.durations import SECOND
from pipeline.events.customer import Channel, ConsentUpdate, Purpose
from pipeline.log.persons import customer_key
from pipeline.simulator.happening import CUSTOMERS, Happening

BEFORE_FIRST_EVENT = SECOND

EMAIL, ONSITE = Purpose.MARKETING_MESSAGE, Purpose.ONSITE_PERSONALIZATION
"""What may be consented to: marketing by email, and personalization of the site."""

_DRAWN_BY = {EMAIL: b"consent", ONSITE: b"onsite"}


def consents_of(
    site: str, seen: Iterable[tuple[str, int]], share: float, purposes: Collection[Purpose]
) -> list[Happening]:
    """Grants of these purposes, one second before the first event of each customer who gives one.

    `seen` says who was seen when, in time order; so is what is returned. Who gives which depends on site, id and
    purpose alone, so that one says nothing of the other; the event ids begin with `synthetic-consent`.
    """
    known: set[str] = set()
    grants: list[Happening] = []
    for user, at_ms in seen:
        if user in known:
            continue
        known.add(user)
        grants += [
            _grant(site, user, at_ms - BEFORE_FIRST_EVENT, purpose)
            for purpose in purposes
            if chosen(site, user, share, purpose)
        ]
    return grants


def chosen(site: str, user: str, share: float, purpose: Purpose) -> bool:
    """Whether this customer gives a consent: a share of 0 to 1 of all, by a hash."""
    return int(_hash(site, user, purpose), 16) < share * 2**64


def with_consents(grants: list[Happening], happenings: Iterable[Happening]) -> Iterator[Happening]:
    """Merge the grants into the happenings, by time."""
    return merge(grants, happenings, key=lambda happening: happening.at_ms)


def _grant(site: str, user: str, at_ms: int, purpose: Purpose) -> Happening:
    event = ConsentUpdate(
        event_id=f"synthetic-consent-{_hash(site, user, purpose)}",
        site_id=site,
        occurred_at=at_ms,
        customer_id=user,
        purpose=purpose,
        status="granted",
        channel=Channel.EMAIL if purpose is EMAIL else None,
    )
    return Happening(at_ms, CUSTOMERS, customer_key(site, user), event)


def _hash(site: str, user: str, purpose: Purpose) -> str:
    """64 bits in hexadecimal."""
    return blake2b(f"{site}|{user}".encode(), digest_size=8, person=_DRAWN_BY[purpose]).hexdigest()
