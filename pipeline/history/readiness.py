"""Whether the policy in force allows an import: without a time to go live, years-old orders would set off triggers."""

from pipeline.config.errors import UserError
from pipeline.config.policy import ANY_SITE, Policy

_EXAMPLE = "2027-01-15T09:00:00+01:00"


def chosen_site(policy: Policy, site: str | None) -> str:
    """The site that was named, else the only one of the policy. Raises UserError where it is not clear which."""
    if site is not None:
        return site
    named = sorted(policy.sites.keys() - {ANY_SITE})
    if len(named) != 1:
        known = f"the policy names {', '.join(named)}" if named else "the policy names none"
        raise UserError(f"say whose orders these are with --site: {known}")
    return named[0]


def require_go_live(policy: Policy, site: str, namespace: str) -> int:
    """When the site goes live, epoch milliseconds. Raises UserError where its policy does not say."""
    at = policy.site(site).go_live_at
    if at is None:
        raise UserError(
            f"the policy in force in namespace {namespace} does not say when site {site} goes live, and before that an "
            f"import must set nothing off: write go_live_at = {_EXAMPLE} under [site.{site}], and publish it with "
            "`pipeline policy publish FILE`"
        )
    return round(at.timestamp() * 1000)
