"""Permission: default deny, by purpose, channel and basis. The newest word rules; a general one covers all channels.

Words reach us in any order, and what is judged is judged as of its own time: so those that the clock has not passed
are kept beside the one that ruled before. Of words of one moment that about the channel itself rules, then a refusal.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pipeline.config.policy import PermissionPolicy
from pipeline.events.customer import Basis, Purpose
from pipeline.log import consent
from pipeline.log.rows import ConsentRow
from pipeline.state.customer import MAX_WORDS, Grant, Grants

_CONSENT_MODE: Final = {
    "analytics_storage": (Purpose.COLLECT, Purpose.PROFILE),
    "personalization_storage": (Purpose.ONSITE_PERSONALIZATION,),
    "ad_user_data": (Purpose.ADS_AUDIENCE,),
    "ad_personalization": (Purpose.ADS_AUDIENCE,),
}
"""What the signals of a page's consent mode speak for; `ad_storage` is the browser's own affair."""


def record(
    grants: Grants, purpose: str, channel: str, granted: bool, basis: str, at: int, settled: int
) -> dict[str, tuple[Grant, ...]]:
    """Enter a word about a permission; an empty channel speaks for all. Nothing up to `settled` is judged any more."""
    key = f"{purpose}:{channel}" if channel else str(purpose)
    word = Grant(granted, basis, at)
    words = [known for known in grants.get(key, ()) if known != word]
    words.append(word)
    words.sort(key=lambda known: (known.at, known.granted, known.basis))
    ruled = max((known.at for known in words if known.at <= settled), default=0)
    return {**grants, key: tuple([known for known in words if known.at >= ruled][-MAX_WORDS:])}


def consent_mode(packed: int) -> dict[Purpose, bool]:
    """What a page's consent mode says of our purposes. One that two signals speak for needs both."""
    said: dict[Purpose, bool] = {}
    for signal, granted in consent.signals(packed):
        for purpose in _CONSENT_MODE.get(signal, ()):
            said[purpose] = granted and said.get(purpose, True)
    return said


def record_consent_mode(
    grants: dict[str, tuple[Grant, ...]], said: Mapping[Purpose, bool], at: int, settled: int
) -> dict[str, tuple[Grant, ...]]:
    """Enter what a page's consent mode said at `at`, where it is news."""
    for purpose, granted in said.items():
        ruling = _ruling(grants, purpose, "", at)
        if not ruling or any(word.granted != granted for word in ruling):
            grants = record(grants, purpose, "", granted, Basis.CONSENT, at, settled)
    return grants


def allowed(grants: Grants, purpose: Purpose, channel: str, policy: PermissionPolicy, at: int) -> bool:
    """Whether a purpose was allowed at `at`, on a channel or, where it is empty, in general."""
    ruling = _ruling(grants, purpose, channel, at)
    if not ruling:
        return purpose in policy.without_record
    accepted = policy.accepted.get(purpose, ())
    if len(ruling) == 1:
        return ruling[0].granted and ruling[0].basis in accepted
    return all(word.granted and word.basis in accepted for word in ruling)


def in_general(grants: Grants, purpose: Purpose, policy: PermissionPolicy, at: int) -> bool:
    """Whether a purpose was allowed at `at`, no channel asked for: `allowed`, for what is asked at every event.

    Mostly the newest word had been said by then, and nothing else at the same moment.
    """
    words = grants.get(purpose)
    if words is None:
        return purpose in policy.without_record
    newest = words[-1]
    if newest.at <= at and (len(words) == 1 or words[-2].at < newest.at):
        return newest.granted and newest.basis in policy.accepted.get(purpose, ())
    return allowed(grants, purpose, "", policy, at)


def not_refused(grants: Grants, purpose: Purpose, policy: PermissionPolicy, at: int) -> bool:
    """Whether a purpose was allowed in general at `at`, and no newer word that is known refuses it."""
    words = grants.get(purpose)
    if words is None:
        return purpose in policy.without_record
    newest = words[-1].at
    return in_general(grants, purpose, policy, at) and (newest <= at or in_general(grants, purpose, policy, newest))


def channels_at(grants: Grants, at: int, policy: PermissionPolicy) -> Iterator[str]:
    """Channels on which a marketing message was allowed at `at`, the preferred first."""
    for channel in policy.channels:
        if allowed(grants, Purpose.MARKETING_MESSAGE, channel.value, policy, at):
            yield channel.value


def refuses(word: ConsentRow, policy: PermissionPolicy) -> bool:
    """Whether a word takes a permission away, or gives it on a basis that is not accepted."""
    return not word.granted or word.basis not in policy.accepted.get(Purpose(word.purpose), ())


def withdrawn_after(grants: Grants, channel: str, policy: PermissionPolicy, at: int) -> int:
    """When marketing messages on a channel were first not allowed after `at`, 0 for never as far as is known."""
    purpose = Purpose.MARKETING_MESSAGE
    words = (*grants.get(purpose, ()), *grants.get(f"{purpose}:{channel}", ()))
    later = sorted(word.at for word in words if word.at > at)
    return next((time for time in later if not allowed(grants, purpose, channel, policy, time)), 0)


def _ruling(grants: Grants, purpose: str, channel: str, at: int) -> Sequence[Grant]:
    """The words of one moment that rule at `at`."""
    general: Sequence[Grant] = grants.get(purpose, ())
    own: Sequence[Grant] = grants.get(f"{purpose}:{channel}", ()) if channel else ()
    if len(general) + len(own) < 2:  # so it is with most people
        said = own or general
        return said if not said or said[0].at <= at else ()
    words = [word for word in general if word.at <= at]
    own = [word for word in own if word.at <= at]
    if own and (not words or own[-1].at >= words[-1].at):
        words = own
    return [word for word in words if word.at == words[-1].at]
