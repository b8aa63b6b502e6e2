"""Permission: default deny; the newest word rules, each judged as of its own time."""

from itertools import permutations

import pytest

from pipeline.config.policy import PermissionPolicy
from pipeline.events.customer import Basis, Purpose
from pipeline.log import consent
from pipeline.policy import permission
from pipeline.state.customer import MAX_WORDS, Grants

POLICY = PermissionPolicy()
MARKETING = Purpose.MARKETING_MESSAGE
Word = tuple[int, bool, str]


def said(*words: Word, settled: int = 0, basis: str = "consent", purpose: str = MARKETING) -> Grants:
    grants: Grants = {}
    for at, granted, channel in words:
        grants = permission.record(dict(grants), purpose, channel, granted, basis, at, settled)
    return grants


def email(grants: Grants, at: int) -> bool:
    return permission.allowed(grants, MARKETING, "email", POLICY, at)


def test_who_said_nothing_is_sent_nothing() -> None:
    assert not email({}, 5)
    assert list(permission.channels_at({}, 5, POLICY)) == []


@pytest.mark.parametrize("purpose", Purpose)
def test_what_holds_without_a_word(purpose: Purpose) -> None:
    free = {Purpose.COLLECT, Purpose.PROFILE, Purpose.TRANSACTIONAL}
    assert permission.allowed({}, purpose, "", POLICY, 5) == (purpose in free)


@pytest.mark.parametrize("basis", Basis)
def test_a_purpose_has_bases_of_its_own(basis: Basis) -> None:
    assert email(said((1, True, ""), basis=basis), 5) == (basis in (Basis.CONSENT, Basis.SOFT_OPT_IN))
    ads = said((1, True, ""), basis=basis, purpose=Purpose.ADS_AUDIENCE)
    assert permission.allowed(ads, Purpose.ADS_AUDIENCE, "", POLICY, 5) == (basis is Basis.CONSENT)


def test_a_general_word_covers_all_channels_and_the_newer_of_the_two_rules() -> None:
    assert email(said((1, True, "")), 5)
    assert not email(said((1, True, ""), (2, False, "email")), 5)
    assert email(said((1, False, "email"), (2, True, "")), 5)
    assert not email(said((1, True, "sms")), 5)


def test_each_moment_has_the_word_that_was_newest_then() -> None:
    grants = said((10, True, ""), (20, False, "email"), (30, True, "email"))
    assert [email(grants, at) for at in (9, 10, 19, 20, 29, 30)] == [False, True, True, False, False, True]


def test_the_order_of_reading_does_not_matter() -> None:
    words: list[Word] = [(10, True, ""), (20, False, "email"), (20, True, "email"), (20, True, ""), (25, True, "sms")]
    told = said(*words)
    for shuffled in permutations(words):
        assert said(*shuffled) == told


def test_at_one_moment_the_channels_own_word_rules_and_then_a_refusal() -> None:
    assert email(said((10, False, ""), (10, True, "email")), 10)
    assert not email(said((10, True, "email"), (10, False, "email")), 10)


def test_it_is_known_when_a_channel_was_withdrawn() -> None:
    grants = said((10, True, ""), (20, False, "sms"), (30, False, "email"), (40, True, ""))
    assert [permission.withdrawn_after(grants, "email", POLICY, at) for at in (10, 29, 30)] == [30, 30, 0]
    assert permission.withdrawn_after(grants, "sms", POLICY, 10) == 20


def test_channels_come_in_the_order_of_preference() -> None:
    assert list(permission.channels_at(said((1, True, "")), 5, POLICY)) == ["email", "app_push", "web_push", "sms"]
    assert list(permission.channels_at(said((1, True, "sms"), (1, True, "email")), 5, POLICY)) == ["email", "sms"]


def test_what_the_clock_has_passed_is_forgotten_but_for_the_newest() -> None:
    words: list[Word] = [(at, bool(at % 2), "") for at in range(1, 6)]
    assert [word.at for word in said(*words)[MARKETING]] == [1, 2, 3, 4, 5]
    assert [word.at for word in said(*words, (6, True, ""), settled=4)[MARKETING]] == [4, 5, 6]


def test_words_are_bounded_and_the_newest_stay() -> None:
    words: list[Word] = [(at, True, "") for at in range(100)]
    assert [word.at for word in said(*words)[MARKETING]] == list(range(100 - MAX_WORDS, 100))


def test_a_word_said_twice_is_one_word() -> None:
    assert said((5, True, ""), (5, True, "")) == said((5, True, ""))


def test_consent_mode_needs_both_signals_of_a_purpose() -> None:
    packed = consent.pack(("granted", None, "denied", "granted", "denied"))
    assert permission.consent_mode(packed) == {
        Purpose.COLLECT: True,
        Purpose.PROFILE: True,
        Purpose.ADS_AUDIENCE: False,
    }


def test_consent_mode_is_entered_where_it_is_news() -> None:
    grants = permission.record_consent_mode({}, {Purpose.COLLECT: True}, 5, 0)
    assert permission.record_consent_mode(grants, {Purpose.COLLECT: True}, 9, 0) == grants
    assert len(permission.record_consent_mode(grants, {Purpose.COLLECT: False}, 9, 0)[Purpose.COLLECT]) == 2
