"""When events happened, when they came, and which topics have gone silent."""

from statistics import quantiles

from pipeline.config.durations import DAY, HOUR, MINUTE, SECOND, Millis
from pipeline.config.policy import SitePolicy
from pipeline.quality.finding import Finding, Level, Seen, percent, share

_SILENT_GAPS = 10
_SOON = {"shop.clicks": HOUR, "shop.carts": HOUR}
"""Shortest silence that is one, by topic; of the others a day."""

_NEEDED = {
    "shop.clicks": "steps count from the last click, and what people like is seen in clicks",
    "shop.carts": "there are no carts to recover",
    "shop.orders": "nobody knows who has bought: messages are held, or go to people who have",
    "shop.customers": "consents come by it: without them messages are suppressed",
    "shop.messages": "what was sent is not known: a cancellation cannot say whether it comes too late",
    "shop.catalog": "prices of now and stock are not known: sold out items are not left out",
}
"""By topic, what does not work without it."""


class Clocks:
    """How long after it happened an event reaches its topic."""

    def __init__(self) -> None:
        self._lags: list[int] = []

    def see(self, seen: Seen) -> None:
        """Compare the event's time with its record's."""
        self._lags.append(seen.timestamp - seen.at)

    def judge(self, _policy: SitePolicy) -> Finding:
        """Fails where events come from the future, or most come late."""
        marks = quantiles(self._lags, n=100, method="inclusive") if len(self._lags) > 1 else (self._lags or [0]) * 99
        half, last, ahead = int(marks[49]), int(marks[98]), sum(lag < -SECOND for lag in self._lags)
        level = Level.OK if self._lags else Level.NONE
        if ahead or last > 5 * MINUTE:
            level = Level.WARN
        if share(ahead, len(self._lags)) > 0.01 or half > 5 * MINUTE:
            level = Level.FAIL
        figure = f"{_length(half)} behind in the middle, {_length(last)} for the last in a hundred; "
        return Finding(
            "clocks",
            level,
            f"{figure}{percent(ahead, len(self._lags))} of {len(self._lags):,} are ahead",
            {"events": len(self._lags), "median": half, "p99": last, "ahead": share(ahead, len(self._lags))},
            "time is the event's own: what comes late finds its step decided, what is ahead is set to its arrival",
            "publish at once, and take occurred_at from a clock that is set, with its offset from UTC",
        )


class Feed:
    """One topic: how many records of the site, and when the newest came. Takes refused records as well."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.records = self.newest = self.oldest = 0

    def arrived(self, timestamp: int) -> None:
        """A record of the site came at this time."""
        self.records += 1
        self.newest = max(self.newest, timestamp)
        self.oldest = min(self.oldest or timestamp, timestamp)

    def judge(self, policy: SitePolicy, first: int, newest: int) -> Finding:
        """Compare with the first and the newest record of all topics of the site."""
        orders = self.topic == "shop.orders"
        limit = int(policy.order.silent_after) if orders else _SOON.get(self.topic, DAY)
        if self.records > 1:
            limit = max(limit, _SILENT_GAPS * (self.newest - self.oldest) // (self.records - 1))
        behind = newest - (self.newest or first)
        if self.records:
            level = Level.OK if behind <= limit else Level.FAIL if orders else Level.WARN
            figure = f"{self.records:,} records, the newest {_length(behind)} before the newest of all"
        else:
            level = Level.FAIL if self.topic == "shop.carts" or (orders and behind > limit) else Level.WARN
            figure = "no record"
        return Finding(
            self.topic,
            level,
            figure,
            {"records": self.records, "behind": behind},
            _NEEDED[self.topic],
            "look at the connector that publishes it",
        )


def _length(millis: int) -> str:
    sign = "-" if millis < 0 else ""
    size = abs(millis)
    unit = DAY if size >= 10 * DAY else MINUTE if size >= HOUR else SECOND if size >= 10 * SECOND else 1
    return f"{sign}{Millis(size // unit * unit)}"
