"""An oracle of cart abandonment: works a whole history out by brute force, to judge what a run decided.

It shares no code with the engine: it looks at raw events, one person, one episode and one step at a time.
Slow and obvious is what it is for. All times are epoch milliseconds.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pipeline.triggers.contract import Kind, trigger_id

CHANNELS = ("email", "app_push", "web_push", "sms")
ACCEPTED_BASES = ("consent", "soft_opt_in")
WITHDRAWING = {"shop.customers": ("unsubscribe",), "shop.messages": ("message_unsubscribed", "message_complained")}
CLOSING = ("ordered", "emptied", "withdrawn")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Input = tuple[str, Mapping[str, Any], int]
"""A topic without its namespace, the event as parsed JSON, the time of its Kafka record."""


class Rules(NamedTuple):
    """What of the cart policy the oracle knows. `steps` are the silences in milliseconds, ascending."""

    steps: tuple[int, ...]
    min_value: int = 0
    expires_after: int = 72 * 3_600_000
    offline_lag: int = 0


class Expected(NamedTuple):
    """What must become of a trigger. `due_ms` of a `never:` verdict is the moment the episode closed."""

    step: int
    episode: str
    due_ms: int
    verdict: str


class Happening(NamedTuple):
    """An event of one person, with the time that counts."""

    at: int
    topic: str
    event: Mapping[str, Any]


class Line(NamedTuple):
    """A line of a cart."""

    quantity: int
    price: int


class Episode(NamedTuple):
    """A cart from its opening to its close; `closed` is None for one that stays open."""

    opening: str
    opened: int
    closed: int | None
    reason: str


class Record(NamedTuple):
    """A permission given or refused; `channel` None is all of them."""

    at: int
    channel: str | None
    granted: bool


def expect(history: Iterable[Input], rules: Rules, horizon: int) -> dict[str, Expected]:
    """Say what must become of every trigger of a history once all that is due at `horizon` is decided."""
    expected: dict[str, Expected] = {}
    for (site, (kind, _)), happenings in people(history).items():
        if kind == "anonymous":
            happenings = collected(happenings)
        for found in expect_of_person(happenings, rules, horizon):
            trigger = trigger_id(site, Kind.CART_ABANDONED, found.episode, found.step)
            if trigger in expected:
                raise ValueError(f"two people of {site} opened a cart with event {found.episode}")
            expected[trigger] = found
    return expected


def people(history: Iterable[Input]) -> dict[tuple[str, tuple[str, str]], list[Happening]]:
    """Part a history by person, in input order, without resends, tests and events that name nobody.

    An order is one order, in however many revisions a shop sends it: the first that is sent counts.
    """
    found: dict[tuple[str, tuple[str, str]], list[Happening]] = defaultdict(list)
    seen: set[tuple[str, tuple[str, str], str, str]] = set()
    for topic, event, record_time in history:
        if event.get("customer_id") is not None:
            who = ("customer", event["customer_id"])
        elif event.get("anonymous_id") is not None:
            who = ("anonymous", event["anonymous_id"])
        else:
            continue
        identity = (event["site_id"], who, "event", event["event_id"])
        if event["type"] == "purchase":
            identity = (event["site_id"], who, "order", event["order_id"])
        if event.get("test") or identity in seen:
            continue
        seen.add(identity)
        found[event["site_id"], who].append(Happening(min(millis(event["occurred_at"]), record_time), topic, event))
    return found


def collected(happenings: Sequence[Happening]) -> list[Happening]:
    """Leave out what an anonymous visitor did while the pages said that nothing may be collected."""
    said = [(h.at, state == "granted") for h in happenings if (state := analytics_of(h.event)) is not None]
    kept = []
    for happening in happenings:
        newest = max((at for at, _ in said if at <= happening.at), default=None)
        refused = not all(granted for at, granted in said if at == newest)
        if not (refused and happening.topic in ("shop.clicks", "shop.carts")):
            kept.append(happening)
    return kept


def analytics_of(event: Mapping[str, Any]) -> str | None:
    """What the page's consent mode says of analytics, None where it says nothing."""
    consent: Mapping[str, str | None] = (event.get("context") or {}).get("consent") or {}
    return consent.get("analytics_storage")


