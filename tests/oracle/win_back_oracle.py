"""An oracle of win-back: lives each person's life from event to event, to judge what a run decided.

It shares no code with the engine: it keeps every event, and at each moment looks at all that had happened by then.
Slow and obvious is what it is for. All times are epoch milliseconds, days those of UTC.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

from pipeline.triggers.contract import Kind, trigger_id
from tests.oracle.cart_oracle import (
    CHANNELS,
    Happening,
    Input,
    Record,
    consent_records,
    people,
    permitted,
    quantity_of,
)

DAY = 86_400_000
CLOSINGS = {"ordered", "withdrawn"}


class Rules(NamedTuple):
    """What of the policy the oracle knows. `categories` has other priors, by the category of the dearest line."""

    prior: int = 60 * DAY
    categories: Mapping[str, int] = {}
    never_carted_after: int = 90 * DAY
    dormant_after: int = 300 * DAY
    expires_after: int = 14 * DAY
    delivery_reported: bool = False
    live_from: int = 0
    spread: int = 14 * DAY


class Expected(NamedTuple):
    """What must become of a win-back. `deferred`: it had to wait, and for what first."""

    episode: str
    due_ms: int
    verdict: str
    deferred: str = ""
    channel: str = ""
    cause: str = ""


class Order(NamedTuple):
    """A purchase."""

    id: str
    at: int
    renewal: bool
    offline: bool
    category: str


class News(NamedTuple):
    """What happened to an order."""

    at: int
    order: str
    what: str


class Life(NamedTuple):
    """All that happened to one person."""

    name: str
    orders: list[Order]
    news: list[News]
    visits: list[int]
    additions: list[int]
    words: list[Record]
    message_clicks: list[tuple[int, str | None]]


class Candidate(NamedTuple):
    """A win-back that comes due. `marks` says what of the person it uses up."""

    variant: str
    episode: str
    due: int
    marks: tuple[str, int]


class Waiting(NamedTuple):
    """A candidate that waits for its parcel or its return."""

    candidate: Candidate
    until: int
    why: str


def expect(history: Iterable[Input], rules: Rules, horizon: int) -> dict[str, Expected]:
    """Say what must become of every win-back of a history once all that is due at `horizon` is decided."""
    expected: dict[str, Expected] = {}
    for (site, (kind, who)), happenings in people(history).items():
        key = f"{site}|{kind[0]}|{who}"
        for found in live(life_of(key, happenings), rules, horizon):
            identity = trigger_id(site, Kind.WIN_BACK, found.episode, 1)
            if identity in expected:
                raise ValueError(f"{found.episode} is decided twice")
            expected[identity] = found
    return expected


def life_of(key: str, happenings: Sequence[Happening]) -> Life:
    """Sort a person's events by what they tell. News of an order that was not told before are lost."""
    life = Life(xxh3_64_hexdigest(key.encode()), [], [], [], [], consent_records(happenings), [])
    for at, topic, event in happenings:
        kind = event["type"]
        if topic in ("shop.clicks", "shop.carts") or kind == "identify":
            life.visits.append(at)
        if topic == "shop.carts" and adds(event):
            life.additions.append(at)
        if kind == "message_clicked":
            life.message_clicks.append((at, event.get("channel")))
        if kind == "purchase":
            renewal, offline = event.get("kind") == "renewal", event.get("channel") == "offline"
            life.orders.append(Order(event["order_id"], at, renewal, offline, dearest_category(event)))
        elif topic == "shop.orders" and any(order.id == event["order_id"] for order in life.orders):
            life.news.append(News(at, event["order_id"], kind))
    return life


def adds(event: Mapping[str, Any]) -> bool:
    """Whether a cart event says that something was put into the cart."""
    filling = event["type"] in ("add_to_cart", "cart_snapshot", "update_cart")
    return filling and any(quantity_of(item) > 0 for item in event.get("items") or [])


