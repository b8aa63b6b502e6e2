"""When a person is to be won back, and by which variant: worked out as of a time from what had happened by then.

Reading runs ahead of the clock, so more may be known than had happened. What is due is found by going through the
known future of a person, from one change of his orders to the next.
"""

from typing import Final, NamedTuple

from xxhash import xxh3_64_hexdigest

from pipeline.config.durations import DAY
from pipeline.config.policy import SitePolicy
from pipeline.events.customer import Purpose
from pipeline.policy.pacing import spread
from pipeline.profile.orders import completed_gaps, expected_gap, last_order_at
from pipeline.state.customer import Customer, Grants
from pipeline.state.orders import Order, Orders
from pipeline.state.win_back import Variant, WinBack
from pipeline.triggers.scored import learned_span

_MESSAGES: Final = str(Purpose.MARKETING_MESSAGE)

SOONEST: Final = 14 * DAY
LATEST: Final = 365 * DAY
"""Nobody is won back sooner after the last order, or first later."""


class Step(NamedTuple):
    """A win-back that comes due at `due` and is judged as of `at`, which is later where it waits, or came to be known.

    `anchor` is the time of the order that it counts from, 0 for none; `idle` the last day of a visit, where dormant.
    """

    variant: Variant
    episode: str
    due: int
    at: int
    anchor: int
    idle: int = 0


def next_step(customer: Customer, person: str, rules: SitePolicy) -> Step | None:
    """The first step that is not decided, as far as is known; None where there is none."""
    win_back, orders = customer.win_back, customer.orders
    if win_back is None:
        return None
    at, waiting = win_back.settled, win_back.waiting
    change = 0 if orders is None else _next_change(orders, at)
    if waiting is not None:
        until = max(at, rules.live_from, min(waiting.until, change) if change else waiting.until)
        return Step(Variant(waiting.variant), waiting.episode, waiting.due, until, waiting.anchor, waiting.idle)
    while True:
        found = _candidate(customer, win_back, person, rules, at)
        if found is not None and not 0 < change <= found.at:
            return found
        if orders is None or not change:
            return None
        at, change = change, _next_change(orders, change)


def worded(grants: Grants) -> bool:
    """Whether a word on marketing messages was ever said: nobody else has left an address."""
    for key in grants:  # noqa: SIM110  # `any` takes two to four times as long
        if key.startswith(_MESSAGES):
            return True
    return False


def prior_gap(rules: SitePolicy, category: str) -> int:
    """The usual time between two orders, milliseconds, after one of this category."""
    return rules.win_back.categories.get(category, rules.win_back.prior_gap)


def _next_change(orders: Orders, after: int) -> int:
    """Time of the first order, or news of one, after `after`, 0 for none."""
    change = 0
    for order in reversed(orders.recent):
        if order.at <= after:
            break
        change = order.at
    for news in orders.news:
        if news.at > after and not 0 < change <= news.at:
            change = news.at
    return change


def _candidate(customer: Customer, win_back: WinBack, person: str, rules: SitePolicy, at: int) -> Step | None:
    """What comes due next, going by the orders as they were at `at`."""
    orders = customer.orders
    anchor = None if orders is None else last_order_at(orders, at)
    if orders is not None and anchor is not None:
        if anchor.at > win_back.answered:
            return _next_order(customer, win_back, orders, anchor, rules, at)
        return _dormant(win_back, anchor.id, anchor.at, 0, rules, at) if anchor.at > win_back.slept else None
    if not (word := _first_word(customer.grants)):
        return None
    name = xxh3_64_hexdigest(person.encode())
    found = [_never_carted(customer, win_back, name, word, rules, at), _dormant(win_back, name, 0, word, rules, at)]
    return min((step for step in found if step is not None), key=lambda step: (step.due, step.variant), default=None)


def _next_order(
    customer: Customer, win_back: WinBack, orders: Orders, anchor: Order, rules: SitePolicy, at: int
) -> Step:
    prior = prior_gap(rules, anchor.category)
    if completed_gaps(orders, at)[0]:
        variant, span = Variant.CADENCE, 2 * expected_gap(orders, prior, at)
    else:
        variant, span = Variant.SECOND_ORDER, prior * 3 // 2
    span = learned_span(customer, anchor.at, rules) or span
    due = anchor.at + min(max(span, SOONEST), LATEST)
    cancelled = max((time for time in win_back.cancelled if time <= at), default=0)
    if cancelled > anchor.at:
        due = max(due, cancelled + SOONEST)
    episode = f"{anchor.id}:{variant.name.lower()}"
    due = _live(due, episode, rules)  # no other is open: the order has answered it
    return Step(variant, episode, due, max(due, at), anchor.at)


def _never_carted(
    customer: Customer, win_back: WinBack, name: str, word: int, rules: SitePolicy, at: int
) -> Step | None:
    """Who came again after the first days, and had neither ordered nor filled a cart when it was due."""
    days, orders = win_back.first_days, customer.orders
    if win_back.never_carted or not days:
        return None
    if orders is not None and (orders.horizon or orders.marks or any(order.at <= at for order in orders.recent)):
        return None
    episode = f"{name}-{days[0] * DAY}:never_carted"
    ripe = days[0] * DAY + rules.win_back.never_carted_after
    due = max(_live(ripe, episode, rules), win_back.busy)
    came_again = any(days[0] + 2 <= day < ripe // DAY for day in days)
    if not came_again or word > _live(ripe, episode, rules) or 0 < win_back.carted <= due:
        return None
    return Step(Variant.NEVER_CARTED, episode, due, max(due, at), 0)


def _dormant(win_back: WinBack, name: str, anchor: int, word: int, rules: SitePolicy, at: int) -> Step | None:
    """The first time that no visit comes for long enough; not before what was decided last.

    After an order once, else once after each visit that follows.
    """
    visits, after = win_back.visits, rules.win_back.dormant_after
    found = None
    for i in range(0, len(visits), 2):
        if found is not None and (visits[i] + 1) * DAY > found.at:
            break
        idle = visits[i + 1]
        episode = f"{name}:dormant" if anchor else f"{name}-{idle * DAY}:dormant"
        ripe = _live(idle * DAY + after, episode, rules)
        if anchor or (idle * DAY > win_back.slept and word <= ripe):
            due = max(_live(max(idle * DAY + after, win_back.decided), episode, rules), win_back.busy)
            found = Step(Variant.DORMANT, episode, due, max(due, at), anchor, idle)
        else:
            found = None
    return found


def _live(due: int, episode: str, rules: SitePolicy) -> int:
    """What was due before the site went live is spread over the time after that."""
    return due if due >= rules.live_from else rules.live_from + spread(episode, rules.ramp.spread)


def _first_word(grants: Grants) -> int:
    """Time of the oldest word on marketing messages that is kept, 0 for none."""
    purpose = Purpose.MARKETING_MESSAGE
    return min((words[0].at for key, words in grants.items() if key.startswith(purpose)), default=0)