def millis(occurred_at: str | int) -> int:
    """Read `occurred_at`: RFC 3339 with an offset, or epoch milliseconds."""
    if isinstance(occurred_at, int):
        return occurred_at
    return (datetime.fromisoformat(occurred_at) - EPOCH) // timedelta(milliseconds=1)


def expect_of_person(happenings: Sequence[Happening], rules: Rules, horizon: int) -> Iterator[Expected]:
    """Take each episode, and each of its steps, on its own."""
    timeline = cart_timeline(happenings)
    activity = sorted(h.at for h in happenings if h.topic in ("shop.clicks", "shop.carts"))
    records = consent_records(happenings)
    for episode in episodes(timeline):
        for step, delay in delays(rules):
            due = due_time([at for at in activity if at >= episode.opened], delay)
            if episode.closed is not None and episode.closed <= due:
                if episode.closed <= horizon:
                    yield Expected(step, episode.opening, episode.closed, f"never:{episode.reason}")
                break
            if due <= horizon:
                verdict = verdict_at(due, episode, timeline, records, rules)
                yield Expected(step, episode.opening, due, verdict)


def cart_timeline(happenings: Iterable[Happening]) -> list[Happening]:
    """Put cart events and purchases in the order in which they count."""
    of_cart = [
        h for h in happenings if h.topic == "shop.carts" or (h.topic == "shop.orders" and h.event["type"] == "purchase")
    ]
    return sorted(
        of_cart,
        key=lambda h: (h.at, h.topic == "shop.orders", h.event.get("cart_version", 0), h.event["event_id"]),
    )


def episodes(timeline: Iterable[Happening]) -> Iterator[Episode]:
    """Walk the timeline and cut it into episodes."""
    content: dict[str, Line] = {}
    opening: Happening | None = None
    for happening in timeline:
        content = change(content, happening)
        if opening is None:
            opening = happening if content else None
        elif not content:
            reason = "ordered" if happening.topic == "shop.orders" else "emptied"
            yield Episode(opening.event["event_id"], opening.at, happening.at, reason)
            opening = None
    if opening is not None:
        yield Episode(opening.event["event_id"], opening.at, None, "")


def change(content: Mapping[str, Line], happening: Happening) -> dict[str, Line]:
    """Give the content of the cart after an event. Lines of no quantity do not exist."""
    kind, items = happening.event["type"], happening.event.get("items") or []
    after = dict(content)
    if kind in ("purchase", "clear_cart"):
        return {}
    if kind == "cart_snapshot":
        after = {i["item_id"]: Line(quantity_of(i), price_of(i, content)) for i in items if quantity_of(i) > 0}
    for item in items:
        sku = item["item_id"]
        have = after.get(sku, Line(0, 0))
        if kind == "add_to_cart":
            after[sku] = Line(have.quantity + quantity_of(item), price_of(item, after))
        elif kind == "update_cart":
            after[sku] = Line(quantity_of(item), price_of(item, after))
        elif kind == "remove_from_cart":
            after[sku] = Line(max(0, have.quantity - quantity_of(item)), have.price)
        after = {sku: line for sku, line in after.items() if line.quantity > 0}
    return after


def quantity_of(item: Mapping[str, Any]) -> int:
    """How many of an item an event speaks of."""
    quantity: int = item.get("quantity", 1)
    return quantity


def price_of(item: Mapping[str, Any], content: Mapping[str, Line]) -> int:
    """The price that an item names, else the one that its line has already, else nothing."""
    price: int | None = item.get("price")
    if price is not None:
        return price
    return content[item["item_id"]].price if item["item_id"] in content else 0


def value_at(when: int, timeline: Iterable[Happening]) -> int:
    """What the cart is worth at a moment, the moment included."""
    content: dict[str, Line] = {}
    for happening in timeline:
        if happening.at <= when:
            content = change(content, happening)
    return sum(line.quantity * line.price for line in content.values())


def delays(rules: Rules) -> list[tuple[int, int]]:
    """The steps that count, as (number, silence). Tills that report late push the early ones together."""
    kept: list[tuple[int, int]] = []
    for number, step in enumerate(rules.steps, 1):
        delay = max(step, rules.offline_lag)
        if all(delay > earlier for _, earlier in kept):
            kept.append((number, delay))
    return kept


