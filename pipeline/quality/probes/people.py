"""Who the records are about, and what those people allow."""

import re

from pipeline.config.policy import SitePolicy
from pipeline.events.customer import ConsentUpdate, Purpose, Unsubscribe
from pipeline.quality.finding import Finding, Level, Seen, at_least, percent, share

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_HASHED = ("email_sha256", "phone_sha256")


class KnownCustomers:
    """Of the cart events, how many name a customer."""

    def __init__(self) -> None:
        self._carts = self._known = 0

    def see(self, seen: Seen) -> None:
        """Count cart events."""
        if seen.topic == "shop.carts":
            self._carts += 1
            self._known += seen.event.customer_id is not None

    def judge(self, _policy: SitePolicy) -> Finding:
        """Fails where nobody with a cart is known."""
        known = share(self._known, self._carts)
        return Finding(
            "customer_id",
            Level.NONE if not self._carts else at_least(known, 0.3, 1e-9),
            f"{percent(self._known, self._carts)} of {self._carts:,} cart events name a customer",
            {"cart_events": self._carts, "known": known},
            "a message goes to who can be reached: an anonymous visitor has no address",
            "publish customer_id in carts from the login on",
        )


class ExternalIds:
    """How many events carry ids of elsewhere, and whether hashes are hashes."""

    def __init__(self) -> None:
        self._events = self._with = self._hashes = self._bad = 0

    def see(self, seen: Seen) -> None:
        """Count the events of people."""
        if seen.person is None:
            return
        ids = seen.event.external_ids or {}
        hashes = [ids[name] for name in _HASHED if name in ids]
        self._events += 1
        self._with += bool(ids)
        self._hashes += len(hashes)
        self._bad += sum(not _SHA256.match(found) for found in hashes)

    def judge(self, _policy: SitePolicy) -> Finding:
        """Fails where a hash is none: it may be the address itself."""
        figure = f"{percent(self._with, self._events)} of {self._events:,} events have one"
        if self._bad:
            figure += f"; {self._bad:,} of {self._hashes:,} hashes are no SHA-256 in 64 hex digits"
        return Finding(
            "external ids",
            Level.FAIL if self._bad else Level.OK if self._events else Level.NONE,
            figure,
            {"events": self._events, "with": share(self._with, self._events), "no_hash": self._bad},
            "what is no hash links nobody, and may be the address itself in the clear",
            "hash the address in lower case without spaces, the number with its country code",
        )


class MarketingConsent:
    """Of the customers who have a cart, how many allow messages on some channel, by their newest word on each."""

    def __init__(self) -> None:
        self._carts: set[int] = set()
        self._words: dict[int, dict[str | None, bool]] = {}

    def see(self, seen: Seen) -> None:
        """Note who has a cart, and what people say about messages."""
        event = seen.event
        if seen.person is None:
            return
        if seen.topic == "shop.carts" and event.customer_id is not None:
            self._carts.add(seen.person)
        elif isinstance(event, ConsentUpdate) and event.purpose is Purpose.MARKETING_MESSAGE:
            self._words.setdefault(seen.person, {})[event.channel] = event.status == "granted"
        elif isinstance(event, Unsubscribe):
            words = self._words.setdefault(seen.person, {})
            words.update(dict.fromkeys([event.channel] if event.channel is not None else [*words], False))

    def judge(self, policy: SitePolicy) -> Finding:
        """Fails where nobody with a cart has consented, and the policy does not do without."""
        carts = len(self._carts)
        both = sum(any(self._words.get(person, {}).values()) for person in self._carts)
        figure = f"{percent(both, carts)} of {carts:,} customers with a cart allow messages"
        level = Level.NONE if not carts else at_least(share(both, carts), 0.05, 1e-9)
        if Purpose.MARKETING_MESSAGE in policy.permission.without_record:
            level, figure = Level.OK, f"{figure}; the policy allows them without"
        return Finding(
            "consent",
            level,
            figure,
            {"customers": carts, "allowed": share(both, carts)},
            "without a consent a message is suppressed: no_permission. Those older than the sample are not seen",
            "publish consent_update, purpose marketing_message, for all who have allowed it, those of long ago too",
        )


class ConsentMode:
    """Of what anonymous visitors do, how much says what the consent banner said."""

    def __init__(self) -> None:
        self._visits = self._told = 0

    def see(self, seen: Seen) -> None:
        """Count what anonymous visitors do."""
        if seen.topic in ("shop.clicks", "shop.carts") and seen.event.customer_id is None:
            context = seen.event.context
            self._visits += 1
            self._told += context is not None and context.consent is not None

    def judge(self, _policy: SitePolicy) -> Finding:
        """Only ever warns: a shop may do without anonymous visitors."""
        told = share(self._told, self._visits)
        return Finding(
            "context.consent",
            Level.NONE if not self._visits else at_least(told, 0.9, 0.0),
            f"{percent(self._told, self._visits)} of {self._visits:,} events of anonymous visitors have it",
            {"events": self._visits, "told": told},
            "nothing is personalized on site for visitors who were not asked",
            "copy the state of the consent banner into context.consent",
        )
