"""The policy: what each site allows and when, read from TOML and published as a record of the log."""

from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from pipeline.config.durations import HOUR, MINUTE, Millis
from pipeline.config.errors import ConfigError
from pipeline.config.settings import convert_toml, read_toml
from pipeline.events.customer import Basis, Channel, Purpose

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
    categories: dict[str, CartOverride] = {}


class OrderPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """What an order does to the cart."""

    partial_order: Annotated[
        Literal["close", "keep_rest"],
        Meta(description="What happens to lines that were not bought: keep_rest leaves them until they are touched."),
    ] = "close"
    silent_after: Annotated[Millis, Meta(description="Shortest silence of orders that holds cart triggers.")] = Millis(
        30 * MINUTE
    )


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
        dict[str, Annotated[float, Meta(gt=0)]],
        Meta(description="Units of the base currency for one unit of another, minor units alike."),
    ] = {}
    cart: CartPolicy = CartPolicy()
    order: OrderPolicy = OrderPolicy()
    permission: PermissionPolicy = PermissionPolicy()


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """All sites. A site that is not named has the policy of site `*`."""

    sites: dict[str, SitePolicy] = field(default_factory=lambda: {ANY_SITE: SitePolicy()})

    def site(self, site: str) -> SitePolicy:
        """The policy of a site."""
        found = self.sites.get(site)
        return self.sites[ANY_SITE] if found is None else found


def load_policy(file: Path) -> Policy:
    """Read the TOML file: `[site."*".cart]`, `[site.my-shop.cart]`. Raises ConfigError that names the key."""
    tree = read_toml(file)
    if unknown := tree.keys() - {"site"}:
        raise ConfigError(f"{file}: {min(unknown)}", 'unknown: a policy has tables [site."*"] and [site.NAME]')
    policy = convert_toml({"sites": {ANY_SITE: {}} | tree.get("site", {})}, Policy, str(file))
    for name, site in policy.sites.items():
        for where, steps in [
            ("cart.steps", site.cart.steps),
            *((f"cart.categories.{c}.steps", o.steps) for c, o in site.cart.categories.items() if o.steps is not None),
        ]:
            if not 1 <= len(steps) <= 9 or list(steps) != sorted(set(steps)) or steps[0] <= 0:
                raise ConfigError(f"site.{name}.{where}", "give 1 to 9 durations, each longer than the one before")
    return policy


def encode_policy(policy: Policy) -> bytes:
    """The policy as canonical JSON: equal policies give equal bytes."""
    return msgspec.json.Encoder(enc_hook=int, order="sorted").encode(policy)


def decode_policy(body: bytes) -> Policy:
    """Read what `encode_policy` wrote. Raises msgspec.ValidationError."""
    return msgspec.json.decode(body, type=Policy, dec_hook=lambda _, value: Millis(value))


def policy_version(body: bytes) -> str:
    """Version of a policy: the first 12 hex digits of the BLAKE2b of its canonical JSON."""
    return blake2b(body, digest_size=6).hexdigest()
