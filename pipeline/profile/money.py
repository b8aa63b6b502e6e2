"""Money in a site's base currency."""

from typing import Final

from pipeline.config.policy import SitePolicy

MOST: Final = 10**15
"""An amount counts for no more, minor units: sums of amounts are stored in 64 bits, and rates have no near limit."""


def in_base_currency(amount: int, currency: str, policy: SitePolicy) -> int | None:
    """An amount in minor units of the base currency, None where the policy has no rate; no currency is the base's."""
    if currency in ("", policy.currency) or not amount:
        return amount
    rate = policy.rates.get(currency)
    return None if rate is None else min(round(amount * rate), MOST)