def due_time(activity: Sequence[int], delay: int) -> int:
    """The first end of a silence of `delay` after an activity."""
    for at, following in itertools.pairwise(activity):
        if following - at >= delay:
            return at + delay
    return activity[-1] + delay


def consent_records(happenings: Iterable[Happening]) -> list[Record]:
    """What a person said about marketing messages, the oldest first."""
    records = []
    for at, topic, event in happenings:
        kind, channel = event["type"], event.get("channel")
        if topic == "shop.customers" and kind == "consent_update" and event["purpose"] == "marketing_message":
            granted = event["status"] == "granted" and event.get("basis", "consent") in ACCEPTED_BASES
            records.append(Record(at, channel, granted))
        elif kind in WITHDRAWING.get(topic, ()):
            records.append(Record(at, channel, granted=False))
    return sorted(records, key=lambda record: record.at)


def permitted(when: int, records: Sequence[Record], channel: str) -> bool:
    """Whether a channel is allowed at a moment, the moment included: the newest word on it holds.

    Of words of one moment, one about the channel itself holds over one about all, and a refusal over a permission.
    """
    words = [r for r in records if r.at <= when and r.channel in (None, channel)]
    newest = [r for r in words if r.at == words[-1].at]
    own = [r for r in newest if r.channel == channel]
    return bool(newest) and all(r.granted for r in own or newest)


def best_channel(when: int, records: Sequence[Record]) -> str | None:
    """The first channel that is allowed at a moment: the trigger names it, and no other."""
    return next((channel for channel in CHANNELS if permitted(when, records, channel)), None)


def verdict_at(
    due: int, episode: Episode, timeline: Sequence[Happening], records: Sequence[Record], rules: Rules
) -> str:
    """What becomes of a step that comes due."""
    channel = best_channel(due, records)
    if channel is None:
        return "blocked:no_permission"
    if value_at(due, timeline) < rules.min_value:
        return "blocked:below_min_value"
    ends = due + rules.expires_after
    close = episode.closed if episode.closed is not None and due < episode.closed < ends else None
    if close is not None:
        ends = close
    if any(due < r.at < ends and not permitted(r.at, records, channel) for r in records):
        return "closed:withdrawn"
    return f"closed:{episode.reason}" if close is not None else "reached"


def judge(decisions: Iterable[Mapping[str, Any]], expected: Mapping[str, Expected]) -> list[str]:
    """Compare the decision records of a run with what was expected; one line of text a difference."""
    by_trigger: dict[str, list[tuple[str, str]]] = {trigger: [] for trigger in expected}
    for decision in decisions:
        if decision["outcome"] != "held":
            by_trigger.setdefault(decision["trigger_id"], []).append((decision["outcome"], decision["reason"]))
    differences = []
    for trigger, got in by_trigger.items():
        shown = ", ".join(f"{outcome} ({reason})" for outcome, reason in got) or "no decision"
        want = expected.get(trigger)
        if want is None:
            differences.append(f"{trigger}: nothing expected, got {shown}")
        elif not agrees(want.verdict, got):
            differences.append(
                f"{trigger}: step {want.step} of {want.episode}, {want.verdict} at {want.due_ms}, got {shown}"
            )
    return differences


def agrees(verdict: str, got: Sequence[tuple[str, str]]) -> bool:
    """Whether the (outcome, reason) pairs of one trigger are what a verdict asks for."""
    outcomes = Counter(outcome for outcome, _ in got)
    reasons = {reason for outcome, reason in got if outcome != "emitted"}
    ending, _, reason = verdict.partition(":")
    if ending == "reached":
        return outcomes == {"emitted": 1}
    if ending == "closed" and outcomes == {"emitted": 1, "cancelled": 1}:
        return reasons <= set(CLOSING)
    if outcomes != {"suppressed": 1}:
        return False
    allowed = {"closed": CLOSING, "never": ("ordered", "emptied"), "blocked": (reason,)}[ending]
    return reasons <= set(allowed)