def dearest_category(event: Mapping[str, Any]) -> str:
    """Category of the item that costs most."""
    items = sorted(event.get("items") or [], key=lambda item: -item.get("price", 0) * quantity_of(item))
    return str(items[0].get("item_category", "")) if items else ""


def live(life: Life, rules: Rules, horizon: int) -> Iterator[Expected]:
    """Go from moment to moment, and say what is decided on the way."""
    used: dict[str, int] = {}
    decided = busy = 0
    offered: dict[str, int] = {}
    waiting: Waiting | None = None
    moments = moments_of(life)
    for place, moment in enumerate(moments):
        following = min(moments[place + 1] if place + 1 < len(moments) else horizon + 1, horizon + 1)
        if moment > horizon:
            return
        now, news = moment, moment in {order.at for order in life.orders} | {told.at for told in life.news}
        while True:
            if waiting is not None:
                candidate, due = waiting.candidate, now if news else max(now, waiting.until)
            else:
                found = candidate_at(life, rules, now, used, decided, busy)
                if found is None:
                    break
                candidate, due = found, max(now, found.due)
            if due >= following:
                break
            now, news = due, False
            why, until = verdict_at(life, rules, candidate, now, offered)
            if why.startswith("wait:"):
                waiting = Waiting(candidate, until, waiting.why if waiting is not None else why[5:])
                continue
            channel = best_channel(life, now, offered) or ""
            yield Expected(
                candidate.episode,
                candidate.due,
                why,
                waiting.why if waiting is not None else "",
                channel,
                cause_of(life, candidate, now),
            )
            waiting = None
            used[candidate.marks[0]] = max(used.get(candidate.marks[0], 0), candidate.marks[1])
            decided = now
            if why == "emitted" or why.startswith("closed:"):
                offered[channel], busy = now, until


