"""The policy: what each site allows and when, read from TOML and published as a record of the log."""

import re
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, field

from pipeline.config.durations import DAY, HOUR, MINUTE, SECOND, Millis, millis
from pipeline.config.errors import ConfigError
from pipeline.config.settings import convert_toml, read_toml
from pipeline.events.currency import CURRENCIES
from pipeline.events.customer import Basis, Channel, Purpose
from pipeline.events.envelope import SITE_PATTERN

ANY_SITE = "*"
"""Site of the defaults, for sites that the policy does not name."""


_ACCEPTED = {
    Purpose.MARKETING_MESSAGE: (Basis.CONSENT, Basis.SOFT_OPT_IN),
    Purpose.ONSITE_PERSONALIZATION: (Basis.CONSENT,),
    Purpose.ADS_AUDIENCE: (Basis.CONSENT,),
    Purpose.PROFILE: (Basis.CONSENT,),
    Purpose.COLLECT: (Basis.CONSENT,),
}
_WITHOUT_RECORD = {
    Purpose.COLLECT: Basis.LEGITIMATE_INTEREST,
    Purpose.PROFILE: Basis.LEGITIMATE_INTEREST,
    Purpose.TRANSACTIONAL: Basis.CONTRACT,
}


class CartOverride(Struct, frozen=True, forbid_unknown_fields=True):
    """What differs for carts whose dearest line is of one category."""

    enabled: bool | None = None
    min_value: Annotated[int, Meta(ge=0)] | None = None
    steps: tuple[Millis, ...] | None = None


class CartPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """Abandoned carts."""

    enabled: Annotated[bool, Meta(description="Off: every candidate is suppressed.")] = True
    steps: Annotated[tuple[Millis, ...], Meta(description="Silence after which each step is due, ascending.")] = (
        Millis(30 * MINUTE),
        Millis(4 * HOUR),
        Millis(24 * HOUR),
    )
    min_value: Annotated[int, Meta(ge=0, description="Smallest cart, minor units of the site's currency.")] = 0
    expires_after: Annotated[Millis, Meta(description="How long after it is due a trigger may still be used.")] = (
        Millis(72 * HOUR)
    )
    offline_lag: Annotated[
        Millis, Meta(description="How late tills report: no step is due sooner after the last activity.")
    ] = Millis(0)
    timing: Annotated[
        Literal["learned", "fixed"],
        Meta(description="Learned: the first step is due when waiting for an untouched order is no longer worth it."),
    ] = "learned"
    theta: Annotated[
        float,
        Meta(gt=0, lt=1, description="Chance of an untouched order that is worth waiting a day for."),
    ] = 0.02
    explore: Annotated[
        float, Meta(ge=0, le=0.5, description="Share of carts whose first step waits longer, so that more is learned.")
    ] = 0.05
    categories: dict[str, CartOverride] = {}


class OrderPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """What an order does to the cart."""

    partial_order: Annotated[
        Literal["close", "keep_rest"],
        Meta(description="What happens to lines that were not bought: keep_rest leaves them until they are touched."),
    ] = "close"
    delivery_reported: Annotated[
        bool,
        Meta(description="Whether every delivery is reported: an order without one is then under way for 60 days."),
    ] = False
    silent_after: Annotated[Millis, Meta(description="Shortest silence of orders that holds cart triggers.")] = Millis(
        30 * MINUTE
    )


class WinBackPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """Winning customers back."""

    enabled: Annotated[bool, Meta(description="Off: every candidate is suppressed.")] = True
    prior_gap: Annotated[
        Millis, Meta(description="Usual time between two orders of a customer, before there are any of his own.")
    ] = Millis(60 * DAY)
    timing: Annotated[
        Literal["learned", "fixed"],
        Meta(description="Learned: due when overdue and rather lost than not, once enough orders were learned from."),
    ] = "learned"
    categories: Annotated[
        dict[str, Millis], Meta(description="Another prior_gap after an order whose dearest line is of this category.")
    ] = {}
    never_carted_after: Annotated[Millis, Meta(description="Visits without a cart for this long make a candidate.")] = (
        Millis(90 * DAY)
    )
    dormant_after: Annotated[Millis, Meta(description="No sign of life for this long makes a candidate.")] = Millis(
        300 * DAY
    )
    expires_after: Annotated[Millis, Meta(description="How long after it is due a trigger may still be used.")] = (
        Millis(14 * DAY)
    )


class PersonalizationPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """Live personalization."""

    enabled: Annotated[bool, Meta(description="Off: every candidate is suppressed; said once a person.")] = True
    throttle: Annotated[Millis, Meta(description="Shortest time between two triggers of a person.")] = Millis(
        5 * SECOND
    )
    expires_after: Annotated[Millis, Meta(description="How long a trigger may be used.")] = Millis(30 * MINUTE)


class TastePolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """Affinities."""

    half_life: Annotated[Millis, Meta(description="Time after which interest counts half.")] = Millis(14 * DAY)
    facets: Annotated[
        tuple[str, ...], Meta(description="Facets of the catalogue's products that affinities are kept of.")
    ] = ("colour",)


class RampPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """How what has piled up is let out: before going live, or in an outage."""

    spread: Annotated[
        Millis, Meta(description="What was due before going live is spread over this time from then on.")
    ] = Millis(14 * DAY)
    max_per_minute: Annotated[
        int, Meta(ge=1, description="Most messages of each kind in a minute; the excess is deferred. Not onsite.")
    ] = 6_000


class PermissionPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """On which basis a purpose is allowed."""

    accepted: Annotated[
        dict[Purpose, tuple[Basis, ...]], Meta(description="Bases that a person's own record must have, by purpose.")
    ] = field(default_factory=lambda: dict(_ACCEPTED))
    without_record: Annotated[
        dict[Purpose, Basis],
        Meta(description="Basis that holds for people who said nothing; a refusal still counts. Default: none."),
    ] = field(default_factory=lambda: dict(_WITHOUT_RECORD))
    channels: Annotated[tuple[Channel, ...], Meta(description="Channels of messages, the preferred first.")] = (
        Channel.EMAIL,
        Channel.APP_PUSH,
        Channel.WEB_PUSH,
        Channel.SMS,
    )


class SitePolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """The policy of one site."""

    currency: Annotated[str, Meta(min_length=3, max_length=3, description="Base currency, ISO 4217.")] = "EUR"
    rates: Annotated[
        dict[str, Annotated[float, Meta(gt=0, le=1e9)]],
        Meta(description="Units of the base currency for one unit of another, minor units alike."),
    ] = {}
    timezone: Annotated[str, Meta(description="Zone in which days begin, IANA name.")] = "UTC"
    go_live_at: Annotated[
        Annotated[datetime, Meta(tz=True)] | None,
        Meta(description="Nothing is said before this time. Needed before a history is imported."),
    ] = None
    cart: CartPolicy = CartPolicy()
    win_back: WinBackPolicy = WinBackPolicy()
    personalization: PersonalizationPolicy = PersonalizationPolicy()
    taste: TastePolicy = TastePolicy()
    ramp: RampPolicy = RampPolicy()
    order: OrderPolicy = OrderPolicy()
    permission: PermissionPolicy = PermissionPolicy()

    @property
    def live_from(self) -> int:
        """When the site goes live, epoch milliseconds; 0 where it always was."""
        return 0 if self.go_live_at is None else round(self.go_live_at.timestamp() * 1000)


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """All sites. A site that is not named has the policy of site `*`."""

    sites: dict[str, SitePolicy] = field(default_factory=lambda: {ANY_SITE: SitePolicy()})

    def __post_init__(self) -> None:
        """Raises ValueError, which decoding turns into a ValidationError."""
        if ANY_SITE not in self.sites:
            raise ValueError(f"there is no policy of site {ANY_SITE}")

    def site(self, site: str) -> SitePolicy:
        """The policy of a site."""
        found = self.sites.get(site)
        return self.sites[ANY_SITE] if found is None else found


