"""When the steps of an abandoned cart are due: delays by policy, silence by activity."""

from functools import lru_cache

from pipeline.config.durations import Millis
from pipeline.config.policy import CartPolicy, SitePolicy
from pipeline.heads.cart import SOONEST
from pipeline.state.cart import PURCHASE, Cart, CartChange, Episode
from pipeline.state.customer import MAX_ACTIVE, NEVER
from pipeline.triggers.cart_content import SHRINKING, active, dearest_category

Delays = tuple[tuple[int, int], ...]
"""Pairs of step number and delay in milliseconds, ascending."""


def delays_of(policy: SitePolicy, cart: Cart) -> Delays:
    """Delays that hold for a cart: those of the category of its dearest line, else the site's; the first as learned."""
    steps = policy.cart.steps
    if policy.cart.categories:
        steps = override(policy.cart, cart)[1]
    if cart.delay:
        steps = (Millis(cart.delay), *steps[1:])
    return _raised(steps, policy.cart.offline_lag)


def override(policy: CartPolicy, cart: Cart) -> tuple[bool, tuple[Millis, ...], int]:
    """`(enabled, steps, min_value)` for a cart, with what its category changes."""
    found = policy.categories.get(dearest_category(active(cart.lines))) if policy.categories else None
    if found is None:
        return policy.enabled, policy.steps, policy.min_value
    return (
        policy.enabled and found.enabled is not False,
        policy.steps if found.steps is None else found.steps,
        policy.min_value if found.min_value is None else found.min_value,
    )


@lru_cache(maxsize=1024)
def _raised(steps: tuple[Millis, ...], lag: int) -> Delays:
    """No step before tills have reported; of steps that fall together the first stays."""
    kept: list[tuple[int, int]] = []
    for number, step in enumerate(steps, start=1):
        delay = max(int(step), int(lag))
        if not kept or delay > kept[-1][1]:
            kept.append((number, delay))
    return tuple(kept)


def next_step(episode: Episode, spans: tuple[int, ...], delays: Delays) -> tuple[int, int, int] | None:
    """`(step, due, last)` of the next undecided step, None where all are decided.

    Activity at a time before `due` moves it; activity at `due` or later leaves it. `spans` holds starts and ends of
    activity in turn, ascending; inside a span no gap is as long as the shortest delay.
    """
    for step, delay in delays:
        if step > episode.decided:
            last = episode.last
            for i in range(0, len(spans), 2):
                if spans[i + 1] <= last:
                    continue
                if spans[i] >= last + delay:
                    break
                last = spans[i + 1]
            return step, last + delay, last
    return None


def next_wake(cart: Cart, spans: tuple[int, ...], policy: SitePolicy) -> int:
    """When the clock must look at this cart again, NEVER for not at all. Never later than anything it decides."""
    delays = delays_of(policy, cart)
    due, waiting = NEVER, cart.episode is not None
    if cart.episode is not None and (found := next_step(cart.episode, spans, delays)):
        due = found[1]
    for change in cart.pending:
        if waiting:
            at = wake_of(change, delays, policy)
            due = min(due or at, at)
            if change.rank == PURCHASE or change.op in SHRINKING:
                return due
        elif change.rank != PURCHASE:
            due, waiting = _silent(change, delays, policy), True
    return due


def wake_of(change: CartChange, delays: Delays, policy: SitePolicy) -> int:
    """When the clock must look at a cart for this change of it, whatever else waits there; `delays` are the cart's."""
    return change.at if change.rank == PURCHASE or change.op in SHRINKING else _silent(change, delays, policy)


def _silent(change: CartChange, delays: Delays, policy: SitePolicy) -> int:
    """The sooner of the first step by this change and by those before it, one of which may have been learned."""
    return change.at + min(change.delay or policy.cart.steps[0], delays[0][1])


def add_activity(spans: tuple[int, ...], at: int, grain: int, settled: int) -> tuple[int, ...]:
    """Enter activity at `at`. Spans closer than `grain` are one; those that ended by `settled` are dropped."""
    if spans and spans[-1] <= at < spans[-1] + grain:
        return (*spans[:-1], at)
    if not spans or spans[-1] <= settled:
        return at, at
    pairs = [(spans[i], spans[i + 1]) for i in range(0, len(spans), 2) if spans[i + 1] > settled]
    pairs.append((at, at))
    pairs.sort()
    joined = [pairs[0]]
    for start, end in pairs[1:]:
        if start < joined[-1][1] + grain:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    while len(joined) > MAX_ACTIVE // 2:
        joined[0:2] = [(joined[0][0], joined[1][1])]
    return tuple(time for pair in joined for time in pair)


def passed(spans: tuple[int, ...], settled: int) -> tuple[int, ...]:
    """The spans that ended by `settled`: what comes after may still be measured by the delays of another category."""
    end = len(spans)
    while end and spans[end - 1] > settled:
        end -= 2
    return spans[:end]


def grain_of(policy: CartPolicy) -> int:
    """The shortest delay that any cart of the site may have: activity closer than this is one span."""
    first = min(policy.steps[0], SOONEST) if policy.timing == "learned" else policy.steps[0]
    if not policy.categories:
        return first
    return min(first, *(o.steps[0] for o in policy.categories.values() if o.steps))
