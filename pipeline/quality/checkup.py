"""A sample of one site's records, looked at by all probes. It keeps hashes of ids, and gives counts only."""

from collections import Counter
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.config.namespace import HISTORY, Mode
from pipeline.config.policy import SitePolicy
from pipeline.events import TOPIC_EVENTS
from pipeline.events.clock import Clock
from pipeline.events.envelope import Event
from pipeline.ingest.route import Router
from pipeline.log.rejects import RefusedError, Reject, RejectReason
from pipeline.quality.finding import Finding, Level, Probe, Seen, at_most, percent, share
from pipeline.quality.probes import money, orders, people
from pipeline.quality.probes.time import Clocks, Feed
from pipeline.schemas.json_schema import wire_name

CLOCK = wire_name(Clock)
EXAMINED = tuple(topic for topic in TOPIC_EVENTS if topic != HISTORY)


class Checkup:
    """Takes records of all sites, in the order of each topic, and judges those of one."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.other_sites: set[str] = set()
        self._feeds = {topic: Feed(topic) for topic in EXAMINED}
        self._refused: Counter[str] = Counter()
        self._nameless = 0
        self._probes: list[Probe] = [
            people.KnownCustomers(),
            people.ExternalIds(),
            people.MarketingConsent(),
            people.ConsentMode(),
            money.Currencies(),
            money.Prices(),
            orders.EventIds(),
            orders.OrderIds(),
            orders.OrdersWithoutCart(),
            Clocks(),
        ]

    @property
    def records(self) -> int:
        """How many of the site there were."""
        return sum(feed.records for feed in self._feeds.values())

    def add(self, topic: str, value: bytes | None, timestamp: int) -> None:
        """Take a record. What ingest refuses is counted by its reason."""
        if not self._ours(value):
            return
        self._feeds[topic].arrived(timestamp)
        try:
            _router(topic)(value, timestamp)
        except RefusedError as refused:
            self._refused[refused.reason.value] += 1
            return
        event = _decode(topic, value or b"")
        at = event.occurred_at
        seen = Seen(
            topic,
            event,
            _person(event) if isinstance(event, Event) else None,
            hash(value),
            at if isinstance(at, int) else round(at.timestamp() * 1_000),
            timestamp,
        )
        for probe in self._probes:
            probe.see(seen)

    def add_reject(self, reject: Reject) -> None:
        """Take a reject; those of ingest are known from the records themselves."""
        if not reject.refused_by.startswith("ingest") and self._ours(reject.value):
            self._refused[reject.reason.value] += 1

    def findings(self, policy: SitePolicy) -> list[Finding]:
        """All that was found."""
        seen = [feed for feed in self._feeds.values() if feed.records]
        first, newest = min((f.oldest for f in seen), default=0), max((f.newest for f in seen), default=0)
        return [
            *(probe.judge(policy) for probe in self._probes),
            *(feed.judge(policy, first, newest) for feed in self._feeds.values()),
            self._rejects(),
            self._without_a_site(),
        ]

    def _rejects(self) -> Finding:
        counted = {reason: count for reason, count in self._refused.items() if reason != RejectReason.BOT}
        bad, records = sum(counted.values()), self.records
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self._refused.most_common())
        figure = f"{percent(bad, records)} of {records:,} records are refused" + (f": {reasons}" if reasons else "")
        return Finding(
            "rejects",
            at_most(share(bad, records), 0.001, 0.01),
            figure,
            {"records": records, "refused": share(bad, records), **self._refused},
            "what is refused is as if it had not happened: an order that is refused stops no message",
            "`pipeline rejects list` tells each with its field; `pipeline validate` checks before",
        )

    def _without_a_site(self) -> Finding:
        """Of whom they are nobody can tell: so no site fails for them."""
        return Finding(
            "site_id",
            Level.WARN if self._nameless else Level.OK,
            f"{self._nameless:,} records of the sample name no site: they may be of any",
            {"nameless": self._nameless},
            "what names no site is refused, and counts for none",
            "`pipeline rejects list` tells where each stands",
        )

    def _ours(self, value: bytes | None) -> bool:
        try:
            found = msgspec.json.decode(value or b"", type=_Sited)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._nameless += 1
            return False
        if found.type == CLOCK and not found.site_id:
            return False  # it tells the time of a replay, and is of no site
        if found.site_id and found.site_id != self.site:
            self.other_sites.add(found.site_id)
        self._nameless += not found.site_id
        return found.site_id == self.site


class _Sited(Struct):
    site_id: str = ""
    type: Any = ""


def _person(event: Event) -> int:
    return hash(("c", event.customer_id) if event.customer_id is not None else ("a", event.anonymous_id))


@lru_cache(maxsize=len(TOPIC_EVENTS))
def _router(topic: str) -> Router:
    return Router(topic, Mode.LIVE)


@lru_cache(maxsize=len(TOPIC_EVENTS))
def _decoder(topic: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(TOPIC_EVENTS[topic])


def _decode(topic: str, value: bytes) -> Any:  # a union that only the topic knows
    return _decoder(topic).decode(value)