def other_currencies(before: Policy, after: Policy) -> list[tuple[str, str, str]]:
    """`(site, currency before, currency after)` where they differ; ANY_SITE stands for all that are not named."""
    both = [(site, before.site(site).currency, after.site(site).currency) for site in before.sites | after.sites]
    return sorted(one for one in both if one[1] != one[2])


def load_policy(file: Path) -> Policy:
    """Read the TOML file: `[site."*".cart]` holds for every site, `[site.my-shop.cart]` says what differs there.

    Raises ConfigError that names the site and the key.
    """
    tree = read_toml(file)
    if unknown := tree.keys() - {"site"}:
        raise ConfigError(f"{file}: {min(unknown)}", 'unknown: a policy has tables [site."*"] and [site.NAME]')
    tables = tree.get("site", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{file}: site", 'write tables: [site."*"] and [site.NAME]')
    common = tables.get(ANY_SITE, {})
    return Policy({name: _site(file, name, _merged(common, tables.get(name, {}))) for name in (ANY_SITE, *tables)})


def _site(file: Path, name: str, tree: dict[str, Any]) -> SitePolicy:
    """Check the policy of one site."""
    where = f"{file}: site.{name}"
    if name != ANY_SITE and not re.fullmatch(SITE_PATTERN, name):
        raise ConfigError(where, f"no site can have this name: it matches {SITE_PATTERN}")
    try:
        site = convert_toml(tree, SitePolicy, "")
    except ConfigError as error:
        key = f".{error.where}" if error.where else ""
        raise ConfigError(where + key, error.what) from error
    if site.currency not in CURRENCIES:
        raise ConfigError(f"{where}.currency", f"{site.currency!r} is not a currency of ISO 4217")
    if not site.cart.expires_after:
        raise ConfigError(f"{where}.cart.expires_after", "a trigger that expires at once is none: give a duration")
    try:
        ZoneInfo(site.timezone)
    except (ValueError, OSError, KeyError) as error:  # a zone that nobody has is a KeyError
        raise ConfigError(
            f"{where}.timezone", f'{site.timezone!r} is not a zone: write for example "Europe/Warsaw"'
        ) from error
    for key, period in (
        ("win_back.expires_after", site.win_back.expires_after),
        ("win_back.prior_gap", site.win_back.prior_gap),
        ("personalization.expires_after", site.personalization.expires_after),
        ("taste.half_life", site.taste.half_life),
    ):
        if not period:
            raise ConfigError(f"{where}.{key}", "must be longer than nothing: give a duration")
    for key, period in (
        ("win_back.never_carted_after", site.win_back.never_carted_after),
        ("win_back.dormant_after", site.win_back.dormant_after),
    ):
        if period < 2 * DAY:
            raise ConfigError(f"{where}.{key}", 'visits are counted in whole days: give "2d" or more')
    for key, steps in [
        ("cart.steps", site.cart.steps),
        *((f"cart.categories.{c}.steps", o.steps) for c, o in site.cart.categories.items() if o.steps is not None),
    ]:
        if not 1 <= len(steps) <= 9 or list(steps) != sorted(set(steps)) or steps[0] <= 0:
            raise ConfigError(f"{where}.{key}", "give 1 to 9 durations, each longer than the one before")
    return site


def _merged(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What holds for every site, with what one site says otherwise, table by table."""
    merged = dict(common)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def encode_policy(policy: Policy) -> bytes:
    """The policy as canonical JSON: equal policies give equal bytes."""
    return msgspec.json.Encoder(enc_hook=int, order="sorted").encode(policy)


def decode_policy(body: bytes) -> Policy:
    """Read what `encode_policy` wrote. Raises msgspec.ValidationError."""
    return msgspec.json.decode(body, type=Policy, dec_hook=lambda _, value: millis(value))


def policy_version(body: bytes) -> str:
    """Version of a policy: the first 12 hex digits of the BLAKE2b of its canonical JSON."""
    return blake2b(body, digest_size=6).hexdigest()
