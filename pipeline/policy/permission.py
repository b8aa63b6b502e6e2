"""Permission: default deny, by purpose, channel and basis. The newest word rules; a general one covers all channels."""

from collections.abc import Iterator, Mapping

from pipeline.config.policy import PermissionPolicy
from pipeline.events.customer import Basis, Purpose
from pipeline.log import consent
from pipeline.state.customer import Grant

_CONSENT_MODE = {
    "analytics_storage": (Purpose.COLLECT, Purpose.PROFILE),
    "personalization_storage": (Purpose.ONSITE_PERSONALIZATION,),
    "ad_user_data": (Purpose.ADS_AUDIENCE,),
    "ad_personalization": (Purpose.ADS_AUDIENCE,),
}
"""What the signals of a page's consent mode speak for; `ad_storage` is the browser's own affair."""


def record(
    grants: Mapping[str, Grant], purpose: str, channel: str, granted: bool, basis: str, at: int
) -> dict[str, Grant]:
    """Enter a word about a permission; an older one than the newest known changes nothing.

    An empty channel speaks for all: it takes the place of what was said of each.
    """
    before = effective(grants, purpose, channel)
    if before is not None and before.at > at:
        return dict(grants)
    started = before.since if before is not None and before.granted else (at if granted else 0)
    entered = dict(grants)
    if not channel:
        for key in grants:
            if key.startswith(f"{purpose}:") and grants[key].at <= at:
                del entered[key]
    entered[f"{purpose}:{channel}" if channel else purpose] = Grant(granted, basis, at, started)
    return entered


def record_consent_mode(grants: Mapping[str, Grant], packed: int, at: int) -> dict[str, Grant]:
    """Enter what a page's consent mode says. A purpose that two signals speak for needs both."""
    said: dict[Purpose, bool] = {}
    for signal, granted in consent.signals(packed):
        for purpose in _CONSENT_MODE.get(signal, ()):
            said[purpose] = granted and said.get(purpose, True)
    entered = dict(grants)
    for purpose, granted in said.items():
        known = entered.get(purpose)
        if known is None or known.granted != granted:
            entered = record(entered, purpose, "", granted, Basis.CONSENT, at)
    return entered


def effective(grants: Mapping[str, Grant], purpose: str, channel: str) -> Grant | None:
    """The word that rules for a purpose on a channel; at equal times the word about the channel itself."""
    general = grants.get(purpose)
    if not channel:
        return general
    own = grants.get(f"{purpose}:{channel}")
    if own is None or (general is not None and general.at > own.at):
        return general
    return own


def allowed(grants: Mapping[str, Grant], purpose: Purpose, channel: str, policy: PermissionPolicy) -> bool:
    """Whether a purpose is allowed now."""
    grant = effective(grants, purpose, channel)
    if grant is None:
        return purpose in policy.without_record
    return grant.granted and grant.basis in policy.accepted.get(purpose, ())


def channels_at(grants: Mapping[str, Grant], at: int, policy: PermissionPolicy) -> Iterator[tuple[str, int]]:
    """Channels on which a marketing message was allowed at `at`, the preferred first.

    Each with when it was withdrawn since, 0 where it still is allowed.
    """
    accepted = policy.accepted.get(Purpose.MARKETING_MESSAGE, ())
    for channel in policy.channels:
        grant = effective(grants, Purpose.MARKETING_MESSAGE, channel)
        if grant is None:
            if Purpose.MARKETING_MESSAGE in policy.without_record:
                yield channel.value, 0
        elif grant.granted:
            if grant.basis in accepted and grant.since <= at:
                yield channel.value, 0
        elif grant.since and grant.since <= at < grant.at:
            yield channel.value, grant.at