def moments_of(life: Life) -> list[int]:
    """The moments at which anything changes. A day's visits count from its end on."""
    moments = {0, *(order.at for order in life.orders), *(news.at for news in life.news)}
    moments |= {word.at for word in life.words}
    moments |= {(at // DAY + 1) * DAY for at in (*life.visits, *(order.at for order in life.orders))}
    return sorted(moments)


def anchor_at(life: Life, now: int) -> Order | None:
    """The last one-off order that has not been cancelled."""
    orders = bought_at(life, now)
    return max(orders, key=lambda order: (order.at, order.id), default=None)


def bought_at(life: Life, now: int) -> list[Order]:
    """One-off orders that have not been cancelled."""
    return [o for o in life.orders if o.at <= now and not o.renewal and not told(life, o, "order_cancelled", now)]


def told(life: Life, order: Order, what: str, now: int) -> list[int]:
    """When something was told of an order."""
    return [news.at for news in life.news if news.order == order.id and news.what == what and news.at <= now]


def candidate_at(
    life: Life, rules: Rules, now: int, used: Mapping[str, int], decided: int, busy: int
) -> Candidate | None:
    """What comes due next, if nothing else happens."""
    anchor = anchor_at(life, now)
    if anchor is not None:
        if anchor.at > used.get("answered", 0):
            return next_order(life, rules, anchor, now, busy)
        if anchor.at > used.get("slept", 0):
            return dormant(life, rules, now, anchor, used, decided, busy)
        return None
    found = [never_carted(life, rules, now, used, busy), dormant(life, rules, now, None, used, decided, busy)]
    due = [candidate for candidate in found if candidate is not None]
    return min(due, key=lambda c: (c.due, c.variant == "dormant"), default=None)


def had_left_an_address(life: Life, by: int) -> bool:
    """Whether anything had been said about messages."""
    return any(word.at <= by for word in life.words)


def next_order(life: Life, rules: Rules, anchor: Order, now: int, busy: int) -> Candidate:
    """The next order of a customer is overdue."""
    prior = rules.categories.get(anchor.category, rules.prior)
    days = sorted({order.at // DAY for order in bought_at(life, now)})
    gaps = [(later - earlier) * DAY for earlier, later in itertools.pairwise(days)]
    if gaps:
        variant, span = "cadence", 2 * ((2 * prior + sum(gaps)) // (2 + len(gaps)))
    else:
        variant, span = "second_order", prior * 3 // 2
    due = anchor.at + max(14 * DAY, min(365 * DAY, span))
    cancellations = [min(at) for order in life.orders if (at := told(life, order, "order_cancelled", now))]
    if cancellations and max(cancellations) > anchor.at:
        due = max(due, max(cancellations) + 14 * DAY)
    episode = f"{anchor.id}:{variant}"
    return Candidate(variant, episode, max(paced(due, episode, rules), busy), ("answered", anchor.at))


def never_carted(life: Life, rules: Rules, now: int, used: Mapping[str, int], busy: int) -> Candidate | None:
    """A visitor came again and again, and never put anything into the cart."""
    if "never_carted" in used or not life.visits or any(order.at <= now for order in life.orders):
        return None
    first = min(life.visits) // DAY
    episode = f"{life.name}-{first * DAY}:never_carted"
    ripe = first * DAY + rules.never_carted_after
    due = max(paced(ripe, episode, rules), busy)
    came_again = any(first + 2 <= at // DAY < ripe // DAY for at in life.visits)
    if not came_again or any(at <= due for at in life.additions):
        return None
    if not had_left_an_address(life, paced(ripe, episode, rules)):
        return None
    return Candidate("never_carted", episode, due, ("never_carted", 1))


def dormant(
    life: Life, rules: Rules, now: int, anchor: Order | None, used: Mapping[str, int], decided: int, busy: int
) -> Candidate | None:
    """Nobody has seen this person for long."""
    days = [at // DAY for at in (*life.visits, *(order.at for order in life.orders)) if at // DAY < now // DAY]
    if not days:
        return None
    idle = max(days) * DAY
    episode = f"{anchor.id}:dormant" if anchor is not None else f"{life.name}-{idle}:dormant"
    ripe = idle + rules.dormant_after
    was_decided = idle <= used.get("slept", 0)
    if anchor is None and (was_decided or not had_left_an_address(life, paced(ripe, episode, rules))):
        return None
    due = max(paced(max(ripe, decided), episode, rules), busy)
    return Candidate("dormant", episode, due, ("slept", max(idle, anchor.at if anchor is not None else 0)))


def paced(due: int, episode: str, rules: Rules) -> int:
    """What is due before going live is spread over the time after it."""
    return due if due >= rules.live_from else rules.live_from + xxh3_64_intdigest(episode.encode()) % rules.spread


def verdict_at(life: Life, rules: Rules, candidate: Candidate, now: int, offered: Mapping[str, int]) -> tuple[str, int]:
    """What becomes of a candidate; and until when it is open, or waits."""
    expires = candidate.due + rules.expires_after
    if any(candidate.due < order.at <= now for order in life.orders):
        return "blocked:ordered", 0
    if any(
        order.renewal
        and order.at <= now < order.at + 2 * max(rules.categories.get(order.category, rules.prior), 30 * DAY)
        and not told(life, order, "order_cancelled", now)
        for order in life.orders
    ):
        return "blocked:subscriber", 0
    channel = best_channel(life, now, offered)
    if channel is None:
        allowed = any(permitted(now, life.words, channel) for channel in CHANNELS)
        return "blocked:channel_sunset" if allowed else "blocked:no_permission", 0
    if now >= expires:
        return "expired", 0
    for order in sorted(life.orders, key=lambda order: (order.at, order.id), reverse=True):
        if (reason := under_way(life, rules, order, now)) is not None:
            return f"wait:{reason}", min(expires, order.at + 60 * DAY)
    ends = [(order.at, "ordered") for order in life.orders if now < order.at < expires]
    ends += [
        (w.at, "withdrawn") for w in life.words if now < w.at < expires and not permitted(w.at, life.words, channel)
    ]
    if ends:
        return f"closed:{min(ends)[1]}", min(ends)[0]
    return "emitted", expires


def under_way(life: Life, rules: Rules, order: Order, now: int) -> str | None:
    """What of an order is not done yet."""
    if not order.at <= now < order.at + 60 * DAY or told(life, order, "order_cancelled", now):
        return None
    opened, closed = told(life, order, "return_opened", now), told(life, order, "order_refunded", now)
    if opened and not any(at >= max(opened) for at in closed):
        return "return_open"
    sent = told(life, order, "order_shipped", now) or (rules.delivery_reported and not order.offline)
    return "undelivered" if sent and not told(life, order, "order_delivered", now) else None


def best_channel(life: Life, now: int, offered: Mapping[str, int]) -> str | None:
    """The first channel that is allowed and not given up."""
    for channel in CHANNELS:
        if permitted(now, life.words, channel) and not given_up(life, channel, now, offered):
            return channel
    return None


def given_up(life: Life, channel: str, now: int, offered: Mapping[str, int]) -> bool:
    """Whether nothing was heard on a channel for a year, nor within 30 days after a win-back on it."""
    if channel not in offered or now - offered[channel] <= 30 * DAY:
        return False
    heard = [word.at for word in life.words if word.channel in (None, channel) and word.at <= now]
    heard += [at for at, where in life.message_clicks if where in (None, channel) and at <= now]
    return not heard or now - max(heard) > 365 * DAY


def cause_of(life: Life, candidate: Candidate, now: int) -> str:
    """The likely cause."""
    orders = [order for order in life.orders if order.at <= now and not order.renewal]
    last = max(orders, key=lambda order: (order.at, order.id), default=None)
    if last is not None and any(
        told(life, last, what, now) for what in ("order_cancelled", "order_refunded", "return_opened")
    ):
        return "accident"
    if candidate.variant == "never_carted":
        return "offer_misfit"
    today = now // DAY
    since = last.at // DAY if last is not None else min((at // DAY for at in life.visits), default=today)
    seen = [at // DAY for at in (*life.visits, *(o.at for o in life.orders)) if at // DAY < today]
    return "offer_misfit" if since < today and max(seen, default=0) >= since + 14 else "forgot"


def judge(decisions: Iterable[Mapping[str, Any]], expected: Mapping[str, Expected]) -> list[str]:
    """Compare the decision records of a run with what was expected; one line of text a difference."""
    got: dict[str, list[Mapping[str, Any]]] = {identity: [] for identity in expected}
    for decision in decisions:
        got.setdefault(decision["trigger_id"], []).append(decision)
    differences = []
    for identity, found in got.items():
        shown = ", ".join(f"{d['outcome']} ({d['reason']})" for d in found) or "no decision"
        want = expected.get(identity)
        if want is None:
            differences.append(f"{found[0]['episode']}: nothing expected, got {shown} due {found[0]['due_at']}")
        elif not agrees(want, [(d["outcome"], d["reason"]) for d in found]):
            differences.append(f"{want.episode}: {want.deferred} {want.verdict} at {want.due_ms}, got {shown}")
    return differences


def agrees(want: Expected, got: Sequence[tuple[str, str]]) -> bool:
    """Whether the (outcome, reason) pairs of one win-back are what is expected."""
    left = list(got)
    if want.deferred and (not left or left.pop(0) != ("deferred", want.deferred)):
        return False
    ending, _, reason = want.verdict.partition(":")
    if ending == "emitted":
        return [outcome for outcome, _ in left] == ["emitted"]
    if ending == "expired":
        return left == [("expired", "expired")]
    if ending == "blocked":
        return left == [("suppressed", reason)]
    if [outcome for outcome, _ in left] == ["emitted", "cancelled"]:
        return left[1][1] in CLOSINGS
    return [outcome for outcome, _ in left] == ["suppressed"] and left[0][1] in CLOSINGS
