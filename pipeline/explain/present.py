"""How a person stands now, by the newest rows of the changelog."""

from typing import Any

from msgspec import msgpack

from pipeline.config.policy import Policy, SitePolicy, decode_policy
from pipeline.events.customer import Purpose
from pipeline.explain.events import purpose_in_words
from pipeline.explain.words import money
from pipeline.log.persons import site_of
from pipeline.log.rows import PolicyRow
from pipeline.policy.permission import allowed
from pipeline.profile.days import day_of
from pipeline.profile.funnel import Stage
from pipeline.profile.orders import roll, sums
from pipeline.profile.tastes import first
from pipeline.state.customer import Customer, last_activity
from pipeline.state.orders import Orders
from pipeline.state.shown import Shown
from pipeline.state.wake import due_of
from pipeline.state.win_back import WinBack
from pipeline.triggers.cart_content import Lines, present, worth
from pipeline.triggers.win_back_due import next_step
from pipeline.triggers.win_back_gates import timing_of


def standing(customer: Customer, person: str, clock: int, policy: Policy) -> dict[str, Any]:
    """Describe the customer of this key as of the log's clock, in values that JSON knows.

    Times are epoch milliseconds.
    """
    site = site_of(person)
    rules, cart = policy.site(site), customer.cart
    lines = present(cart)
    now: dict[str, Any] = {
        "seen": customer.seen or None,
        "channels": last_activity(customer),
        "cart_added": customer.cart_added or None,
        "ordered": customer.ordered or None,
        "stage": Stage(customer.stage).name.lower() if customer.stage else None,
        "drawn_to": _drawn_to(customer),
        "orders": None if customer.orders is None else _orders(customer.orders, rules, clock),
        "next_win_back": _next_win_back(customer, person, rules),
        "next_timer": due_of(customer) or None,
        "cart": _cart(lines),
        "worth": None,
        "reminder": None,
        "win_back": _win_back(customer.win_back),
        "shown": _shown(customer.shown),
        "permissions": {
            purpose_in_words(purpose): _permission(customer, purpose, clock, policy, site)
            for purpose in (
                Purpose.MARKETING_MESSAGE,
                Purpose.ONSITE_PERSONALIZATION,
                Purpose.PROFILE,
                Purpose.COLLECT,
            )
        },
    }
    if customer.bot:
        now["bot"] = customer.bot
    if lines:
        now["worth"] = money(worth(lines), rules.currency)
    if cart is not None and cart.episode is not None:
        episode = cart.episode
        now["reminder"] = {
            "opened": episode.opened,
            "steps_decided": episode.decided,
            "held": episode.held,
            "emitted": [
                {"step": e.step, "channel": e.channel, "expires": e.expires, "sent": e.sent} for e in episode.emitted
            ],
        }
    return now


def policy_of(stored: bytes | None) -> Policy:
    """The policy in force, from its row."""
    return Policy() if stored is None else decode_policy(msgpack.decode(stored, type=PolicyRow).body)


def _drawn_to(customer: Customer) -> dict[str, str]:
    """The category and the brand with the highest affinity, where there are any."""
    tastes = customer.tastes
    if tastes is None:
        return {}
    best = {"category": first(tastes.categories, ""), "brand": first(tastes.brands, "")}
    return {name: value for name, value in best.items() if value}


def _orders(orders: Orders, rules: SitePolicy, clock: int) -> dict[str, Any]:
    """How often and for how much, of all time and in the last 90 days."""
    orders = roll(orders, day_of(clock, rules.timezone))
    count, worth = sums(orders, 90)
    return {
        "count": orders.count,
        "money": money(orders.money, rules.currency),
        "count_90_days": count,
        "money_90_days": money(worth, rules.currency),
    }


def _next_win_back(customer: Customer, person: str, rules: SitePolicy) -> dict[str, Any] | None:
    """When a win-back is considered next if nothing happens before, as which variant, and what has set that time."""
    step = next_step(customer, person, rules)
    if step is None:
        return None
    return {"at": step.due, "variant": step.variant.name.lower(), "timing": timing_of(customer, step, rules).value}


def _win_back(win_back: WinBack | None) -> dict[str, Any] | None:
    if win_back is None or win_back.open is None:
        return None
    return {"channel": win_back.open.channel, "expires": win_back.open.expires, "sent": win_back.open.sent}


def _shown(shown: Shown | None) -> dict[str, Any] | None:
    if shown is None or shown.told is None or not shown.told.lasts:
        return None
    told = shown.told
    drawn = told.standing
    return {"at": told.at, "action": told.action, "category": drawn.category, "brand": drawn.brand}


def _cart(lines: Lines) -> list[dict[str, Any]]:
    return [
        {"sku": line.sku, "quantity": line.quantity, "price": line.price if line.price >= 0 else None}
        | {"currency": line.currency}
        | ({"left_over_by_an_order": True} if line.dormant else {})
        for line in lines
    ]


def _permission(customer: Customer, purpose: Purpose, clock: int, policy: Policy, site: str) -> list[str]:
    """Where it is allowed: channels of a message, `yes` for others; empty for no."""
    rules = policy.site(site).permission
    if purpose is Purpose.MARKETING_MESSAGE:
        return [c.value for c in rules.channels if allowed(customer.grants, purpose, c.value, rules, clock)]
    return ["yes"] if allowed(customer.grants, purpose, "", rules, clock) else []
