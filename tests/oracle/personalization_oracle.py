"""An oracle of live personalization: one person's part of the log in, what must be said out.

It shares no code with the engine: at each judgement it works everything out from all rows that were read so far.
Affinities are exact fractions. It does not know what lapses after weeks, nor more than a handful of names.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ClickKind,
    ConsentRow,
    IdentifyRow,
    OrderRow,
    ProductRow,
)

DAY = 86_400_000
WEIGHTS = {ClickKind.VIEW_ITEM: 1, ClickKind.VIEW_CATEGORY: 1, ClickKind.ADD_TO_WISHLIST: 3, ClickKind.LIKE: 3}
IDLE = (ClickKind.PAGE_VIEW, ClickKind.VIEW_ITEM_LIST, ClickKind.VIEW_CONTENT, ClickKind.APP_OPEN)
PURPOSES = ("profile", "onsite_personalization")
UNASKED = {"profile": True, "onsite_personalization": False}
"""Whether a purpose is permitted to whoever said nothing."""

Entry = int | Click | CartRow | OrderRow | ConsentRow | IdentifyRow | ProductRow
"""A row of the log, or the time to which the clock moves."""


class Rules(NamedTuple):
    """What of the policy the oracle knows, milliseconds."""

    throttle: int = 5_000
    expires_after: int = 30 * 60_000
    half_life: int = DAY


class Spoken(NamedTuple):
    """A decision; the last fields are those of an emission."""

    episode: str
    outcome: str
    reason: str
    at: int
    action: str = ""
    stage: str = ""
    cart: str = ""
    category: str = ""
    brand: str = ""
    items: tuple[str, ...] = ()


def touches(event: Any) -> list[dict[str, Any]]:
    """What an event says a person is drawn to, each with its weight."""
    weight = 0
    if isinstance(event, Click):
        weight = WEIGHTS.get(ClickKind(event.kind), 0)
        if event.kind == ClickKind.VIEW_CATEGORY:
            return [{"weight": weight, "category": event.subject}]
    elif isinstance(event, OrderRow):
        return [{"weight": 6, "category": line.category, "brand": line.brand} for line in event.lines]
    elif isinstance(event, CartRow) and event.op == CartOp.ADD:
        weight = 4
    if not weight:
        return []
    return [
        {"weight": weight, "category": line.category, "brand": line.brand, "item": line.sku} for line in event.lines
    ]


def expect(log: Sequence[Entry], rules: Rules, *, anonymous: bool) -> list[Spoken]:
    """Say all that must be decided about a person."""
    return _Watch(rules, anonymous).over(log)


class _Watch:
    def __init__(self, rules: Rules, anonymous: bool) -> None:
        self.rules, self.anonymous = rules, anonymous
        self.read: list[Any] = []
        self.products: dict[str, ProductRow] = {}
        self.clock = 0
        self.last: Spoken | None = None
        self.withdrawn = False
        self.refused = False
        self.late: Any = None
        self.prompted = -DAY
        self.spoken: list[Spoken] = []

    def over(self, log: Sequence[Entry]) -> list[Spoken]:
        for entry in log:
            if isinstance(entry, int):
                self.tick(entry)
            elif isinstance(entry, ProductRow):
                self.products[entry.sku] = entry
            elif not any(type(known) is type(entry) and known.id == entry.id for known in self.read):
                self.take(entry)
        return self.spoken

    def tick(self, clock: int) -> None:
        self.clock = max(self.clock, clock)
        if self.late is not None and self.last is not None and self.last.at + self.rules.throttle <= self.clock:
            cause, self.late = self.late, None
            self.judge(cause, self.last.at + self.rules.throttle)

    def take(self, event: Any) -> None:
        self.read.append(event)
        if isinstance(event, ConsentRow) or getattr(event, "consent", 0):
            self.withdraw(event.at)
        if isinstance(event, ConsentRow) or not self.collected(event):
            return
        seen = [known.at for known in self.read if isinstance(known, Click | CartRow) and self.collected(known)]
        if not seen or event.at <= min(seen) or event.at + self.rules.expires_after <= self.clock:
            return
        idle = isinstance(event, Click) and event.kind in IDLE and self.late is None
        if idle and self.last is not None and not (self.withdrawn or self.refused):
            idle = event.at < self.last.at + self.rules.expires_after
        else:
            idle = False
        if idle:
            return
        if self.last is not None and event.at < self.last.at + self.rules.throttle:
            if self.late is None or event.at >= self.late.at:
                self.late = event
            return
        self.late = None
        self.judge(event, event.at)

    # -- what is known

    def said(self, event: Any) -> dict[str, bool]:
        """What a word, or a page of an anonymous visitor, says of the purposes."""
        if isinstance(event, ConsentRow):
            return {event.purpose: event.granted and event.basis == "consent"}
        packed = getattr(event, "consent", 0) if self.anonymous else 0
        states = {"profile": packed & 3, "onsite_personalization": packed >> 2 & 3}
        return {purpose: state == 1 for purpose, state in states.items() if state}

    def collected(self, event: Any) -> bool:
        """A page that refuses analytics refuses that anything be collected."""
        return not (isinstance(event, Click | CartRow) and self.said(event).get("profile") is False)

    def permitted(self, purpose: str, at: int) -> bool:
        words = [(event.at, self.said(event)[purpose]) for event in self.read if purpose in self.said(event)]
        past = [at_ for at_, _ in words if at_ <= at]
        if not past:
            return UNASKED[purpose]
        return all(granted for at_, granted in words if at_ == max(past))

    def allowed(self, at: int) -> bool:
        now = max(at, self.clock)
        for purpose in PURPOSES:
            newest = max([now, *(event.at for event in self.read if purpose in self.said(event))])
            if not (self.permitted(purpose, now) and self.permitted(purpose, newest)):
                return False
        return True

    def scores(self) -> dict[str, dict[str, Fraction]]:
        found: dict[str, dict[str, Fraction]] = {"category": {}, "brand": {}, "item": {}}
        for event in self.read:
            if self.said(event).get("profile") is False:
                found = {"category": {}, "brand": {}, "item": {}}
            if isinstance(event, OrderRow):
                for line in event.lines:
                    found["item"].pop(line.sku, None)
            if not (self.collected(event) and self.profiled_when_read(event)):
                continue
            for touched in touches(event):
                for dimension, name in touched.items():
                    if name and dimension != "weight":
                        worth = touched["weight"] * Fraction(2) ** (event.at // self.rules.half_life)
                        found[dimension][name] = found[dimension].get(name, Fraction(0)) + worth
        return found

    def profiled_when_read(self, event: Any) -> bool:
        """Whether a profile was permitted at the event's time by the words that had been read before."""
        place = next(i for i, known in enumerate(self.read) if known is event)
        earlier = _Watch(self.rules, self.anonymous)
        earlier.read = self.read[: place + 1]
        return earlier.permitted("profile", event.at)

    def content(self) -> dict[str, int]:
        content: dict[str, int] = {}
        changes = [e for e in self.read if isinstance(e, CartRow | OrderRow) and self.collected(e)]
        for event in sorted(changes, key=lambda e: (e.at, isinstance(e, OrderRow), getattr(e, "version", 0), e.id)):
            if isinstance(event, OrderRow) or event.op == CartOp.CLEAR:
                content = {}
                continue
            if event.op == CartOp.SNAPSHOT:
                content = {line.sku: line.quantity for line in event.lines}
            for line in event.lines:
                if event.op == CartOp.ADD:
                    content[line.sku] = content.get(line.sku, 0) + line.quantity
                elif event.op == CartOp.REMOVE and line.sku in content:
                    content[line.sku] -= line.quantity
            content = {sku: quantity for sku, quantity in content.items() if quantity > 0}
        return content

    def stage(self) -> str:
        if any(isinstance(event, OrderRow) for event in self.read):
            return "customer"
        if self.content():
            return "decision"
        for event in self.read:
            about = isinstance(event, Click) and event.kind in {*WEIGHTS, ClickKind.SEARCH}
            added = isinstance(event, CartRow) and event.op in (CartOp.ADD, CartOp.SNAPSHOT)
            if (about or added) and self.collected(event):
                return "consideration"
        return "awareness"

    def searches(self) -> int:
        number = 0
        for event in filter(self.collected, self.read):
            if isinstance(event, Click) and event.kind == ClickKind.SEARCH:
                number += 1
            elif isinstance(event, Click | CartRow) and touches(event) and event.lines:
                number = 0
        return number

    def sellable(self, sku: str) -> bool:
        product = self.products.get(sku)
        return product is None or (product.stock != 0 and not product.restricted)

    # -- what is said

    def ranked(self, scores: dict[str, Fraction], holders: Sequence[str], places: int) -> tuple[str, ...]:
        order: list[str] = []
        for place in range(places):
            left = sorted((-score, name) for name, score in scores.items() if name not in order)
            if not left:
                break
            best, name = left[0]
            holder = holders[place] if place < len(holders) else ""
            if holder in scores and holder not in order and -best * 10 <= scores[holder] * 11:
                name = holder
            order.append(name)
        return tuple(order)

    def withdraw(self, at: int) -> None:
        last = self.last
        if last is None or self.withdrawn or at >= last.at + self.rules.expires_after:
            return
        if not self.allowed(max(at, last.at)):
            self.withdrawn = True
            self.spoken.append(Spoken(last.episode, "cancelled", "withdrawn", at))

    def judge(self, cause: Any, at: int) -> None:
        if not self.allowed(at):
            if not self.refused:
                self.spoken.append(Spoken(cause.id, "suppressed", "no_permission", at))
            self.refused = True
            return
        last = self.last
        scores = self.scores()
        category = "".join(self.ranked(scores["category"], [last.category] if last else (), 1))
        brand = "".join(self.ranked(scores["brand"], [last.brand] if last else (), 1))
        fit = {sku: score for sku, score in scores["item"].items() if self.sellable(sku)}
        items = self.ranked(fit, last.items if last else (), 3)
        cart = "filled" if self.content() else "empty"
        parts = (self.stage(), cart, category, brand, items)
        leaving = isinstance(cause, Click) and cause.kind == ClickKind.EXIT_INTENT and cart == "filled"
        urgent = "exit_offer" if leaving else "help" if self.searches() >= 3 else ""
        same = last is not None and last[5:] == parts and not self.withdrawn and not self.refused
        if same and last is not None and urgent in ("", last.action):
            return
        if at + self.rules.expires_after <= self.clock:
            self.spoken.append(Spoken(cause.id, "expired", "expired", at))
            return
        action = urgent or ("recommend" if items else "none")
        if not urgent and self.anonymous and len(scores["item"]) >= 3 and at - self.prompted >= DAY:
            action, self.prompted = "signup_prompt", at
        self.withdrawn = self.refused = False
        self.last = Spoken(cause.id, "emitted", "changed", at, action, *parts)
        self.spoken.append(self.last)
