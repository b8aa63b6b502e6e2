"""Topic `shop.customers`: who a person is and what that person allows."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from pipeline.events.envelope import Event, State


class Purpose(StrEnum):
    """What personal data may be used for."""

    COLLECT = "collect"
    PROFILE = "profile"
    ONSITE_PERSONALIZATION = "onsite_personalization"
    MARKETING_MESSAGE = "marketing_message"
    ADS_AUDIENCE = "ads_audience"
    TRANSACTIONAL = "transactional"


class Basis(StrEnum):
    """The lawful basis of a permission."""

    CONSENT = "consent"
    SOFT_OPT_IN = "soft_opt_in"
    LEGITIMATE_INTEREST = "legitimate_interest"
    CONTRACT = "contract"
    NONE = "none"


class Channel(StrEnum):
    """Where a person can be reached."""

    EMAIL = "email"
    SMS = "sms"
    VOICE = "voice"
    WEB_PUSH = "web_push"
    APP_PUSH = "app_push"
    OTT = "ott"
    ONSITE = "onsite"
    INBOX = "inbox"
    STORE = "store"
    ADS_AUDIENCE = "ads_audience"


class Identify(Event, tag="identify"):
    """A login, a newsletter sign-up or a loyalty card: the person is known from here on."""

    method: Literal["login", "newsletter", "loyalty_card", "other"] = "login"


class ConsentUpdate(Event, tag="consent_update"):
    """A permission was given or withdrawn. Without `channel` it holds for every channel of the purpose."""

    purpose: Purpose
    status: State
    basis: Basis = Basis.CONSENT
    channel: Channel | None = None


class Unsubscribe(Event, tag="unsubscribe"):
    """No more messages on this channel; without `channel`, on none."""

    channel: Annotated[Channel | None, Meta(description="Absent: every channel.")] = None


CustomerEvent = Identify | ConsentUpdate | Unsubscribe
