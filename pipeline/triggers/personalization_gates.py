"""Whether anything may be shown to a person on site: the gates, in their order; the first that closes is the reason."""

from enum import IntEnum
from typing import Final

from pipeline.config.policy import PermissionPolicy
from pipeline.events.customer import Channel, Purpose
from pipeline.policy.permission import allowed, not_refused
from pipeline.state.customer import Customer, Grants
from pipeline.triggers.cart_judgement import BOT_MEMORY
from pipeline.triggers.contract import Reason
from pipeline.triggers.site_now import SiteNow


class Refusal(IntEnum):
    """Why nothing may be shown; the numbers are stored, 0 is for none."""

    DISABLED = 1
    NOT_LIVE = 2
    BOT = 3
    NO_PERMISSION = 4


REASONS: Final = {
    Refusal.DISABLED: Reason.DISABLED,
    Refusal.NOT_LIVE: Reason.NOT_LIVE,
    Refusal.BOT: Reason.BOT,
    Refusal.NO_PERMISSION: Reason.NO_PERMISSION,
}

_NO_PERMISSION: Final = Refusal.NO_PERMISSION
_PURPOSE: Final = Purpose.ONSITE_PERSONALIZATION
_ON_CHANNEL: Final = f"{_PURPOSE}:{Channel.ONSITE}"
_PROFILE: Final = Purpose.PROFILE


def refusal_of(customer: Customer, at: int, site: SiteNow) -> Refusal | None:
    """Why nothing may be shown to a person at a time, None where something may. Permission is asked as of now."""
    policy = site.policy
    if not policy.personalization.enabled:
        return Refusal.DISABLED
    if policy.go_live_at is not None and at < policy.live_from:
        return Refusal.NOT_LIVE
    if customer.bot and abs(at - customer.bot) < BOT_MEMORY:
        return Refusal.BOT
    clock = site.clock
    return None if permitted(customer.grants, at if at > clock else clock, policy.permission) else _NO_PERMISSION


def permitted(grants: Grants, at: int, rules: PermissionPolicy) -> bool:
    """Whether a person may be shown what suits the profile at a time: it takes the profile, too.

    A refusal that is known already counts, though it be newer than `at`.
    """
    if (own := grants.get(_ON_CHANNEL)) is None:
        return not_refused(grants, _PURPOSE, rules, at) and not_refused(grants, _PROFILE, rules, at)
    newest = max(at, *(word.at for word in (*own, *grants.get(_PURPOSE, ()))))
    return all(allowed(grants, _PURPOSE, Channel.ONSITE, rules, when) for when in (at, newest)) and not_refused(
        grants, _PROFILE, rules, at
    )
